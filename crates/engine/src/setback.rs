//! Why a duty got no further: Neon, or the ledger; and when what Neon did not take is tried again.

use ledger::{Backoff, LedgerError};
use neon_client::NeonError;

pub(super) enum Setback {
    Neon(NeonError),
    Ledger(LedgerError),
}

impl From<LedgerError> for Setback {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl From<NeonError> for Setback {
    fn from(error: NeonError) -> Self {
        Self::Neon(error)
    }
}

/// Whether this was a try of what was asked for: not what was never sent, and not what Neon asks everybody to send later.
pub(super) fn is_a_try(error: &NeonError) -> bool {
    !error.is_held_back() && !matches!(error, NeonError::RateLimited { .. })
}

/// The one rule of when Neon is asked again: when it, or our own budget, says so, else after `base_seconds`, ever later up to `cap_seconds`. Only a try counts.
pub(super) fn back_off(error: &NeonError, base_seconds: f64, cap_seconds: f64) -> Backoff {
    let base_seconds = error.retry_after().map_or(base_seconds, |wait| wait.as_secs_f64());
    Backoff { base_seconds, cap_seconds: base_seconds.max(cap_seconds), counts: is_a_try(error) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_never_sent_is_no_try_and_waits_as_long_as_it_is_told() {
        let wait = Duration::from_secs(400);
        let open = NeonError::CircuitOpen {
            route: String::from("DELETE /projects/{project_id}"),
            retry_in: wait,
            failures: 8,
            cause: String::from("It answered 503."),
        };
        let unkept = NeonError::RateLimiterUnavailable { cause: String::from("PostgreSQL does not answer") };
        let asked_to_wait = NeonError::RateLimited { retry_after: Some(wait) };
        for (error, base) in
            [(open, 400.0), (NeonError::BudgetExhausted { wait }, 400.0), (asked_to_wait, 400.0), (unkept, 2.0)]
        {
            let backoff = back_off(&error, 2.0, 300.0);
            assert!(!backoff.counts, "{error}");
            assert_eq!((backoff.base_seconds, backoff.cap_seconds), (base, f64::max(base, 300.0)), "{error}");
        }
        let garbled = NeonError::Garbled { detail: String::from("half an answer") };
        assert!(back_off(&garbled, 2.0, 300.0).counts);
    }
}
