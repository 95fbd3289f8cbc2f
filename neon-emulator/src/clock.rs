//! The emulator's clock: UTC in whole microseconds, which is what PostgreSQL stores, so that a time read back
//! equals the time written. It can be put forward, so that nobody has to wait for what lies in the future.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveTime, SubsecRound, TimeDelta, Utc};
use tokio::sync::watch;

pub type Instant = DateTime<Utc>;

/// Waits are cut into pieces, as the system's clock may be set meanwhile.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead: Arc<watch::Sender<TimeDelta>>,
}

impl Clock {
    pub fn now(&self) -> Instant {
        (Utc::now() + *self.ahead.borrow()).trunc_subsecs(6)
    }

    /// Puts the clock forward. Whatever falls due by that is done.
    pub fn advance(&self, by: Duration) {
        let by = TimeDelta::from_std(by).unwrap_or_default();
        self.ahead.send_modify(|ahead| *ahead = ahead.checked_add(&by).unwrap_or(*ahead));
    }

    /// Waits until the clock shows this time, at least a moment.
    pub(crate) async fn sleep_until(&self, due: Instant) {
        let mut ahead = self.ahead.subscribe();
        loop {
            let left = (due - self.now()).to_std().unwrap_or_default().max(Duration::from_millis(1));
            tokio::select! {
                () = tokio::time::sleep(left.min(LONGEST_NAP)) => {}
                _ = ahead.changed() => {}
            }
            if self.now() >= due {
                return;
            }
        }
    }
}

/// Billing periods are calendar months.
pub fn period_start(at: Instant) -> Instant {
    let first = at.date_naive().with_day(1).unwrap_or_else(|| at.date_naive());
    first.and_time(NaiveTime::MIN).and_utc()
}

pub fn period_end(at: Instant) -> Instant {
    period_start(at).checked_add_months(chrono::Months::new(1)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_put_forward() {
        let clock = Clock::default();
        let due = clock.now() + TimeDelta::hours(1);
        tokio::join!(clock.sleep_until(due), async { clock.advance(Duration::from_secs(3_600)) });
        assert!(clock.now() >= due);
    }

    #[test]
    fn a_period_is_a_calendar_month() {
        let at: Instant = "2026-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(period_start(at).to_rfc3339(), "2026-12-01T00:00:00+00:00");
        assert_eq!(period_end(at).to_rfc3339(), "2027-01-01T00:00:00+00:00");
    }
}
