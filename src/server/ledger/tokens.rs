//! API tokens: how programs come in. Only their SHA-256 is here; the visible beginning is kept to recognise them by.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event};
use crate::types::Time;

/// A token to be made.
pub struct NewApiToken<'a> {
    pub name: &'a str,
    /// Its first characters.
    pub prefix: &'a str,
    pub token_hash: [u8; 32],
    /// Of `claim`, `read`, `manage`.
    pub scopes: Vec<String>,
    /// Never if `None`.
    pub valid_for: Option<Duration>,
}

/// A token as the command line lists it.
pub struct ApiTokenRow {
    pub name: String,
    pub prefix: String,
    pub scopes: Vec<String>,
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
    pub scopes: Vec<String>,
    /// Not marked as used within the last minute.
    pub is_stale: bool,
}

/// What the ledger knows of a token that somebody showed.
#[derive(Clone, Debug)]
pub enum TokenStanding {
    Live(LiveToken),
    Expired,
    Revoked,
    Unknown,
}

impl Ledger {
    /// # Errors
    /// `Conflict` when a token has this name already.
    pub async fn create_api_token(&self, new: &NewApiToken<'_>, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let made = sqlx::query!(
            "INSERT INTO api_tokens (id, name, prefix, token_hash, scopes, expires_at)
             VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6)) ON CONFLICT (name) DO NOTHING",
            Uuid::now_v7(),
            new.name,
            new.prefix,
            new.token_hash.as_slice(),
            &new.scopes,
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
        insert_event(&mut *tx, &event("token.created", json!({ "token": new.name, "scopes": new.scopes })), by).await?;
        Ok(tx.commit().await?)
    }

    /// All tokens, newest first, at most 1,000.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn api_tokens(&self) -> Result<Vec<ApiTokenRow>, LedgerError> {
        Ok(sqlx::query_as!(
            ApiTokenRow,
            "SELECT name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at FROM api_tokens ORDER BY created_at DESC LIMIT 1000"
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
    pub async fn token_standing(&self, token_hash: &[u8; 32]) -> Result<TokenStanding, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT id, name, scopes, revoked_at IS NOT NULL AS "is_revoked!", coalesce(expires_at <= now(), false) AS "is_expired!",
                      coalesce(last_used_at < now() - interval '1 minute', true) AS "is_stale!"
               FROM api_tokens WHERE token_hash = $1"#,
            token_hash.as_slice()
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(match row {
            None => TokenStanding::Unknown,
            Some(row) if row.is_revoked => TokenStanding::Revoked,
            Some(row) if row.is_expired => TokenStanding::Expired,
            Some(row) => TokenStanding::Live(LiveToken {
                id: row.id,
                name: row.name,
                scopes: row.scopes,
                is_stale: row.is_stale,
            }),
        })
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
