//! The breaker of a pool: after several failures in a row nothing is created for a while, then one is tried, and its success closes it.
//!
//! Creations that Neon refuses and new databases that do not answer are counted apart, and a success takes back the failures of its own step only:
//! that Neon creates says nothing about whether what it creates answers. It alerts once a trip (one event, one line in the status), and keeps the last failures as evidence.

use serde_json::json;
use sqlx::PgTransaction;

use super::{By, DueCreation, Ledger, LedgerError, pool_events::tell};
use fleet_types::{BreakerTrip, CreationStep, Time};

/// Failures of one step in a row that open it.
pub(super) const FAILURES: i32 = 5;
/// Failures kept as evidence.
const EVIDENCE: i64 = 10;

/// What went wrong with a creation.
pub struct Refusal<'a> {
    pub step: CreationStep,
    pub error: &'a str,
    pub request_id: Option<&'a str>,
}

/// A pool's breaker after one more failure.
struct FailureCount {
    failures: i32,
    until: Option<Time>,
    evidence: serde_json::Value,
}

impl Ledger {
    /// Neon refused to create, or what it created does not answer. Opens the breaker after several times in a row; while it is open, each further failure lets it cool down for twice as long.
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
        let counted = count(&mut tx, row, refusal).await?;
        let opened = match (counted.failures, counted.until) {
            (FAILURES.., Some(until)) => write_trip(&mut tx, row.pool_id, until, &counted).await?,
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
async fn count(
    tx: &mut PgTransaction<'_>,
    row: &DueCreation,
    refusal: &Refusal<'_>,
) -> Result<FailureCount, sqlx::Error> {
    let failure = json!([{
        "at": chrono::Utc::now(),
        "step": refusal.step,
        "error": refusal.error,
        "database_id": row.id,
        "project_name": row.project_name,
        "project_id": row.project_id,
        "request_id": refusal.request_id,
    }]);
    sqlx::query_as!(
        FailureCount,
        r#"UPDATE pools
           SET creation_failures = creation_failures + ($6 = 'creation' AND (breaker_until IS NULL OR breaker_until <= now()))::integer,
               verification_failures = verification_failures + ($6 = 'verification' AND (breaker_until IS NULL OR breaker_until <= now()))::integer, breaker_error = $2,
               breaker_until = CASE WHEN CASE $6 WHEN 'creation' THEN creation_failures ELSE verification_failures END + 1 >= $3
                   AND (breaker_until IS NULL OR breaker_until <= now())
                 THEN now() + make_interval(secs => least(600,
                   15 * 2 ^ least(CASE $6 WHEN 'creation' THEN creation_failures ELSE verification_failures END + 1 - $3, 10))) ELSE breaker_until END,
               creation_evidence = (SELECT jsonb_agg(kept.failure ORDER BY kept.n) FROM (
                 SELECT failure, n FROM jsonb_array_elements(creation_evidence || $4) WITH ORDINALITY AS all_of_them (failure, n)
                 ORDER BY n DESC LIMIT $5) AS kept)
           WHERE id = $1
           RETURNING failures_in_a_row AS failures, breaker_until AS until, creation_evidence AS evidence"#,
        row.pool_id,
        refusal.error,
        FAILURES,
        failure,
        EVIDENCE,
        refusal.step.as_str()
    )
    .fetch_one(&mut **tx)
    .await
}

/// Whether this is a new trip.
async fn write_trip(
    tx: &mut PgTransaction<'_>,
    pool_id: i32,
    until: Time,
    counted: &FailureCount,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"INSERT INTO breaker_trips AS t (pool_id, until, failures, evidence) VALUES ($1, $2, $3, $4)
           ON CONFLICT (pool_id) WHERE closed_at IS NULL DO UPDATE SET until = $2, failures = $3, evidence = $4
           RETURNING t.xmax = 0 AS "is_new!""#,
        pool_id,
        until,
        counted.failures,
        counted.evidence
    )
    .fetch_one(&mut **tx)
    .await
}

/// A step succeeded: its failures count no more. If those were what the breaker is open for, the trip is over, with an event of its own.
pub(super) async fn close_by_probe(
    tx: &mut PgTransaction<'_>,
    pool_id: i32,
    step: CreationStep,
    by: &By,
) -> Result<(), sqlx::Error> {
    if close(tx, pool_id, step).await? {
        let after = json!({ "breaker": format!("closed: a {} succeeded", step.as_str()) });
        tell(tx, "pool.breaker", pool_id, json!({ "breaker": "open" }), after, by).await?;
    }
    Ok(())
}

/// Somebody resumes the pool, whose event says so: an open breaker has cooled down, and one is tried at once. It stays open until that one has succeeded, since
/// whoever resumes hopes that the cause is gone, and a pool that is let loose on a hope creates as many as may be under way. Whether it was open.
pub(super) async fn try_now(tx: &mut PgTransaction<'_>, pool_id: i32) -> Result<bool, sqlx::Error> {
    let is_open = sqlx::query_scalar!(
        r#"WITH pool AS (
             UPDATE pools SET breaker_until = now(), creation_failures = least(creation_failures, $2),
                              verification_failures = least(verification_failures, $2)
             WHERE id = $1 AND failures_in_a_row >= $2 RETURNING verification_failures >= $2 AS is_verification),
           next AS (
             SELECT d.id FROM databases AS d, pool
             WHERE d.pool_id = $1 AND d.state IN ('requested', 'creating', 'verifying') AND d.next_attempt_at > now()
               AND (d.lease_until IS NULL OR d.lease_until < now())
             ORDER BY (d.state = 'verifying') = pool.is_verification DESC, d.next_attempt_at LIMIT 1 FOR NO KEY UPDATE OF d SKIP LOCKED),
           hurried AS (UPDATE databases AS d SET next_attempt_at = now() FROM next WHERE d.id = next.id)
           SELECT EXISTS (SELECT FROM pool) AS "is_open!""#,
        pool_id,
        FAILURES
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(is_open)
}

/// Forgets the failures of this step. Whether that closed a trip. Touches nothing in a pool without such failures, because every creation asks.
async fn close(tx: &mut PgTransaction<'_>, pool_id: i32, step: CreationStep) -> Result<bool, sqlx::Error> {
    let failures = sqlx::query_scalar!(
        r#"UPDATE pools AS p
           SET creation_failures = CASE $2 WHEN 'creation' THEN 0 ELSE creation_failures END,
               verification_failures = CASE $2 WHEN 'verification' THEN 0 ELSE verification_failures END,
               breaker_until = CASE WHEN CASE $2 WHEN 'creation' THEN verification_failures ELSE creation_failures END >= $3 THEN breaker_until END,
               creation_evidence = (SELECT coalesce(jsonb_agg(failure), '[]') FROM jsonb_array_elements(creation_evidence) AS kept (failure)
                                    WHERE coalesce(failure ->> 'step', 'creation') <> $2)
           WHERE id = $1 AND CASE $2 WHEN 'creation' THEN creation_failures ELSE verification_failures END > 0
           RETURNING p.failures_in_a_row AS "failures!""#,
        pool_id,
        step.as_str(),
        FAILURES
    )
    .fetch_optional(&mut **tx)
    .await?;
    if failures.is_none_or(|failures| failures >= FAILURES) {
        return Ok(false);
    }
    let closed = sqlx::query!(
        "UPDATE breaker_trips SET closed_at = now(), closed_by = 'probe' WHERE pool_id = $1 AND closed_at IS NULL",
        pool_id
    )
    .execute(&mut **tx)
    .await?;
    Ok(closed.rows_affected() > 0)
}
