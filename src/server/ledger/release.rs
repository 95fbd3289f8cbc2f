//! Releasing: giving a database up. It ends in deletion on Neon, where it can be recovered for seven days, and never in the pool.

use serde_json::json;
use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event};
use crate::types::{DatabaseState, text};

/// A row to be deleted on Neon, leased to the caller.
#[derive(Clone, Debug)]
pub struct DueRelease {
    pub id: Uuid,
    pub lease: Uuid,
    pub pool_id: i32,
    pub project_id: Option<String>,
    pub project_name: String,
    pub attempts: i32,
    /// Of the request that gave it up.
    pub request_id: Option<String>,
}

impl Ledger {
    /// Gives the database up; done already counts as done. Its owner may claim another at once.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` while it is still being created.
    pub async fn release(&self, id: Uuid, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let row = sqlx::query!(
            r#"SELECT pool_id, state AS "state: DatabaseState", owner_id, origin FROM databases WHERE id = $1 FOR NO KEY UPDATE"#,
            id
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        if row.origin == "copied" {
            return Err(LedgerError::Conflict(String::from(
                "This database belongs to the installation from which this ledger was copied. Release it there.",
            )));
        }
        match row.state {
            DatabaseState::Releasing | DatabaseState::Deleted => return Ok(()),
            DatabaseState::Claimed | DatabaseState::Available | DatabaseState::Withheld | DatabaseState::Failed => {}
            state => {
                return Err(LedgerError::Conflict(format!(
                    "A database that is {} cannot be released yet. Wait until it is available.",
                    state.as_str()
                )));
            }
        }
        sqlx::query!(
            "UPDATE databases SET state = 'releasing', releasing_at = now(), wanted_endpoint = NULL, attempts = 0, next_attempt_at = now(),
                    lease_until = NULL, leased_by = NULL, last_error = CASE WHEN state = 'failed' THEN last_error END
             WHERE id = $1",
            id
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("UPDATE claims SET released_at = now() WHERE database_id = $1 AND released_at IS NULL", id)
            .execute(&mut *tx)
            .await?;
        let event = NewEvent {
            kind: "database.released",
            database_id: Some(id),
            pool_id: Some(row.pool_id),
            before: Some(json!({ "state": row.state.as_str(), "owner": row.owner_id })),
            after: Some(json!({ "state": "releasing", "owner": row.owner_id })),
        };
        insert_event(&mut *tx, &event, by).await?;
        Ok(tx.commit().await?)
    }

    /// [`Ledger::release`], if `confirmation` is the owner's e-mail address, or the database's id where it has no owner.
    ///
    /// # Errors
    /// Also `Invalid` when it is not.
    pub async fn release_confirmed(&self, id: Uuid, confirmation: &str, by: &By) -> Result<(), LedgerError> {
        let email = sqlx::query_scalar!(
            r#"SELECT o.email AS "email?" FROM databases AS d LEFT JOIN owners AS o ON o.id = d.owner_id WHERE d.id = $1"#,
            id
        )
        .fetch_optional(&self.db)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        let wanted = email.unwrap_or_else(|| id.to_string());
        let wanted = text::visible(wanted.trim());
        if !text::visible(confirmation.trim()).eq_ignore_ascii_case(&wanted) {
            return Err(LedgerError::Invalid { field: "confirmation", message: format!("Type {wanted} to confirm.") });
        }
        self.release(id, by).await
    }

    /// Gives up what failed so many seconds ago: its evidence stands in the history, and a project that it may have would go on costing.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn release_failed(&self, seconds_ago: f64, limit: i64, by: &By) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            r#"WITH old AS (
                 SELECT id FROM databases WHERE state = 'failed' AND origin = 'pool' AND state_since < now() - make_interval(secs => $1)
                 ORDER BY state_since LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
               released AS (
                 UPDATE databases AS d SET state = 'releasing', releasing_at = now(), attempts = 0, next_attempt_at = now(), lease_until = NULL, leased_by = NULL
                 FROM old WHERE d.id = old.id RETURNING d.id, d.pool_id)
               INSERT INTO events (kind, database_id, pool_id, actor, via, before, after, request_id)
               SELECT 'database.released', id, pool_id, $3, $4, '{"state": "failed"}', '{"state": "releasing"}', $5 FROM released"#,
            seconds_ago,
            limit,
            by.actor,
            by.via.as_str(),
            by.request_id
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }

    /// Leases rows that are due.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_due_releases(
        &self,
        only: Option<Uuid>,
        limit: i64,
        lease_seconds: f64,
    ) -> Result<Vec<DueRelease>, LedgerError> {
        let lease = Uuid::now_v7();
        let rows = sqlx::query_as!(
            DueRelease,
            r#"WITH due AS (
                 SELECT id FROM databases
                 WHERE state = 'releasing' AND origin <> 'copied' AND (SELECT safe_mode_since IS NULL FROM installation) AND CASE WHEN $1::uuid IS NULL THEN next_attempt_at <= now() ELSE id = $1 END
                   AND (lease_until IS NULL OR lease_until < now())
                 ORDER BY next_attempt_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
               UPDATE databases AS d SET lease_until = now() + make_interval(secs => $3), leased_by = $4 FROM due WHERE d.id = due.id
               RETURNING d.id, d.leased_by AS "lease!", d.pool_id, d.neon_project_id AS project_id, d.neon_project_name AS project_name, d.attempts,
                         (SELECT request_id FROM events WHERE database_id = d.id AND kind = 'database.released' ORDER BY id DESC LIMIT 1) AS request_id"#,
            only,
            limit,
            lease_seconds,
            lease,
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows)
    }

    /// Neon refuses to delete it: it is tried again in five minutes, then ever later, at last every six hours. The first refusal is an event.
    /// `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_release_refused(&self, row: &DueRelease, error: &str, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let is_first = sqlx::query_scalar!(
            r#"UPDATE databases
               SET release_refused_at = coalesce(release_refused_at, now()), last_error = $3, last_error_at = now(), lease_until = NULL,
                   leased_by = NULL, attempts = attempts + 1,
                   next_attempt_at = now() + make_interval(secs => least(21600, 300 * 2 ^ least(attempts, 20)) * (0.5 + random()))
               WHERE id = $1 AND leased_by = $2 AND state = 'releasing'
               RETURNING release_refused_at = now() AS "is_first!""#,
            row.id,
            row.lease,
            error
        )
        .fetch_optional(&mut *tx)
        .await?;
        if is_first == Some(true) {
            let event = NewEvent {
                kind: "database.release_refused",
                database_id: Some(row.id),
                pool_id: Some(row.pool_id),
                before: None,
                after: Some(json!({ "state": "releasing", "error": error })),
            };
            insert_event(&mut *tx, &event, by).await?;
        }
        tx.commit().await?;
        Ok(is_first.is_some())
    }

    /// Neon has deleted it, or never had it. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_deleted(&self, row: &DueRelease, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE databases
             SET state = 'deleted', deleted_at = now(), recoverable_until = CASE WHEN neon_project_id IS NULL THEN NULL ELSE now() + interval '7 days' END,
                 observed_endpoint_state = NULL, lease_until = NULL, leased_by = NULL, attempts = 0, last_error = NULL, release_refused_at = NULL
             WHERE id = $1 AND leased_by = $2 AND state = 'releasing'",
            row.id,
            row.lease
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let event = NewEvent {
            kind: "database.state",
            database_id: Some(row.id),
            pool_id: Some(row.pool_id),
            before: Some(json!({ "state": "releasing" })),
            after: Some(json!({ "state": "deleted" })),
        };
        insert_event(&mut *tx, &event, by).await?;
        tx.commit().await?;
        Ok(true)
    }
}
