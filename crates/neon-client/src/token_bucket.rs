//! A token bucket in memory, and the [`RateLimiter`] of a process that shares its account with nobody. A store that
//! replicas share computes the same for all of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::rate_limiter::{Ask, Bucket, FIRST_PAUSE, Grant, LONGEST_PAUSE, Pending, RateLimiter, Refusal};

/// One bucket, as the generic cell rate algorithm keeps it: a single moment at which it will be full again.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenBucket {
    full_at: Instant,
    paused_until: Option<Instant>,
    /// The end of the pause before this one: a success that was sent since shows that not everything is refused.
    resumed_at: Option<Instant>,
    refusals_in_a_row: u32,
}

impl TokenBucket {
    pub fn new(now: Instant) -> Self {
        Self { full_at: now, paused_until: None, resumed_at: None, refusals_in_a_row: 0 }
    }

    pub fn take(&mut self, ask: &Ask, now: Instant) -> Grant {
        let paused_for = self.paused_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let full_at = self.full_at.max(now);
        let room = ask.rate.interval * ask.rate.burst.saturating_sub(ask.keep);
        let free = (now + room).saturating_duration_since(full_at).as_nanos() / ask.rate.interval.as_nanos().max(1);
        let granted = if paused_for.is_zero() { ask.wanted.min(u32::try_from(free).unwrap_or(u32::MAX)) } else { 0 };
        self.full_at = full_at + ask.rate.interval * granted;
        let next = (self.full_at + ask.rate.interval).saturating_duration_since(now + room);
        Grant { granted, wait: next.max(paused_for), paused_for, refusals_in_a_row: self.refusals_in_a_row }
    }

    pub fn slow_down(&mut self, refusal: &Refusal, now: Instant) -> Grant {
        let sent_at = now - refusal.sent_ago;
        let told_before = self.paused_until.is_some_and(|until| sent_at < until);
        if !told_before {
            self.refusals_in_a_row = self.refusals_in_a_row.saturating_add(1);
            self.resumed_at = self.paused_until;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.refusals_in_a_row.saturating_sub(1).min(10));
        let pause = refusal.retry_after.unwrap_or(doubled).min(LONGEST_PAUSE);
        let base = if refusal.retry_after.is_none() && told_before { sent_at } else { now };
        self.paused_until = self.paused_until.max(Some(base + pause));
        let paused_for = self.paused_until.map_or(pause, |until| until.saturating_duration_since(now));
        Grant { granted: 0, wait: paused_for, paused_for, refusals_in_a_row: self.refusals_in_a_row }
    }

    pub fn went_well(&mut self, sent_ago: Duration, now: Instant) {
        if self.resumed_at.is_none_or(|resumed_at| now - sent_ago >= resumed_at) {
            self.refusals_in_a_row = 0;
        }
    }
}

/// For a process on its own.
#[derive(Default)]
pub struct LocalRateLimiter(Mutex<BTreeMap<Bucket, TokenBucket>>);

impl LocalRateLimiter {
    fn with<T>(&self, bucket: Bucket, act: impl FnOnce(&mut TokenBucket, Instant) -> T) -> T {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        act(buckets.entry(bucket).or_insert_with(|| TokenBucket::new(now)), now)
    }
}

impl RateLimiter for LocalRateLimiter {
    fn take(&self, bucket: Bucket, ask: Ask) -> Pending<'_, Grant> {
        let grant = self.with(bucket, |tokens, now| tokens.take(&ask, now));
        Box::pin(async move { Ok(grant) })
    }

    fn slow_down(&self, bucket: Bucket, refusal: Refusal) -> Pending<'_, Grant> {
        let grant = self.with(bucket, |tokens, now| tokens.slow_down(&refusal, now));
        Box::pin(async move { Ok(grant) })
    }

    fn went_well(&self, bucket: Bucket, sent_ago: Duration) -> Pending<'_, ()> {
        self.with(bucket, |tokens, now| tokens.went_well(sent_ago, now));
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rate;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rate() -> Rate {
        Rate { limit_per_minute: 70, interval: SECOND, burst: 10, reserve: 5 }
    }

    fn refusal(sent_ago: Duration, retry_after: Option<Duration>) -> Refusal {
        Refusal { sent_ago, retry_after, reason: String::new() }
    }

    #[test]
    fn what_is_kept_back_is_left_for_those_who_keep_nothing_back() {
        let start = Instant::now();
        let mut tokens = TokenBucket::new(start);
        let background = Ask { wanted: 20, keep: 5, rate: rate() };
        let urgent = Ask { wanted: 20, keep: 0, rate: rate() };
        assert_eq!(tokens.take(&background, start).granted, 5);
        let refused = tokens.take(&background, start);
        assert_eq!((refused.granted, refused.wait), (0, SECOND));
        assert_eq!(tokens.take(&urgent, start).granted, 5, "a running sweep has left these");
        assert_eq!(tokens.take(&urgent, start).wait, SECOND);
        assert_eq!(tokens.take(&background, start).wait, 6 * SECOND, "the reserve fills before background calls go on");
        assert_eq!(tokens.take(&background, start + 6 * SECOND).granted, 1);
    }

    #[test]
    fn refusals_without_a_time_double_the_pause_once_per_pause() {
        let start = Instant::now();
        let mut tokens = TokenBucket::new(start);
        for _ in 0..10 {
            let told = tokens.slow_down(&refusal(SECOND, None), start);
            assert_eq!(
                (told.paused_for, told.refusals_in_a_row),
                (FIRST_PAUSE, 1),
                "ten calls in flight are one refusal"
            );
        }
        let again = start + FIRST_PAUSE;
        let told = tokens.slow_down(&refusal(Duration::ZERO, None), again);
        assert_eq!((told.paused_for, told.refusals_in_a_row), (FIRST_PAUSE * 2, 2));
        tokens.went_well(SECOND, again);
        assert_eq!(tokens.refusals_in_a_row, 2, "an answer from before the first pause says nothing");
        tokens.went_well(SECOND, again + SECOND);
        assert_eq!(tokens.refusals_in_a_row, 0, "something got through in between");
    }

    #[test]
    fn a_pause_holds_everybody_and_has_an_end() {
        let start = Instant::now();
        let mut tokens = TokenBucket::new(start);
        tokens.slow_down(&refusal(Duration::ZERO, Some(SECOND * 3_600)), start);
        let held = tokens.take(&Ask { wanted: 1, keep: 0, rate: rate() }, start);
        assert_eq!((held.granted, held.wait), (0, LONGEST_PAUSE));
        assert_eq!(tokens.take(&Ask { wanted: 1, keep: 0, rate: rate() }, start + LONGEST_PAUSE).granted, 1);
    }
}
