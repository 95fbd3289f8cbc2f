//! Refill: which pools lack databases, asking for them, and taking back what Neon was not asked for yet.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{By, Ledger, LedgerError};

/// Requests of a pool that wait for their turn: more would only have to be taken back when the target falls.
const MOST_REQUESTED: i64 = 500;

/// A pool that has fewer databases, ready and on their way, than its target (and what a roll-out adds to it) and the claims that wait.
#[derive(Clone, Debug)]
pub struct Deficit {
    pub pool_id: i32,
    pub pool: String,
    /// How many to ask for now.
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
                 SELECT least(missing_databases(p), $1 - (SELECT count(*) FROM databases WHERE pool_id = p.id AND state = 'requested')) AS missing) AS n
               WHERE (SELECT hands_out FROM installation) AND p.paused_at IS NULL AND (p.breaker_until IS NULL OR p.breaker_until < now()) AND n.missing > 0"#,
            MOST_REQUESTED
        )
        .fetch_all(&self.db)
        .await?;
        Ok(deficits)
    }

    /// Requests new databases, one per id, with their unique project names, before Neon is asked for anything.
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

    /// Takes back requests that no pool needs any more. Returns how many.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn cancel_surplus(&self, by: &By) -> Result<u64, LedgerError> {
        let mut connection = self.db.acquire().await?;
        Ok(cancel_surplus_of(&mut connection, None, by).await?)
    }
}

/// Takes back what a pool, or any, has requested beyond its needs, latest first: only rows that nobody works on and that Neon was never asked for.
pub(super) async fn cancel_surplus_of(
    db: &mut PgConnection,
    pool_id: Option<i32>,
    by: &By,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        r#"WITH surplus AS (
             SELECT p.id, greatest(-missing_databases(p), 0) AS count FROM pools AS p
             WHERE ($1::integer IS NULL OR p.id = $1) AND EXISTS (SELECT FROM databases WHERE pool_id = p.id AND state = 'requested')),
           chosen AS (
             SELECT r.id FROM surplus AS s, LATERAL (
               SELECT id FROM databases WHERE pool_id = s.id AND state = 'requested' AND asked_at IS NULL AND leased_by IS NULL
               ORDER BY next_attempt_at DESC, id DESC LIMIT s.count FOR NO KEY UPDATE SKIP LOCKED) AS r),
           cancelled AS (
             UPDATE databases AS d SET state = 'deleted', deleted_at = now() FROM chosen WHERE d.id = chosen.id RETURNING d.id, d.pool_id)
           INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after, request_id)
           SELECT 'database.cancelled', id, pool_id, $2, $3, $4, '{"state": "requested"}', '{"state": "deleted"}', $5 FROM cancelled"#,
        pool_id,
        by.actor,
        by.via.as_str(),
        by.reason,
        by.request_id,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
