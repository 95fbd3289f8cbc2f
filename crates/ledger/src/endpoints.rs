//! What is desired of the compute endpoint: suspend, resume, and after how long it stops by itself.

use serde_json::json;
use uuid::Uuid;

use super::{
    By, Ledger, LedgerError, NewEvent, credentials::require_claimed, events::insert_event, origin::refuse_copied,
    plans::record_overrides, quota_events::TIMEOUT_DECISIONS,
};
use crate::state::State;
use fleet_types::EndpointAction;

/// Neon's longest suspend timeout: a week.
const LONGEST_TIMEOUT_SECONDS: i32 = 604_800;

impl Ledger {
    /// Writes down that the endpoint shall be suspended or started once.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when the database is not claimed.
    pub async fn request_endpoint_action(&self, id: Uuid, action: EndpointAction, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        refuse_copied(&mut tx, id, "Suspend or resume it").await?;
        let row = sqlx::query!(
            r#"SELECT pool_id, state AS "state: State", observed_endpoint_state FROM databases WHERE id = $1 FOR NO KEY UPDATE"#,
            id
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        require_claimed(row.state.0, "suspended or resumed")?;
        sqlx::query!(
            "UPDATE databases SET wanted_endpoint = $2, attempts = 0, next_attempt_at = now(), last_error = NULL WHERE id = $1",
            id,
            action.as_str()
        )
        .execute(&mut *tx)
        .await?;
        let kind = match action {
            EndpointAction::Suspend => "database.suspend",
            EndpointAction::Resume => "database.resume",
        };
        let before = row.observed_endpoint_state.map(|state| json!({ "endpoint": state }));
        let after = Some(
            json!({ "endpoint": match action { EndpointAction::Suspend => "idle", EndpointAction::Resume => "active" } }),
        );
        insert_event(
            &mut *tx,
            &NewEvent { kind, database_id: Some(id), pool_id: Some(row.pool_id), before, after },
            by,
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// Seconds without a connection after which the compute stops: 0 is Neon's default, -1 never, else from 60 to a week. What the ledger
    /// says already is sent all the same if it was found to be old since: Neon may have another.
    ///
    /// # Errors
    /// `Invalid`, `NotFound`, `Conflict` when the database is not claimed.
    pub async fn set_suspend_timeout(&self, id: Uuid, seconds: i32, by: &By) -> Result<(), LedgerError> {
        if !(matches!(seconds, 0 | -1) || (60..=LONGEST_TIMEOUT_SECONDS).contains(&seconds)) {
            let message =
                format!("Choose Neon's default (0), never (-1), or from 60 to {LONGEST_TIMEOUT_SECONDS} seconds.");
            return Err(LedgerError::Invalid { field: "seconds", message });
        }
        let mut tx = self.db.begin().await?;
        refuse_copied(&mut tx, id, "Change its suspend timeout").await?;
        let row = sqlx::query!(
            r#"SELECT pool_id, state AS "state: State", suspend_timeout_seconds,
                      may_have_forgotten_compute(id, ARRAY['suspend_timeout_seconds'], $2) AS "may_differ_on_neon!"
               FROM databases WHERE id = $1 FOR NO KEY UPDATE"#,
            id,
            &TIMEOUT_DECISIONS.map(String::from)[..]
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        require_claimed(row.state.0, "given another suspend timeout")?;
        if row.suspend_timeout_seconds == seconds && !row.may_differ_on_neon {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE databases SET suspend_timeout_seconds = $2, wanted_revision = wanted_revision + 1, compute_revision = wanted_revision + 1,
                    attempts = 0, next_attempt_at = now(), last_error = NULL WHERE id = $1",
            id,
            seconds
        )
        .execute(&mut *tx)
        .await?;
        record_overrides(&mut tx, id, &[String::from("suspend_timeout_seconds")], None, false, by).await?;
        let event = NewEvent {
            kind: "database.suspend_timeout",
            database_id: Some(id),
            pool_id: Some(row.pool_id),
            before: Some(json!({ "suspend_timeout_seconds": row.suspend_timeout_seconds })),
            after: Some(json!({ "suspend_timeout_seconds": seconds })),
        };
        insert_event(&mut *tx, &event, by).await?;
        Ok(tx.commit().await?)
    }
}
