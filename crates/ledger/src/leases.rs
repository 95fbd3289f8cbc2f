//! The engine's hold on a row, and its back-off: data on the row, on PostgreSQL's own clock, so that replicas with wrong clocks agree.

use uuid::Uuid;

use super::{Ledger, LedgerError};

/// When to try again: `base · 2^attempts` seconds, `base` alone where this try does not count, at most `cap`, with jitter between a half and one and a half.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    pub base_seconds: f64,
    pub cap_seconds: f64,
    /// Whether this try counts towards giving up. What is no fault of the row (Neon away, budget spent) does not.
    pub counts: bool,
}

impl Ledger {
    /// Gives the row back, to be tried again later. `false` when the lease was lost meanwhile.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn postpone(
        &self,
        id: Uuid,
        lease: Uuid,
        error: Option<&str>,
        backoff: Backoff,
    ) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE databases
             SET lease_until = NULL, leased_by = NULL, attempts = attempts + $3::boolean::integer,
                 next_attempt_at = now() + make_interval(secs => least($5::float8, $4::float8 * CASE WHEN $3 THEN 2 ^ least(attempts, 20) ELSE 1 END) * (0.5 + random())),
                 last_error = coalesce($6, last_error), last_error_at = CASE WHEN $6::text IS NULL THEN last_error_at ELSE now() END
             WHERE id = $1 AND leased_by = $2",
            id,
            lease,
            backoff.counts,
            backoff.base_seconds,
            backoff.cap_seconds,
            error
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
