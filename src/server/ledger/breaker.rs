//! The breaker of a pool: after several refused creations in a row nothing is created for a while, then one is tried, and its success closes it.
//!
//! It alerts once a trip (one event, one line in the status), and keeps the last failures as evidence.

use serde_json::json;
use sqlx::PgTransaction;

use super::{By, DueCreation, Ledger, LedgerError, pools::tell};
use crate::types::{BreakerTrip, Time};

/// Refused creations in a row that open it.
pub(super) const FAILURES: i32 = 5;
/// Failures kept as evidence.
const EVIDENCE: i64 = 10;

/// What Neon said to a creation.
pub struct Refusal<'a> {
    pub error: &'a str,
    pub request_id: Option<&'a str>,
}

/// A pool's breaker after one more failure.
struct Standing {
    failures: i32,
    until: Option<Time>,
    evidence: serde_json::Value,
}

impl Ledger {
    /// Neon refused to create. Opens the breaker after several times in a row; while it is open, each further failure lets it cool down for twice as long.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn count_creation_failure(
        &self,
        row: &DueCreation,
        refusal: &Refusal<'_>,
        by: &By,
    ) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let standing = count(&mut tx, row, refusal).await?;
        let opened = match (standing.failures, standing.until) {
            (FAILURES.., Some(until)) => write_trip(&mut tx, row.pool_id, until, &standing).await?,
            _ => false,
        };
        if opened {
            let after = json!({ "breaker": "open", "error": refusal.error, "failures": FAILURES });
            tell(&mut tx, "pool.breaker", row.pool_id, json!({ "breaker": "closed" }), after, by).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The last time that the pool's breaker opened.
    pub(super) async fn last_trip(&self, pool: &str) -> Result<Option<BreakerTrip>, LedgerError> {
        let row = sqlx::query!(
            "SELECT opened_at, until, closed_at, closed_by, failures, evidence FROM breaker_trips
             WHERE pool_id = (SELECT id FROM pools WHERE name = $1) ORDER BY id DESC LIMIT 1",
            pool
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(row.map(|row| BreakerTrip {
            opened_at: row.opened_at,
            until: row.until,
            closed_at: row.closed_at,
            closed_by: row.closed_by,
            failures: row.failures,
            evidence: serde_json::from_value(row.evidence).unwrap_or_default(),
        }))
    }
}

/// One more failure. Those that were under way when the breaker opened are evidence, but count no more: only what is tried after a cooling lengthens the next.
async fn count(tx: &mut PgTransaction<'_>, row: &DueCreation, refusal: &Refusal<'_>) -> Result<Standing, sqlx::Error> {
    let failure = json!([{
        "at": chrono::Utc::now(),
        "error": refusal.error,
        "database_id": row.id,
        "project_name": row.project_name,
        "project_id": row.project_id,
        "request_id": refusal.request_id,
    }]);
    sqlx::query_as!(
        Standing,
        r#"UPDATE pools
           SET creation_failures = creation_failures + (breaker_until IS NULL OR breaker_until <= now())::integer, breaker_error = $2,
               breaker_until = CASE WHEN creation_failures + 1 >= $3 AND (breaker_until IS NULL OR breaker_until <= now())
                 THEN now() + make_interval(secs => least(600, 15 * 2 ^ least(creation_failures + 1 - $3, 10))) ELSE breaker_until END,
               creation_evidence = (SELECT jsonb_agg(kept.failure ORDER BY kept.n) FROM (
                 SELECT failure, n FROM jsonb_array_elements(creation_evidence || $4) WITH ORDINALITY AS all_of_them (failure, n)
                 ORDER BY n DESC LIMIT $5) AS kept)
           WHERE id = $1
           RETURNING creation_failures AS failures, breaker_until AS until, creation_evidence AS evidence"#,
        row.pool_id,
        refusal.error,
        FAILURES,
        failure,
        EVIDENCE
    )
    .fetch_one(&mut **tx)
    .await
}

/// Whether this is a new trip.
async fn write_trip(
    tx: &mut PgTransaction<'_>,
    pool_id: i32,
    until: Time,
    standing: &Standing,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"INSERT INTO breaker_trips AS t (pool_id, until, failures, evidence) VALUES ($1, $2, $3, $4)
           ON CONFLICT (pool_id) WHERE closed_at IS NULL DO UPDATE SET until = $2, failures = $3, evidence = $4
           RETURNING t.xmax = 0 AS "is_new!""#,
        pool_id,
        until,
        standing.failures,
        standing.evidence
    )
    .fetch_one(&mut **tx)
    .await
}

/// A creation succeeded: no failure counts any more, and the trip is over, with an event of its own.
pub(super) async fn close_by_probe(tx: &mut PgTransaction<'_>, pool_id: i32, by: &By) -> Result<(), sqlx::Error> {
    if close(tx, pool_id, "probe").await? {
        let (before, after) = (json!({ "breaker": "open" }), json!({ "breaker": "closed: a creation succeeded" }));
        tell(tx, "pool.breaker", pool_id, before, after, by).await?;
    }
    Ok(())
}

/// Somebody resumes the pool, whose event says so.
pub(super) async fn close_by_operator(tx: &mut PgTransaction<'_>, pool_id: i32) -> Result<(), sqlx::Error> {
    close(tx, pool_id, "operator").await.map(drop)
}

/// Whether there was a trip to close. Touches nothing in a pool without failures, because every creation asks.
async fn close(tx: &mut PgTransaction<'_>, pool_id: i32, by: &str) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        "UPDATE pools SET creation_failures = 0, breaker_until = NULL, breaker_error = NULL, creation_evidence = '[]' WHERE id = $1 AND creation_failures > 0",
        pool_id
    )
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    let closed = sqlx::query!(
        "UPDATE breaker_trips SET closed_at = now(), closed_by = $2 WHERE pool_id = $1 AND closed_at IS NULL",
        pool_id,
        by
    )
    .execute(&mut **tx)
    .await?;
    Ok(closed.rows_affected() > 0)
}
