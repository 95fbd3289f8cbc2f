//! Refill: which pools lack databases, and asking for them.

use uuid::Uuid;

use super::{By, Ledger, LedgerError};

/// A pool that has fewer databases, ready and on their way, than its target (and what a roll-out adds to it) and the claims that wait.
#[derive(Clone, Debug)]
pub struct Deficit {
    pub pool_id: i32,
    pub pool: String,
    pub missing: i64,
}

impl Ledger {
    /// Pools to be refilled: not paused, and not stopped by their breaker.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn deficits(&self) -> Result<Vec<Deficit>, LedgerError> {
        let deficits = sqlx::query_as!(
            Deficit,
            r#"SELECT p.id AS pool_id, p.name AS pool, n.missing AS "missing!"
               FROM pools AS p, LATERAL (
                 SELECT p.target + p.surge + (SELECT count(*) FROM claims WHERE pool_id = p.id AND status = 'waiting')
                        - (SELECT coalesce(sum(count), 0) FROM fleet_counts
                           WHERE pool_id = p.id AND state IN ('requested', 'creating', 'verifying', 'available'))::bigint AS missing) AS n
               WHERE (SELECT hands_out FROM installation) AND p.paused_at IS NULL AND (p.breaker_until IS NULL OR p.breaker_until < now()) AND n.missing > 0"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(deficits)
    }

    /// Writes down the wish for new databases, one per id, with their unique project names, before Neon is asked for anything.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn request_databases(&self, pool_id: i32, ids: &[Uuid], by: &By) -> Result<(), LedgerError> {
        sqlx::query!(
            r#"WITH asked AS (
                 INSERT INTO databases (id, pool_id, region_id, pg_version, neon_project_name, min_cu, max_cu, suspend_timeout_seconds,
                   quota_logical_size_bytes, quota_active_seconds, quota_compute_seconds, quota_written_bytes, quota_transfer_bytes,
                   template_revision, birth_plan)
                 SELECT wanted.id, p.id, p.region_id, p.pg_version, project_name(wanted.id), p.min_cu, p.max_cu, p.suspend_timeout_seconds,
                   plan.quota_logical_size_bytes, plan.quota_active_seconds, plan.quota_compute_seconds, plan.quota_written_bytes,
                   plan.quota_transfer_bytes, p.template_revision, p.birth_plan
                 FROM unnest($2::uuid[]) AS wanted (id), pools AS p JOIN plans AS plan ON plan.name = p.birth_plan WHERE p.id = $1
                 RETURNING id, pool_id)
               INSERT INTO events (kind, database_id, pool_id, actor, via, after, request_id)
               SELECT 'database.state', id, pool_id, $3, $4, '{"state": "requested"}', $5 FROM asked"#,
            pool_id,
            ids,
            by.actor,
            by.via.as_str(),
            by.request_id,
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}
