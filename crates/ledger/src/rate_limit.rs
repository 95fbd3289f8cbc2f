//! How many calls to Neon may be made now, over all replicas: a token bucket per row of `neon_budget`, on PostgreSQL's clock.
//!
//! The same rules as `neon-client/src/token_bucket.rs` has in memory. A bucket holds `burst` permits and gains one every `interval`; permits are
//! taken under the row's lock, so replicas never take one twice. Moments too far in the future, as a clock that was set back
//! would leave, count as the furthest that can be right.

use super::{Ledger, LedgerError};

/// What somebody wants of a bucket.
#[derive(Clone, Copy, Debug)]
pub struct CallsWanted {
    pub wanted: i32,
    /// Permits that must be left in the bucket.
    pub keep: i32,
    pub burst: i32,
    pub interval_seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallsGranted {
    pub granted: i32,
    /// Until one more could be granted.
    pub wait_seconds: f64,
    /// How long everybody still pauses.
    pub pause_seconds: f64,
    pub refusals_in_a_row: i32,
}

impl Ledger {
    /// Takes as many of the wanted permits as are free.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_calls(&self, bucket: &str, ask: CallsWanted) -> Result<CallsGranted, LedgerError> {
        let granted = sqlx::query_as!(
            CallsGranted,
            r#"WITH rate AS (SELECT make_interval(secs => $5) AS interval, make_interval(secs => $5 * $4::integer) AS burst,
                                    make_interval(secs => $5 * ($4::integer - $3::integer)) AS room),
               bucket AS (
                 SELECT bucket, greatest(now(), least(full_at, now() + rate.burst)) AS full_at, refusals_in_a_row,
                        greatest(now(), least(coalesce(paused_until, now()), now() + interval '1 minute')) - now() AS pause
                 FROM neon_budget, rate WHERE bucket = $1 FOR NO KEY UPDATE OF neon_budget),
               free AS (
                 SELECT bucket.*, CASE WHEN pause > interval '0' THEN 0 ELSE
                   greatest(0, least($2::integer, floor(extract(epoch FROM now() + rate.room - full_at) / extract(epoch FROM rate.interval))))::integer END AS granted
                 FROM bucket, rate),
               taken AS (
                 UPDATE neon_budget AS b SET full_at = free.full_at + free.granted * rate.interval
                 FROM free, rate WHERE b.bucket = free.bucket AND free.granted > 0)
               SELECT granted AS "granted!", extract(epoch FROM pause)::float8 AS "pause_seconds!", refusals_in_a_row,
                      extract(epoch FROM greatest(pause, full_at + (granted + 1) * rate.interval - rate.room - now()))::float8 AS "wait_seconds!"
               FROM free, rate"#,
            bucket,
            ask.wanted,
            ask.keep,
            ask.burst,
            ask.interval_seconds
        )
        .fetch_one(&self.db)
        .await?;
        Ok(granted)
    }

    /// Neon refused a call that was sent so many seconds ago: everybody pauses, as long as it asked for, or twice as long as after the refusal
    /// before. Calls that were under way together are one refusal.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn pause_calls(
        &self,
        bucket: &str,
        sent_seconds_ago: f64,
        retry_after_seconds: Option<f64>,
        reason: &str,
    ) -> Result<CallsGranted, LedgerError> {
        let paused = sqlx::query_as!(
            CallsGranted,
            r#"WITH was AS (
                 SELECT bucket, sent_at, coalesce(paused_until > sent_at, false) AS told_before,
                        refusals_in_a_row + (coalesce(paused_until > sent_at, false) IS FALSE)::integer AS refusals
                 FROM neon_budget, (SELECT now() - make_interval(secs => $2) AS sent_at) AS call WHERE bucket = $1 FOR NO KEY UPDATE OF neon_budget),
               pause AS (
                 SELECT was.*, CASE WHEN told_before AND $3::float8 IS NULL THEN sent_at ELSE now() END
                   + make_interval(secs => least(60, coalesce($3, 0.5 * 2 ^ least(10, refusals - 1)))) AS until
                 FROM was)
               UPDATE neon_budget AS b
               SET refusals_in_a_row = refusals, resumed_at = CASE WHEN told_before THEN b.resumed_at ELSE b.paused_until END,
                   paused_since = CASE WHEN b.paused_until > now() THEN b.paused_since ELSE now() END,
                   paused_until = greatest(least(coalesce(b.paused_until, until), now() + interval '1 minute'), until), pause_reason = $4
               FROM pause WHERE b.bucket = pause.bucket
               RETURNING 0 AS "granted!", b.refusals_in_a_row, extract(epoch FROM greatest(interval '0', b.paused_until - now()))::float8 AS "pause_seconds!",
                         extract(epoch FROM greatest(interval '0', b.paused_until - now()))::float8 AS "wait_seconds!""#,
            bucket,
            sent_seconds_ago,
            retry_after_seconds,
            reason
        )
        .fetch_one(&self.db)
        .await?;
        Ok(paused)
    }

    /// A call that was sent so many seconds ago went through: the refusals are over, if it was sent since the last pause but one.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn calls_went_well(&self, bucket: &str, sent_seconds_ago: f64) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE neon_budget SET refusals_in_a_row = 0
             WHERE bucket = $1 AND refusals_in_a_row > 0 AND (resumed_at IS NULL OR resumed_at <= now() - make_interval(secs => $2))",
            bucket,
            sent_seconds_ago
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}
