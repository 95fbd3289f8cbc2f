//! The rate limit of calls to Neon, kept in the ledger, so that all replicas draw from one bucket.

use std::time::Duration;

use ledger::{CallsGranted, CallsWanted, Ledger, LedgerError};
use neon_client::{
    Bucket, RateLimiter, RateLimiterError,
    rate_limiter::{Ask, Grant, Pending, Refusal},
};

/// One for each bucket, and one for pauses.
const CONNECTIONS: u32 = 3;

pub(super) struct LedgerRateLimiter {
    ledger: Ledger,
}

impl LedgerRateLimiter {
    /// With connections of its own: a call must not wait until a duty has done with the ledger. Permits that a crash of PostgreSQL forgets are
    /// those of an instant.
    pub fn of(ledger: &Ledger) -> Self {
        Self { ledger: ledger.with_quick_connections(CONNECTIONS) }
    }
}

impl RateLimiter for LedgerRateLimiter {
    fn take(&self, bucket: Bucket, ask: Ask) -> Pending<'_, Grant> {
        let wanted = CallsWanted {
            wanted: count(ask.wanted),
            keep: count(ask.keep),
            burst: count(ask.rate.burst),
            interval_seconds: ask.rate.interval.as_secs_f64(),
        };
        Box::pin(async move { answered(self.ledger.take_calls(bucket.as_str(), wanted).await) })
    }

    fn slow_down(&self, bucket: Bucket, refusal: Refusal) -> Pending<'_, Grant> {
        Box::pin(async move {
            let (sent_ago, retry_after) =
                (refusal.sent_ago.as_secs_f64(), refusal.retry_after.map(|d| d.as_secs_f64()));
            answered(self.ledger.pause_calls(bucket.as_str(), sent_ago, retry_after, &refusal.reason).await)
        })
    }

    fn went_well(&self, bucket: Bucket, sent_ago: Duration) -> Pending<'_, ()> {
        Box::pin(async move {
            self.ledger.calls_went_well(bucket.as_str(), sent_ago.as_secs_f64()).await.map_err(|error| failed(&error))
        })
    }
}

fn answered(answer: Result<CallsGranted, LedgerError>) -> Result<Grant, RateLimiterError> {
    let answer = answer.map_err(|error| failed(&error))?;
    Ok(Grant {
        granted: answer.granted.unsigned_abs(),
        wait: seconds(answer.wait_seconds),
        paused_for: seconds(answer.pause_seconds),
        refusals_in_a_row: answer.refusals_in_a_row.unsigned_abs(),
    })
}

/// The text stands on screens: no address, no statement.
fn failed(error: &LedgerError) -> RateLimiterError {
    tracing::debug!(error = error as &dyn std::error::Error, "the ledger did not say how many calls may be made");
    RateLimiterError(String::from("the ledger did not answer; look at its PostgreSQL"))
}

fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn seconds(n: f64) -> Duration {
    Duration::try_from_secs_f64(n).unwrap_or_default()
}
