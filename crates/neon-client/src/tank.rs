//! A token bucket in memory, and the [`Allowance`] of a process that shares its account with nobody. A store that
//! replicas share computes the same for all of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::allowance::{Allowance, Ask, Bucket, FIRST_PAUSE, Grant, LONGEST_PAUSE, Pending, Refusal};

/// One bucket, as the generic cell rate algorithm keeps it: a single moment at which it will be full again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tank {
    full_at: Instant,
    paused_until: Option<Instant>,
    /// The end of the pause before this one: a success that was sent since shows that not everything is refused.
    resumed_at: Option<Instant>,
    refusals_in_a_row: u32,
}

impl Tank {
    pub fn new(now: Instant) -> Self {
        Self { full_at: now, paused_until: None, resumed_at: None, refusals_in_a_row: 0 }
    }

    pub fn take(&mut self, ask: &Ask, now: Instant) -> Grant {
        let paused_for = self.paused_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let full_at = self.full_at.max(now);
        let room = ask.pace.interval * ask.pace.burst.saturating_sub(ask.keep);
        let free = (now + room).saturating_duration_since(full_at).as_nanos() / ask.pace.interval.as_nanos().max(1);
        let granted = if paused_for.is_zero() { ask.wanted.min(u32::try_from(free).unwrap_or(u32::MAX)) } else { 0 };
        self.full_at = full_at + ask.pace.interval * granted;
        let next = (self.full_at + ask.pace.interval).saturating_duration_since(now + room);
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
pub struct LocalAllowance(Mutex<BTreeMap<Bucket, Tank>>);

impl LocalAllowance {
    fn with<T>(&self, bucket: Bucket, act: impl FnOnce(&mut Tank, Instant) -> T) -> T {
        let mut tanks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        act(tanks.entry(bucket).or_insert_with(|| Tank::new(now)), now)
    }
}

impl Allowance for LocalAllowance {
    fn take(&self, bucket: Bucket, ask: Ask) -> Pending<'_, Grant> {
        let grant = self.with(bucket, |tank, now| tank.take(&ask, now));
        Box::pin(async move { Ok(grant) })
    }

    fn slow_down(&self, bucket: Bucket, refusal: Refusal) -> Pending<'_, Grant> {
        let grant = self.with(bucket, |tank, now| tank.slow_down(&refusal, now));
        Box::pin(async move { Ok(grant) })
    }

    fn went_well(&self, bucket: Bucket, sent_ago: Duration) -> Pending<'_, ()> {
        self.with(bucket, |tank, now| tank.went_well(sent_ago, now));
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pace;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace() -> Pace {
        Pace { limit_per_minute: 70, interval: SECOND, burst: 10, reserve: 5 }
    }

    fn refusal(sent_ago: Duration, retry_after: Option<Duration>) -> Refusal {
        Refusal { sent_ago, retry_after, reason: String::new() }
    }

    #[test]
    fn what_is_kept_back_is_left_for_those_who_keep_nothing_back() {
        let start = Instant::now();
        let mut tank = Tank::new(start);
        let background = Ask { wanted: 20, keep: 5, pace: pace() };
        let urgent = Ask { wanted: 20, keep: 0, pace: pace() };
        assert_eq!(tank.take(&background, start).granted, 5);
        let refused = tank.take(&background, start);
        assert_eq!((refused.granted, refused.wait), (0, SECOND));
        assert_eq!(tank.take(&urgent, start).granted, 5, "a running sweep has left these");
        assert_eq!(tank.take(&urgent, start).wait, SECOND);
        assert_eq!(tank.take(&background, start).wait, 6 * SECOND, "the reserve fills before background calls go on");
        assert_eq!(tank.take(&background, start + 6 * SECOND).granted, 1);
    }

    #[test]
    fn refusals_without_a_time_double_the_pause_once_per_pause() {
        let start = Instant::now();
        let mut tank = Tank::new(start);
        for _ in 0..10 {
            let told = tank.slow_down(&refusal(SECOND, None), start);
            assert_eq!(
                (told.paused_for, told.refusals_in_a_row),
                (FIRST_PAUSE, 1),
                "ten calls in flight are one refusal"
            );
        }
        let again = start + FIRST_PAUSE;
        let told = tank.slow_down(&refusal(Duration::ZERO, None), again);
        assert_eq!((told.paused_for, told.refusals_in_a_row), (FIRST_PAUSE * 2, 2));
        tank.went_well(SECOND, again);
        assert_eq!(tank.refusals_in_a_row, 2, "an answer from before the first pause says nothing");
        tank.went_well(SECOND, again + SECOND);
        assert_eq!(tank.refusals_in_a_row, 0, "something got through in between");
    }

    #[test]
    fn a_pause_holds_everybody_and_has_an_end() {
        let start = Instant::now();
        let mut tank = Tank::new(start);
        tank.slow_down(&refusal(Duration::ZERO, Some(SECOND * 3_600)), start);
        let held = tank.take(&Ask { wanted: 1, keep: 0, pace: pace() }, start);
        assert_eq!((held.granted, held.wait), (0, LONGEST_PAUSE));
        assert_eq!(tank.take(&Ask { wanted: 1, keep: 0, pace: pace() }, start + LONGEST_PAUSE).granted, 1);
    }
}
