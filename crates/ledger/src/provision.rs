//! Provisioning: from the request to the pool, step by step, each step with its event, each under a lease.

use serde_json::json;
use uuid::Uuid;

use super::{By, DueCreation, Ledger, LedgerError, NewEvent, breaker, events::insert_event};
use crate::state::State;
use fleet_types::{CreationStep, Quota};

/// Databases of a pool that Neon was asked for and that have not answered yet: if none ever does, there are no more of them. Refilling as fast as Neon's
/// limits allow has a third of this under way.
const MOST_UNPROVEN: i64 = 128;

/// What Neon made.
pub struct NewProjectRecord<'a> {
    pub project_id: &'a str,
    pub branch_id: &'a str,
    pub endpoint_id: &'a str,
    pub host: &'a str,
    pub database_name: &'a str,
    pub role_name: &'a str,
    pub sealed_credentials: &'a [u8],
}

impl Ledger {
    /// Leases rows that are due. Those that were `requested` become `creating` in the same transaction, which is committed before
    /// anybody calls Neon. A pool begins no more than its ceiling allows within an hour, nothing while it is paused, and one at a time when its breaker has cooled
    /// down: it finds out whether creating works again. None while this process may not change anything on Neon.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_due_creations(
        &self,
        limit: i64,
        lease_seconds: f64,
        by: &By,
    ) -> Result<Vec<DueCreation>, LedgerError> {
        let (lease, proof) = (Uuid::now_v7(), self.proof());
        let mut tx = self.db.begin().await?;
        // What a pool may still begin is counted by one replica at a time, and not while somebody pauses it or changes its target.
        sqlx::query!(
            "SELECT id FROM pools AS p WHERE EXISTS (SELECT FROM databases WHERE pool_id = p.id AND state = 'requested' AND next_attempt_at <= now())
             ORDER BY id FOR NO KEY UPDATE"
        )
        .fetch_all(&mut *tx)
        .await?;
        let rows = sqlx::query!(
            r#"WITH pool AS (
                 SELECT p.id, p.paused_at IS NOT NULL AS is_paused, p.failures_in_a_row >= $7 AS is_open, breaker_probe(p, $7) AS probe,
                        least(creation_room(p, $8), $1) AS room
                 FROM pools AS p
                 WHERE may_change_neon($9, $10)
                   AND EXISTS (SELECT FROM databases WHERE pool_id = p.id AND state IN ('requested', 'creating', 'verifying'))),
               going_on AS (
                 SELECT d.id, d.state AS was, d.next_attempt_at FROM databases AS d JOIN pool ON pool.id = d.pool_id
                 WHERE d.state IN ('creating', 'verifying') AND d.next_attempt_at <= now() AND (d.lease_until IS NULL OR d.lease_until < now())
                   AND (d.state = 'verifying' OR NOT pool.is_open OR d.id = pool.probe)
                 ORDER BY d.next_attempt_at LIMIT $1 FOR NO KEY UPDATE OF d SKIP LOCKED),
               beginning AS (
                 SELECT r.* FROM pool, LATERAL (
                   SELECT id, state AS was, next_attempt_at FROM databases AS d
                   WHERE pool_id = pool.id AND state = 'requested' AND next_attempt_at <= now() AND (NOT pool.is_open OR d.id = pool.probe)
                   ORDER BY next_attempt_at, id LIMIT greatest(pool.room, 0) FOR NO KEY UPDATE SKIP LOCKED) AS r
                 WHERE NOT pool.is_paused),
               due AS (
                 SELECT * FROM (SELECT * FROM going_on UNION ALL SELECT * FROM beginning) AS all_of_them ORDER BY next_attempt_at LIMIT $1),
               taken AS (
                 UPDATE databases AS d
                 SET lease_until = now() + make_interval(secs => $2), leased_by = $3,
                     state = CASE WHEN d.state = 'requested' THEN 'creating' ELSE d.state END,
                     asked_at = CASE WHEN d.state = 'requested' THEN now() ELSE d.asked_at END
                 FROM due WHERE d.id = due.id RETURNING d.*, due.was),
               told AS (
                 INSERT INTO events (kind, database_id, pool_id, actor, via, before, after, request_id)
                 SELECT 'database.state', id, pool_id, $4, $5, '{"state": "requested"}', '{"state": "creating"}', $6 FROM taken WHERE was = 'requested')
               SELECT id, pool_id, state AS "state: State", was <> 'requested' AS "asked_before!", neon_project_name, region_id, pg_version, min_cu,
                      max_cu, suspend_timeout_seconds, quota_logical_size_bytes, quota_active_seconds, quota_compute_seconds, quota_written_bytes,
                      quota_transfer_bytes, neon_project_id, neon_endpoint_id, sealed_credentials, attempts,
                      (SELECT is_paused FROM pool WHERE pool.id = pool_id) AS "is_paused!",
                      EXISTS (SELECT FROM claims WHERE claims.pool_id = taken.pool_id AND status = 'waiting') AS "is_waited_for!"
               FROM taken"#,
            limit,
            lease_seconds,
            lease,
            by.actor,
            by.via.as_str(),
            by.request_id,
            breaker::FAILURES,
            MOST_UNPROVEN,
            proof.replica,
            proof.nonce,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(rows
            .into_iter()
            .map(|row| DueCreation {
                id: row.id,
                lease,
                pool_id: row.pool_id,
                state: row.state.0,
                asked_before: row.asked_before,
                project_name: row.neon_project_name,
                region_id: row.region_id,
                pg_version: row.pg_version,
                min_cu: row.min_cu,
                max_cu: row.max_cu,
                suspend_timeout_seconds: row.suspend_timeout_seconds,
                quota: Quota {
                    logical_size_bytes: row.quota_logical_size_bytes,
                    active_time_seconds: row.quota_active_seconds,
                    compute_time_seconds: row.quota_compute_seconds,
                    written_data_bytes: row.quota_written_bytes,
                    data_transfer_bytes: row.quota_transfer_bytes,
                },
                project_id: row.neon_project_id,
                endpoint_id: row.neon_endpoint_id,
                sealed_credentials: row.sealed_credentials,
                attempts: row.attempts,
                is_paused: row.is_paused,
                is_waited_for: row.is_waited_for,
            })
            .collect())
    }

    /// The project exists on Neon: from `creating` to `verifying`, first tried after `verify_after` seconds. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_created(
        &self,
        row: &DueCreation,
        made: &NewProjectRecord<'_>,
        verify_after: f64,
        by: &By,
    ) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE databases
             SET state = 'verifying', neon_project_id = $3, neon_branch_id = $4, neon_endpoint_id = $5, host = $6, database_name = $7, role_name = $8,
                 sealed_credentials = $9, lease_until = NULL, leased_by = NULL, attempts = 0, next_attempt_at = now() + make_interval(secs => $10)
             WHERE id = $1 AND leased_by = $2 AND state = 'creating'",
            row.id,
            row.lease,
            made.project_id,
            made.branch_id,
            made.endpoint_id,
            made.host,
            made.database_name,
            made.role_name,
            made.sealed_credentials,
            verify_after,
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        breaker::close_by_probe(&mut tx, row.pool_id, CreationStep::Creation, by).await?;
        let after = json!({ "state": "verifying", "neon_project_id": made.project_id });
        insert_event(&mut *tx, &state_event(row, "creating", after), by).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// It answers and sleeps: from `verifying` to `available`. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_available(&self, row: &DueCreation, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE databases
             SET state = 'available', available_at = now(), available_order = nextval('available_order'), observed_endpoint_state = 'idle',
                 observed_at = now(), lease_until = NULL, leased_by = NULL, attempts = 0, next_attempt_at = now(), last_error = NULL, last_error_at = NULL
             WHERE id = $1 AND leased_by = $2 AND state = 'verifying'",
            row.id,
            row.lease
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        breaker::close_by_probe(&mut tx, row.pool_id, CreationStep::Verification, by).await?;
        insert_event(&mut *tx, &state_event(row, "verifying", json!({ "state": "available" })), by).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Given up: kept as evidence for a while, and replaced by the next refill. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_failed(&self, row: &DueCreation, error: &str, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE databases SET state = 'failed', lease_until = NULL, leased_by = NULL, last_error = $3, last_error_at = now(), attempts = attempts + 1
             WHERE id = $1 AND leased_by = $2",
            row.id,
            row.lease,
            error
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let after = json!({ "state": "failed", "error": error, "attempts": row.attempts + 1, "neon_project_id": row.project_id });
        let mut event = state_event(row, row.state.as_str(), after);
        event.kind = "database.failed";
        insert_event(&mut *tx, &event, by).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn state_event<'a>(row: &DueCreation, before: &str, after: serde_json::Value) -> NewEvent<'a> {
    NewEvent {
        kind: "database.state",
        database_id: Some(row.id),
        pool_id: Some(row.pool_id),
        before: Some(json!({ "state": before })),
        after: Some(after),
    }
}
