//! Sessions, one-time links and the browsers that have signed in before. Of every secret only the SHA-256 is here.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, SignInAttempt, events::insert_event, operators};
use fleet_types::Operator;

/// How long a session may be idle, and how long it may last in any case.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    pub idle: Duration,
    pub total: Duration,
}

/// A session to be opened.
pub struct NewSession<'a> {
    pub token_hash: [u8; 32],
    pub user_agent: Option<&'a str>,
    /// The session that this browser had before; it ends.
    pub replaces: Option<[u8; 32]>,
    /// The browser's new device cookie, by which it is known at its next sign-in.
    pub device_hash: [u8; 32],
    /// The one that it had before; it counts no more.
    pub replaces_device: Option<[u8; 32]>,
}

/// Browsers of one operator that are remembered at most, and for how long.
const DEVICES: i64 = 20;
const DEVICE_DAYS: i32 = 180;

/// A session that holds.
#[derive(Clone, Debug)]
pub struct Session {
    pub operator: Operator,
    /// Not marked as used within the last minute.
    pub is_stale: bool,
}

/// What became of a one-time link.
#[derive(Debug, PartialEq, Eq)]
pub enum LinkUse {
    /// Used now, by this very request, which has opened the session.
    SignedIn(Operator),
    Expired,
    /// Used before, never made, or its operator is disabled.
    Invalid,
}

impl Ledger {
    /// The session of this cookie, with its operator as they are now, so that a change of role or a disabling acts at once.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn session(&self, token_hash: &[u8; 32], limits: SessionLimits) -> Result<Option<Session>, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT o.id, o.email, o.name, o.role, s.last_seen_at < now() - interval '1 minute' AS "is_stale!"
               FROM sessions AS s JOIN operators AS o ON o.id = s.operator_id
               WHERE s.token_hash = $1 AND o.disabled_at IS NULL
                 AND s.last_seen_at > now() - make_interval(secs => $2) AND s.created_at > now() - make_interval(secs => $3)"#,
            token_hash.as_slice(),
            limits.idle.as_secs_f64(),
            limits.total.as_secs_f64(),
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(row.map(|row| Session {
            operator: operators::operator(row.id, row.email, row.name, &row.role),
            is_stale: row.is_stale,
        }))
    }

    /// Marks the session as used, at most once a minute whoever asks.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn touch_session(&self, token_hash: &[u8; 32]) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE sessions SET last_seen_at = now() WHERE token_hash = $1 AND last_seen_at < now() - interval '1 minute'",
            token_hash.as_slice()
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Opens a session for somebody whose password was right: the attempt has not failed, and those before it are forgotten.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn open_session(
        &self,
        operator: &Operator,
        attempt: &SignInAttempt<'_>,
        session: &NewSession<'_>,
        by: &By,
    ) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        attempt.forgive(&mut tx).await?;
        begin_session(&mut tx, operator, session, by, "password").await?;
        Ok(tx.commit().await?)
    }

    /// # Errors
    /// PostgreSQL's.
    pub async fn end_session(&self, token_hash: &[u8; 32], by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let ended =
            sqlx::query!("DELETE FROM sessions WHERE token_hash = $1", token_hash.as_slice()).execute(&mut *tx).await?;
        if ended.rows_affected() > 0 {
            insert_event(&mut *tx, &event("operator.signed_out", None), by).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Makes a link that signs this operator in once.
    ///
    /// # Errors
    /// `NotFound` when there is no such operator, or it is disabled.
    pub async fn create_sign_in_link(
        &self,
        email: &str,
        token_hash: &[u8; 32],
        valid_for: Duration,
        by: &By,
    ) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let made = sqlx::query!(
            "INSERT INTO sign_in_links (token_hash, operator_id, expires_at)
             SELECT $2, id, now() + make_interval(secs => $3) FROM operators WHERE email = lower($1) AND disabled_at IS NULL",
            email,
            token_hash.as_slice(),
            valid_for.as_secs_f64(),
        )
        .execute(&mut *tx)
        .await?;
        if made.rows_affected() == 0 {
            return Err(operators::no_such_operator(email));
        }
        insert_event(&mut *tx, &event("operator.link", Some(json!({ "operator": email.to_lowercase() }))), by).await?;
        Ok(tx.commit().await?)
    }

    /// Whether the link has neither been used nor expired.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn sign_in_link_is_open(&self, token_hash: &[u8; 32]) -> Result<bool, LedgerError> {
        let is_open = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM sign_in_links WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now()) AS "is_open!""#,
            token_hash.as_slice()
        )
        .fetch_one(&self.db)
        .await?;
        Ok(is_open)
    }

    /// Uses a link up and opens the session, in one transaction: of two who come with the same link, one gets in.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn use_sign_in_link(
        &self,
        link_hash: &[u8; 32],
        session: &NewSession<'_>,
        request_id: &str,
    ) -> Result<LinkUse, LedgerError> {
        let mut tx = self.db.begin().await?;
        let link = sqlx::query!(
            r#"SELECT l.expires_at > now() AS "is_fresh!", o.id, o.email, o.name, o.role
               FROM sign_in_links AS l JOIN operators AS o ON o.id = l.operator_id
               WHERE l.token_hash = $1 AND l.used_at IS NULL AND o.disabled_at IS NULL FOR NO KEY UPDATE OF l"#,
            link_hash.as_slice()
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(link) = link else { return Ok(LinkUse::Invalid) };
        if !link.is_fresh {
            return Ok(LinkUse::Expired);
        }
        let operator = operators::operator(link.id, link.email, link.name, &link.role);
        sqlx::query!("UPDATE sign_in_links SET used_at = now() WHERE token_hash = $1", link_hash.as_slice())
            .execute(&mut *tx)
            .await?;
        let by = By {
            actor: operator.email.clone(),
            via: super::Via::Console,
            reason: None,
            request_id: Some(request_id.to_owned()),
        };
        begin_session(&mut tx, &operator, session, &by, "link").await?;
        tx.commit().await?;
        Ok(LinkUse::SignedIn(operator))
    }

    /// Whether this operator has signed in before in the browser that has this device cookie.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub(super) async fn is_device_of(&self, device_hash: &[u8; 32], email: &str) -> Result<bool, LedgerError> {
        let is_known = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM sign_in_devices AS d JOIN operators AS o ON o.id = d.operator_id
                 WHERE d.token_hash = $1 AND o.email = $2 AND d.signed_in_at > now() - make_interval(days => $3)) AS "is_known!""#,
            device_hash.as_slice(),
            email,
            DEVICE_DAYS,
        )
        .fetch_one(&self.db)
        .await?;
        Ok(is_known)
    }

    /// Removes sessions that have ended, links long past, and browsers and attempts that no longer count.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn sweep_sessions(&self, limits: SessionLimits) -> Result<u64, LedgerError> {
        let ended = sqlx::query!(
            "DELETE FROM sessions WHERE last_seen_at <= now() - make_interval(secs => $1) OR created_at <= now() - make_interval(secs => $2)",
            limits.idle.as_secs_f64(),
            limits.total.as_secs_f64(),
        )
        .execute(&self.db)
        .await?;
        sqlx::query!("DELETE FROM sign_in_links WHERE expires_at < now() - interval '7 days'")
            .execute(&self.db)
            .await?;
        sqlx::query!(
            "DELETE FROM sign_in_devices WHERE signed_in_at <= now() - make_interval(days => $1)",
            DEVICE_DAYS
        )
        .execute(&self.db)
        .await?;
        self.forget_old_attempts().await?;
        self.forget_old_denials().await?;
        Ok(ended.rows_affected())
    }
}

/// Ends the browser's earlier session, opens the new one and remembers both.
async fn begin_session(
    tx: &mut sqlx::PgTransaction<'_>,
    operator: &Operator,
    session: &NewSession<'_>,
    by: &By,
    how: &str,
) -> Result<(), sqlx::Error> {
    if let Some(earlier) = session.replaces {
        sqlx::query!("DELETE FROM sessions WHERE token_hash = $1", earlier.as_slice()).execute(&mut **tx).await?;
    }
    sqlx::query!(
        "INSERT INTO sessions (token_hash, operator_id, user_agent) VALUES ($1, $2, $3)",
        session.token_hash.as_slice(),
        operator.id,
        session.user_agent,
    )
    .execute(&mut **tx)
    .await?;
    remember_device(tx, operator.id, session).await?;
    mark_signed_in(tx, operator.id).await?;
    insert_event(&mut **tx, &event("operator.signed_in", Some(json!({ "by": how }))), by).await
}

/// Each sign-in renews the browser's device cookie; of an operator's many browsers the latest are remembered.
async fn remember_device(
    tx: &mut sqlx::PgTransaction<'_>,
    operator_id: Uuid,
    session: &NewSession<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM sign_in_devices WHERE operator_id = $1 AND (token_hash = $2 OR token_hash IN
           (SELECT token_hash FROM sign_in_devices WHERE operator_id = $1 ORDER BY signed_in_at DESC OFFSET $3))",
        operator_id,
        session.replaces_device.as_ref().map(|hash| hash.as_slice()),
        DEVICES - 1,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "INSERT INTO sign_in_devices (token_hash, operator_id) VALUES ($1, $2)",
        session.device_hash.as_slice(),
        operator_id
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn mark_signed_in(tx: &mut sqlx::PgTransaction<'_>, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE operators SET last_signed_in_at = now() WHERE id = $1", id).execute(&mut **tx).await?;
    Ok(())
}

fn event(kind: &'static str, after: Option<serde_json::Value>) -> NewEvent<'static> {
    NewEvent { kind, database_id: None, pool_id: None, before: None, after }
}
