//! From Neon's limits to the rate that keeps them: a burst, and one permit every so often.
//!
//! Why no window ever holds more calls than the limit, whichever replicas make them: in any span of `s` seconds a bucket of
//! this rate grants at most `burst + s / interval` permits, and a call is sent within [`PERMIT_LIFETIME`] of its grant. So the
//! calls of a window of `w` seconds were granted in a span of `w + PERMIT_LIFETIME`, and the rate is chosen so that this is
//! less than the limit by a margin, for calls that overtake each other on the way.
//!
//! The account's rate also keeps the limit per route, as if all calls went to one route. With Neon's 700 a minute and 40 a
//! second that costs nothing. An account with a higher limit per minute is held to about 1,000 a minute unless its limit per
//! route is raised too: simpler than a bucket per route, which would have to be shared at the scale of milliseconds.

use std::time::Duration;

use super::NeonError;

/// A permit that was granted is given up after this: long enough for a shared store to answer, short against a minute.
pub const PERMIT_LIFETIME: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What Neon allows in any 60 seconds, as configured.
    pub limit_per_minute: u32,
    /// Between two permits once the burst is used up.
    pub interval: Duration,
    /// Calls that may be made at once after a rest.
    pub burst: u32,
    /// The part of the burst that only urgent calls may take.
    pub reserve: u32,
}

impl Rate {
    /// The rate of all calls but those for usage history: 700 a minute become a burst of 13 and 671 a minute.
    ///
    /// # Errors
    /// [`NeonError::Misconfigured`] if a limit is too low to work with.
    pub fn of_account(calls_per_minute: u32, calls_per_second_per_route: u32) -> Result<Self, NeonError> {
        if calls_per_minute < 10 {
            return Err(NeonError::Misconfigured(format!(
                "{calls_per_minute} calls per minute are too few; allow at least 10 (Neon's own limit is 700)."
            )));
        }
        if calls_per_second_per_route < 3 {
            return Err(NeonError::Misconfigured(format!(
                "{calls_per_second_per_route} calls per second and route are too few; allow at least 3 (Neon's own limit is 40)."
            )));
        }
        let burst = (calls_per_minute / 50).clamp(1, 40).min(calls_per_second_per_route / 3);
        let minute = per_second(calls_per_minute, burst, (calls_per_minute / 70).max(1), 60.0);
        let second = per_second(calls_per_second_per_route, burst, 1, 1.0);
        Ok(Self::new(calls_per_minute, minute.min(second), burst))
    }

    /// The rate of calls for usage history: 30 a minute become one every 2.2 seconds.
    ///
    /// # Errors
    /// [`NeonError::Misconfigured`] if the limit is too low to work with.
    pub fn of_consumption(calls_per_minute: u32) -> Result<Self, NeonError> {
        if calls_per_minute < 3 {
            return Err(NeonError::Misconfigured(format!(
                "{calls_per_minute} calls per minute for usage history are too few; allow at least 3 (Neon's own limit is 30)."
            )));
        }
        let burst = (calls_per_minute / 50).clamp(1, 40);
        let minute = per_second(calls_per_minute, burst, (calls_per_minute / 70).max(1), 60.0);
        Ok(Self::new(calls_per_minute, minute, burst))
    }

    fn new(limit_per_minute: u32, per_second: f64, burst: u32) -> Self {
        // Whole microseconds, as PostgreSQL counts; rounded up, so never faster.
        let interval = Duration::from_micros((1_000_000.0 / per_second).ceil() as u64);
        Self { limit_per_minute, interval, burst, reserve: burst / 2 }
    }

    /// What can be made of it for hours.
    pub fn per_minute(self) -> f64 {
        60.0 / self.interval.as_secs_f64()
    }
}

/// The rate at which `limit` calls a window, less a margin, are never passed.
fn per_second(limit: u32, burst: u32, margin: u32, window_seconds: f64) -> f64 {
    f64::from(limit.saturating_sub(burst + margin).max(1)) / (window_seconds + PERMIT_LIFETIME.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::time::Instant;

    use super::super::rate_limiter::Ask;
    use super::super::token_bucket::TokenBucket;
    use super::*;

    /// The most permits granted in any span of `span`, if somebody asks for as many as there are every millisecond.
    fn most_in_a_span(rate: Rate, span: Duration, total: Duration) -> u32 {
        let start = Instant::now();
        let (mut tokens, mut recent, mut most) = (TokenBucket::new(start), VecDeque::new(), 0);
        for millisecond in 0..total.as_millis() as u64 {
            let now = start + Duration::from_millis(millisecond);
            let granted = tokens.take(&Ask { wanted: 1_000, keep: 0, rate }, now).granted;
            recent.extend((0..granted).map(|_| now));
            while recent.front().is_some_and(|then| *then + span <= now) {
                recent.pop_front();
            }
            most = most.max(recent.len() as u32);
        }
        most
    }

    #[test]
    fn no_window_holds_more_than_the_limit_however_late_permits_are_used_and_little_is_given_away() {
        for (limit, route_limit) in [(10, 3), (60, 40), (700, 40), (7_000, 400), (7_000, 40)] {
            let rate = Rate::of_account(limit, route_limit).unwrap();
            let minute = most_in_a_span(rate, Duration::from_secs(60) + PERMIT_LIFETIME, Duration::from_secs(150));
            let second = most_in_a_span(rate, Duration::from_secs(1) + PERMIT_LIFETIME, Duration::from_secs(20));
            assert!(minute <= limit, "{minute} of {limit} a minute");
            assert!(second <= route_limit, "{second} of {route_limit} a second");
            if limit >= 60 && (limit, route_limit) != (7_000, 40) {
                assert!(rate.per_minute() >= f64::from(limit) * 0.9, "only {} of {limit}", rate.per_minute());
            }
        }
        for limit in [3, 30, 50] {
            let rate = Rate::of_consumption(limit).unwrap();
            let minute = most_in_a_span(rate, Duration::from_secs(60) + PERMIT_LIFETIME, Duration::from_secs(150));
            assert!(minute <= limit, "{minute} of {limit} a minute");
            assert!(limit < 30 || rate.per_minute() >= f64::from(limit) * 0.9, "{}", rate.per_minute());
        }
    }

    #[test]
    fn limits_too_low_to_work_with_are_refused() {
        assert!(matches!(Rate::of_account(0, 40), Err(NeonError::Misconfigured(_))));
        assert!(matches!(Rate::of_account(700, 0), Err(NeonError::Misconfigured(_))));
        assert!(matches!(Rate::of_consumption(2), Err(NeonError::Misconfigured(_))));
        assert!(Rate::of_account(10, 3).is_ok());
    }
}
