//! The rows behind findings: databases whose project is gone, creations that did not come to an end, quotas to be sent again. Each change compares the row
//! with what the finding said, so that whoever was faster wins; a claimed database is never touched.

use serde_json::{Value, json};
use uuid::Uuid;

use super::FindingRules;
use crate::state::State;
use crate::{By, Ledger, LedgerError, NewEvent, events::insert_event};
use fleet_types::{DatabaseState, Quota};

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retired {
    Retired,
    /// It belongs to an owner: nothing was done.
    Claimed,
    /// It is no longer as the finding said, or somebody works on it: nothing was done.
    Changed,
}

struct Row {
    pool_id: i32,
    state: DatabaseState,
    /// Somebody works on it, or it has come so far only a moment ago.
    goes_on: bool,
}

impl Ledger {
    /// Retires a database whose project is gone: an available one is released, one that was being verified is set aside as failed. The pool replaces both.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn retire_ghost(&self, id: Uuid, project_id: &str, why: &str, by: &By) -> Result<Retired, LedgerError> {
        let mut tx = self.db.begin().await?;
        let row = sqlx::query_as!(
            Row,
            r#"SELECT pool_id, state AS "state: State", coalesce(lease_until > now(), false) AS "goes_on!" FROM databases
               WHERE id = $1 AND neon_project_id = $2 FOR NO KEY UPDATE"#,
            id,
            project_id
        )
        .fetch_optional(&mut *tx)
        .await?;
        match row {
            Some(Row { state: DatabaseState::Claimed, .. }) => return Ok(Retired::Claimed),
            Some(Row { state: state @ (DatabaseState::Available | DatabaseState::Withheld), pool_id, .. }) => {
                release(&mut tx, id).await?;
                tell(
                    &mut tx,
                    "database.released",
                    id,
                    pool_id,
                    json!({ "state": state.as_str() }),
                    json!({ "state": "releasing", "why": why }),
                    by,
                )
                .await?;
            }
            Some(Row { state: state @ DatabaseState::Verifying, pool_id, goes_on: false }) => {
                set_aside(&mut tx, id, why).await?;
                tell(
                    &mut tx,
                    "database.failed",
                    id,
                    pool_id,
                    json!({ "state": state.as_str() }),
                    json!({ "state": "failed", "error": why }),
                    by,
                )
                .await?;
            }
            _ => return Ok(Retired::Changed),
        }
        tx.commit().await?;
        Ok(Retired::Retired)
    }

    /// Brings a creation to an end that does not come to one: a failed row is released, so that its project is deleted; one that
    /// is still under way is set aside as failed, but for one that has gone on since it was found.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn retire_half_born(
        &self,
        id: Uuid,
        rules: &FindingRules,
        why: &str,
        by: &By,
    ) -> Result<Retired, LedgerError> {
        let mut tx = self.db.begin().await?;
        let row = sqlx::query_as!(
            Row,
            r#"SELECT pool_id, state AS "state: State", coalesce(lease_until > now(), false) OR state_since >= now() - make_interval(secs => $2) AS "goes_on!"
               FROM databases WHERE id = $1 FOR NO KEY UPDATE"#,
            id,
            rules.stuck_after
        )
        .fetch_optional(&mut *tx)
        .await?;
        match row {
            Some(Row { state: DatabaseState::Failed, pool_id, .. }) => {
                release(&mut tx, id).await?;
                tell(
                    &mut tx,
                    "database.released",
                    id,
                    pool_id,
                    json!({ "state": "failed" }),
                    json!({ "state": "releasing", "why": why }),
                    by,
                )
                .await?;
            }
            Some(Row {
                state: state @ (DatabaseState::Creating | DatabaseState::Verifying),
                pool_id,
                goes_on: false,
            }) => {
                set_aside(&mut tx, id, why).await?;
                tell(
                    &mut tx,
                    "database.failed",
                    id,
                    pool_id,
                    json!({ "state": state.as_str() }),
                    json!({ "state": "failed", "error": why }),
                    by,
                )
                .await?;
            }
            _ => return Ok(Retired::Changed),
        }
        tx.commit().await?;
        Ok(Retired::Retired)
    }

    /// Makes a creation due at once, so that provisioning looks its project up by name and adopts it. `false` when it is no longer being created.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn hurry_creation(&self, id: Uuid) -> Result<bool, LedgerError> {
        let done =
            sqlx::query!("UPDATE databases SET next_attempt_at = now() WHERE id = $1 AND state = 'creating'", id)
                .execute(&self.db)
                .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The quota that Neon has confirmed; `None` while a change of it is under way, or when the database is not in use.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn settled_quota(&self, id: Uuid) -> Result<Option<Quota>, LedgerError> {
        Ok(sqlx::query_as!(
            Quota,
            "SELECT quota_logical_size_bytes AS logical_size_bytes, quota_active_seconds AS active_time_seconds, quota_compute_seconds AS compute_time_seconds,
                    quota_written_bytes AS written_data_bytes, quota_transfer_bytes AS data_transfer_bytes
             FROM databases WHERE id = $1 AND state IN ('available', 'claimed') AND wanted_revision = applied_revision",
            id
        )
        .fetch_optional(&self.db)
        .await?)
    }

    /// Desires the same quota once more, so that it is sent to Neon again. `false` when the database is not in use.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn reapply_quota(&self, id: Uuid, on_neon: &Value, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let row = sqlx::query!(
            "UPDATE databases SET wanted_revision = wanted_revision + 1, attempts = 0, next_attempt_at = now(), last_error = NULL
             WHERE id = $1 AND state IN ('available', 'claimed')
             RETURNING pool_id, jsonb_build_object('logical_size_bytes', quota_logical_size_bytes, 'active_time_seconds', quota_active_seconds,
               'compute_time_seconds', quota_compute_seconds, 'written_data_bytes', quota_written_bytes, 'data_transfer_bytes', quota_transfer_bytes) AS wanted",
            id
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        tell(&mut tx, "database.quota_reapplied", id, row.pool_id, on_neon.clone(), row.wanted.unwrap_or_default(), by)
            .await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn release(db: &mut sqlx::PgConnection, id: Uuid) -> Result<(), LedgerError> {
    sqlx::query!(
        "UPDATE databases SET state = 'releasing', releasing_at = now(), wanted_endpoint = NULL, attempts = 0, next_attempt_at = now(), lease_until = NULL,
                leased_by = NULL, last_error = CASE WHEN state = 'failed' THEN last_error END
         WHERE id = $1",
        id
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn set_aside(db: &mut sqlx::PgConnection, id: Uuid, why: &str) -> Result<(), LedgerError> {
    sqlx::query!(
        "UPDATE databases SET state = 'failed', lease_until = NULL, leased_by = NULL, last_error = $2, last_error_at = now() WHERE id = $1",
        id,
        why
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn tell(
    db: &mut sqlx::PgConnection,
    kind: &str,
    id: Uuid,
    pool_id: i32,
    before: Value,
    after: Value,
    by: &By,
) -> Result<(), LedgerError> {
    let event =
        NewEvent { kind, database_id: Some(id), pool_id: Some(pool_id), before: Some(before), after: Some(after) };
    Ok(insert_event(db, &event, by).await?)
}
