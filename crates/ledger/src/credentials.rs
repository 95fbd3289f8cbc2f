//! Credentials: who sees them, whether Neon still has them, and new ones on request. Every disclosure is an event that is committed before the secret
//! leaves. What is on request is limited for each actor.

use serde_json::json;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::{By, DueChange, Ledger, LedgerError, NewEvent, events::insert_event, origin::refuse_copied};
use crate::state::State;
use fleet_types::{DatabaseState, Time};

/// Disclosures on request to one actor within [`WINDOW_SECONDS`].
const DISCLOSURES: i32 = 60;
const WINDOW_SECONDS: f64 = 3600.0;

/// By which way credentials leave, apart from the first answer to a claim, whose event is `database.claimed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Shown in the console.
    Reveal,
    /// `POST /api/v1/databases/{id}/credentials`.
    CredentialsCall,
}

impl Way {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reveal => "reveal",
            Self::CredentialsCall => "credentials",
        }
    }
}

/// What the ledger has of a database's credentials, and by which names Neon knows their role.
pub struct StoredCredentials {
    pub pool_id: i32,
    pub pool: String,
    pub project_id: String,
    pub branch_id: String,
    pub endpoint_id: String,
    pub role: String,
    pub sealed: Vec<u8>,
    /// When they were last known to be right.
    pub verified_at: Option<Time>,
    /// When it was noticed that they had been changed on Neon.
    pub changed_at: Option<Time>,
}

/// By which way credentials leave, and for whom.
pub struct Disclosure<'a> {
    pub way: Way,
    /// From where they were asked for.
    pub address: &'a str,
    /// The pools that a token is bound to; `None`: all.
    pub pools: Option<&'a [String]>,
}

impl Ledger {
    /// The credentials of a claimed database for somebody who asked for them with a reason. The event is committed.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for a database that is not claimed; `Forbidden` for one in a pool that is not the token's; `TooMany` beyond the limit of this actor.
    pub async fn disclose(
        &self,
        id: Uuid,
        disclosure: &Disclosure<'_>,
        by: &By,
    ) -> Result<StoredCredentials, LedgerError> {
        let mut tx = self.db.begin().await?;
        let stored = claimed_credentials(&mut tx, id, "shown").await?;
        if disclosure.pools.is_some_and(|pools| !pools.contains(&stored.pool)) {
            return Err(LedgerError::Forbidden(format!("This token may not use what is in the pool {}.", stored.pool)));
        }
        count_disclosure(&mut tx, by).await?;
        let event = NewEvent {
            kind: "database.credentials_disclosed",
            database_id: Some(id),
            pool_id: Some(stored.pool_id),
            before: None,
            after: Some(json!({ "way": disclosure.way.as_str(), "address": disclosure.address })),
        };
        insert_event(&mut *tx, &event, by).await?;
        tx.commit().await?;
        Ok(stored)
    }

    /// The credentials of a claimed database for the engine alone. `None` for any other.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn stored_credentials(&self, id: Uuid) -> Result<Option<StoredCredentials>, LedgerError> {
        let mut connection = self.db.acquire().await?;
        match claimed_credentials(&mut connection, id, "looked at").await {
            Ok(stored) => Ok(Some(stored)),
            Err(LedgerError::NotFound(_) | LedgerError::Conflict(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Neon has just confirmed these credentials. Answers when, or `None` if others are stored by now.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_credentials_verified(&self, id: Uuid, sealed: &[u8]) -> Result<Option<Time>, LedgerError> {
        Ok(sqlx::query_scalar!(
            r#"UPDATE databases SET credentials_verified_at = now() WHERE id = $1 AND sealed_credentials = $2 RETURNING now() AS "at!""#,
            id,
            sealed
        )
        .fetch_optional(&self.db)
        .await?)
    }

    /// Neon has another password than the one that is stored: keeps it, with an event. Answers when; `None` if others are stored by now, or a new
    /// password is being asked for.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_credentials_changed(
        &self,
        id: Uuid,
        stored: &StoredCredentials,
        sealed: &[u8],
        by: &By,
    ) -> Result<Option<Time>, LedgerError> {
        let mut tx = self.db.begin().await?;
        let at = sqlx::query_scalar!(
            r#"UPDATE databases SET sealed_credentials = $3, credentials_verified_at = now(), credentials_changed_at = now()
               WHERE id = $1 AND sealed_credentials = $2 AND state = 'claimed' AND password_reset_wanted_at IS NULL RETURNING now() AS "at!""#,
            id,
            stored.sealed,
            sealed
        )
        .fetch_optional(&mut *tx)
        .await?;
        if at.is_some() {
            let event = NewEvent {
                kind: "database.credentials_changed",
                database_id: Some(id),
                pool_id: Some(stored.pool_id),
                before: None,
                after: Some(json!({ "password": "changed on Neon" })),
            };
            insert_event(&mut *tx, &event, by).await?;
        }
        tx.commit().await?;
        Ok(at)
    }

    /// Writes down that the role shall have a new password. The engine asks Neon for it.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when the database is not claimed.
    pub async fn request_password_reset(&self, id: Uuid, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        refuse_copied(&mut tx, id, "Rotate its password").await?;
        let row = sqlx::query!(
            r#"SELECT pool_id, state AS "state: State" FROM databases WHERE id = $1 FOR NO KEY UPDATE"#,
            id
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        require_claimed(row.state.0, "given a new password")?;
        sqlx::query!(
            "UPDATE databases SET password_reset_wanted_at = coalesce(password_reset_wanted_at, now()), wanted_revision = wanted_revision + 1,
                    attempts = 0, next_attempt_at = now(), last_error = NULL WHERE id = $1",
            id
        )
        .execute(&mut *tx)
        .await?;
        let event = NewEvent {
            kind: "database.rotate_password",
            database_id: Some(id),
            pool_id: Some(row.pool_id),
            before: None,
            after: None,
        };
        insert_event(&mut *tx, &event, by).await?;
        Ok(tx.commit().await?)
    }

    /// Neon is about to be asked for a new password, and `sealed` is what it has until then. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_reset_asked(&self, row: &DueChange, sealed: &[u8]) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE databases SET password_reset_asked_at = now(), sealed_credentials = $3 WHERE id = $1 AND leased_by = $2",
            row.id,
            row.lease,
            sealed
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn not_claimed(state: DatabaseState, what: &str) -> LedgerError {
    let why = match state {
        DatabaseState::Deleted => "It cannot be connected to any more.",
        DatabaseState::Releasing | DatabaseState::Failed => "It will be deleted, and nobody is given it again.",
        _ => "Whoever claims a database next is given the password that it has now.",
    };
    let state = state.as_str();
    LedgerError::Conflict(format!(
        "Only the credentials of a claimed database can be {what}; this one is {state}. {why}"
    ))
}

async fn claimed_credentials(db: &mut PgConnection, id: Uuid, what: &str) -> Result<StoredCredentials, LedgerError> {
    refuse_copied(db, id, "Ask for its credentials").await?;
    let row = sqlx::query!(
        r#"SELECT d.pool_id, p.name AS pool, d.state AS "state: State", d.neon_project_id, d.neon_branch_id, d.neon_endpoint_id, d.role_name,
                  d.sealed_credentials, coalesce(d.credentials_verified_at, d.available_at) AS verified_at, d.credentials_changed_at
           FROM databases AS d JOIN pools AS p ON p.id = d.pool_id WHERE d.id = $1"#,
        id
    )
    .fetch_optional(db)
    .await?
    .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
    if row.state.0 != DatabaseState::Claimed {
        return Err(not_claimed(row.state.0, what));
    }
    let stored = (|| {
        Some(StoredCredentials {
            pool_id: row.pool_id,
            pool: row.pool,
            project_id: row.neon_project_id?,
            branch_id: row.neon_branch_id?,
            endpoint_id: row.neon_endpoint_id?,
            role: row.role_name?,
            sealed: row.sealed_credentials?,
            verified_at: row.verified_at,
            changed_at: row.credentials_changed_at,
        })
    })();
    stored.ok_or_else(|| LedgerError::Conflict(String::from("This database has no connection string yet.")))
}

pub(super) fn require_claimed(state: DatabaseState, what: &str) -> Result<(), LedgerError> {
    if state == DatabaseState::Claimed {
        return Ok(());
    }
    Err(LedgerError::Conflict(format!("Only a claimed database can be {what}; this one is {}.", state.as_str())))
}

/// Counts and decides in one statement on the actor's row: whoever comes at the same time waits for it, and sees what it left.
async fn count_disclosure(tx: &mut Transaction<'_, Postgres>, by: &By) -> Result<(), LedgerError> {
    let counted = sqlx::query_scalar!(
        r#"INSERT INTO disclosure_limits AS l (via, actor, disclosed_at) VALUES ($1, $2, ARRAY[now()])
           ON CONFLICT (via, actor) DO UPDATE
           SET disclosed_at = array(SELECT at FROM unnest(l.disclosed_at) AS at WHERE at > now() - make_interval(secs => $3) ORDER BY at) || now()
           WHERE (SELECT count(*) FROM unnest(l.disclosed_at) AS at WHERE at > now() - make_interval(secs => $3)) < $4
           RETURNING true AS "counted!""#,
        by.via.as_str(),
        by.actor,
        WINDOW_SECONDS,
        i64::from(DISCLOSURES)
    )
    .fetch_optional(&mut **tx)
    .await?;
    if counted.is_some() {
        return Ok(());
    }
    let wait = sqlx::query_scalar!(
        r#"SELECT ceil(extract(epoch FROM min(at) - now())::float8 + $3)::integer AS wait
           FROM disclosure_limits, unnest(disclosed_at) AS at WHERE via = $1 AND actor = $2 AND at > now() - make_interval(secs => $3)"#,
        by.via.as_str(),
        by.actor,
        WINDOW_SECONDS
    )
    .fetch_one(&mut **tx)
    .await?;
    Err(LedgerError::TooMany {
        message: format!(
            "You have been shown the credentials of {DISCLOSURES} databases within an hour. Wait before you ask for more."
        ),
        retry_after_seconds: u32::try_from(wait.unwrap_or(1)).unwrap_or(1).max(1),
    })
}
