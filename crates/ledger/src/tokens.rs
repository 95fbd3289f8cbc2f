//! API tokens: how programs come in. Only their SHA-256 is here; the visible beginning is kept to recognise them by.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event};
use fleet_types::Time;

/// A token to be made.
pub struct NewApiToken<'a> {
    pub name: &'a str,
    /// Whose claims are its own.
    pub client: &'a str,
    /// Its first characters.
    pub prefix: &'a str,
    pub token_hash: [u8; 32],
    /// Of `claim`, `read`, `manage`, `reveal`.
    pub scopes: Vec<String>,
    /// Out of which it may claim; all if `None`.
    pub pools: Option<Vec<String>>,
    pub calls_per_minute: Option<i32>,
    /// Never if `None`.
    pub valid_for: Option<Duration>,
}

/// A new secret for a token that goes on otherwise as it was.
pub struct TokenReplacement<'a> {
    pub name: &'a str,
    /// Its first characters.
    pub prefix: &'a str,
    pub token_hash: [u8; 32],
    /// As long as the secret before it if `None`.
    pub valid_for: Option<Duration>,
    /// How long the secret before it is still accepted, at most until it would have expired anyway.
    pub keep_previous_for: Duration,
}

/// A token as the command line lists it.
pub struct ApiTokenRow {
    pub name: String,
    pub client: String,
    pub prefix: String,
    pub scopes: Vec<String>,
    pub pools: Option<Vec<String>>,
    pub calls_per_minute: Option<i32>,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    pub last_used_at: Option<Time>,
    pub revoked_at: Option<Time>,
}

/// What a request with a token may do.
#[derive(Clone, Debug)]
pub struct LiveToken {
    pub id: Uuid,
    pub name: String,
    pub client: String,
    pub scopes: Vec<String>,
    pub pools: Option<Vec<String>>,
    pub calls_per_minute: Option<i32>,
    /// Not marked as used within the last minute.
    pub is_stale: bool,
}

/// What the ledger knows of a token that somebody showed.
#[derive(Clone, Debug)]
pub enum TokenState {
    Live(LiveToken),
    Expired,
    /// A newer secret has taken its place, and its time is over.
    Replaced,
    Revoked,
    Unknown,
}

impl Ledger {
    /// # Errors
    /// `Conflict` when a token has this name already, `Invalid` when a pool does not exist.
    pub async fn create_api_token(&self, new: &NewApiToken<'_>, by: &By) -> Result<(), LedgerError> {
        self.pools_must_exist(new.pools.as_deref().unwrap_or_default()).await?;
        let mut tx = self.db.begin().await?;
        let made = sqlx::query!(
            "INSERT INTO api_tokens (id, name, client, prefix, token_hash, scopes, pools, calls_per_minute, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9)) ON CONFLICT (name) DO NOTHING",
            Uuid::now_v7(),
            new.name,
            new.client,
            new.prefix,
            new.token_hash.as_slice(),
            &new.scopes,
            new.pools.as_deref(),
            new.calls_per_minute,
            new.valid_for.map(|duration| duration.as_secs_f64()),
        )
        .execute(&mut *tx)
        .await?;
        if made.rows_affected() == 0 {
            return Err(LedgerError::Conflict(format!(
                "There is a token named {} already, or was one. Choose another name.",
                new.name
            )));
        }
        let after = json!({
            "token": new.name, "client": new.client, "scopes": new.scopes, "pools": new.pools, "calls_per_minute": new.calls_per_minute,
        });
        insert_event(&mut *tx, &event("token.created", after), by).await?;
        Ok(tx.commit().await?)
    }

    /// Gives the token another secret. Name, client, scopes, pools and limit stay as they are.
    ///
    /// # Errors
    /// `NotFound` also for a token that has been revoked.
    pub async fn replace_api_token(&self, new: &TokenReplacement<'_>, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let replaced = sqlx::query!(
            "UPDATE api_tokens
             SET previous_token_hash = token_hash, previous_until = least(now() + make_interval(secs => $4), expires_at),
                 token_hash = $2, prefix = $3, replaced_at = now(),
                 expires_at = now() + coalesce(make_interval(secs => $5), expires_at - coalesce(replaced_at, created_at))
             WHERE name = $1 AND revoked_at IS NULL",
            new.name,
            new.token_hash.as_slice(),
            new.prefix,
            new.keep_previous_for.as_secs_f64(),
            new.valid_for.map(|duration| duration.as_secs_f64()),
        )
        .execute(&mut *tx)
        .await?;
        if replaced.rows_affected() == 0 {
            return Err(LedgerError::NotFound(format!("A token named {} that is not revoked", new.name)));
        }
        let after = json!({ "token": new.name, "previous_seconds": new.keep_previous_for.as_secs() });
        insert_event(&mut *tx, &event("token.replaced", after), by).await?;
        Ok(tx.commit().await?)
    }

    async fn pools_must_exist(&self, names: &[String]) -> Result<(), LedgerError> {
        let missing = sqlx::query_scalar!(
            r#"SELECT wanted.name AS "name!" FROM unnest($1::text[]) AS wanted (name) WHERE NOT EXISTS (SELECT FROM pools WHERE pools.name = wanted.name) LIMIT 1"#,
            names
        )
        .fetch_optional(&self.db)
        .await?;
        match missing {
            None => Ok(()),
            Some(name) => Err(LedgerError::Invalid { field: "pool", message: format!("There is no pool {name}.") }),
        }
    }

    /// All tokens, newest first, at most 1,000.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn api_tokens(&self) -> Result<Vec<ApiTokenRow>, LedgerError> {
        Ok(sqlx::query_as!(
            ApiTokenRow,
            "SELECT name, client, prefix, scopes, pools, calls_per_minute, created_at, expires_at, last_used_at, revoked_at FROM api_tokens ORDER BY created_at DESC LIMIT 1000"
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// # Errors
    /// `NotFound`.
    pub async fn revoke_api_token(&self, name: &str, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let revoked =
            sqlx::query!("UPDATE api_tokens SET revoked_at = coalesce(revoked_at, now()) WHERE name = $1", name)
                .execute(&mut *tx)
                .await?;
        if revoked.rows_affected() == 0 {
            return Err(LedgerError::NotFound(format!("The token {name}")));
        }
        insert_event(&mut *tx, &event("token.revoked", json!({ "token": name })), by).await?;
        Ok(tx.commit().await?)
    }

    /// What the token with this hash may do now.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn token_state(&self, token_hash: &[u8; 32]) -> Result<TokenState, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT id, name, client, scopes, pools, calls_per_minute, revoked_at IS NOT NULL AS "is_revoked!",
                      coalesce(token_hash = $1 AND expires_at <= now(), false) AS "is_expired!",
                      coalesce(token_hash <> $1 AND previous_until <= now(), false) AS "is_replaced!",
                      coalesce(last_used_at < now() - interval '1 minute', true) AS "is_stale!"
               FROM api_tokens WHERE token_hash = $1 OR previous_token_hash = $1"#,
            token_hash.as_slice()
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(match row {
            None => TokenState::Unknown,
            Some(row) if row.is_revoked => TokenState::Revoked,
            Some(row) if row.is_expired => TokenState::Expired,
            Some(row) if row.is_replaced => TokenState::Replaced,
            Some(row) => TokenState::Live(LiveToken {
                id: row.id,
                name: row.name,
                client: row.client,
                scopes: row.scopes,
                pools: row.pools,
                calls_per_minute: row.calls_per_minute,
                is_stale: row.is_stale,
            }),
        })
    }

    /// Takes one call from the token's bucket, which holds a minute's worth and fills evenly, for all replicas together. `false` when it is empty.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_call(&self, token: Uuid, calls_per_minute: i32) -> Result<bool, LedgerError> {
        let taken = sqlx::query!(
            "INSERT INTO token_buckets AS b (token_id, level, at) VALUES ($1, $2::float8 - 1, now())
             ON CONFLICT (token_id) DO UPDATE
             SET level = least($2::float8, b.level + greatest(extract(epoch FROM now() - b.at), 0)::float8 * $2::float8 / 60) - 1, at = greatest(b.at, now())
             WHERE least($2::float8, b.level + greatest(extract(epoch FROM now() - b.at), 0)::float8 * $2::float8 / 60) >= 1",
            token,
            f64::from(calls_per_minute),
        )
        .execute(&self.db)
        .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Marks the token as used, at most once a minute whoever asks. Nobody waits for somebody else who is marking it.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn touch_api_token(&self, id: Uuid) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE api_tokens SET last_used_at = now()
             WHERE id = (SELECT id FROM api_tokens WHERE id = $1 AND coalesce(last_used_at < now() - interval '1 minute', true) FOR NO KEY UPDATE SKIP LOCKED)",
            id
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}

fn event(kind: &'static str, after: serde_json::Value) -> NewEvent<'static> {
    NewEvent { kind, database_id: None, pool_id: None, before: None, after: Some(after) }
}
