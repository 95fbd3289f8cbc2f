//! The emulator's clock: UTC in whole microseconds, which is what PostgreSQL stores, so that a time read back
//! equals the time written. It can be put forward and run faster, so that nobody has to wait for what lies in the future.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveTime, SubsecRound, TimeDelta, Utc};
use tokio::sync::watch;

pub type Instant = DateTime<Utc>;

/// Waits are cut into pieces, as the system's clock may be set meanwhile.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// How fast a clock may run.
const RATES: std::ops::RangeInclusive<f64> = 1e-9..=1e6;

/// Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    setting: Arc<watch::Sender<Setting>>,
}

/// The clock showed `shown` when it was `real`, and has run at `rate` since.
#[derive(Debug, Clone, Copy)]
struct Setting {
    real: Instant,
    shown: Instant,
    rate: f64,
}

impl Default for Setting {
    fn default() -> Self {
        let now = Utc::now();
        Self { real: now, shown: now, rate: 1.0 }
    }
}

impl Setting {
    fn now(&self) -> Instant {
        let passed = Utc::now() - self.real;
        let shown = if self.rate == 1.0 { passed } else { scaled(passed, self.rate) };
        (self.shown + shown).trunc_subsecs(6)
    }
}

fn scaled(span: TimeDelta, factor: f64) -> TimeDelta {
    TimeDelta::microseconds((span.num_microseconds().unwrap_or(i64::MAX) as f64 * factor) as i64)
}

impl Clock {
    pub fn now(&self) -> Instant {
        self.setting.borrow().now()
    }

    /// Puts the clock forward. Whatever falls due by that is done.
    pub fn advance(&self, by: Duration) {
        let by = TimeDelta::from_std(by).unwrap_or_default();
        self.setting
            .send_modify(|setting| setting.shown = setting.shown.checked_add_signed(by).unwrap_or(setting.shown));
    }

    /// Seconds of the clock in a real second.
    pub fn rate(&self) -> f64 {
        self.setting.borrow().rate
    }

    /// Lets the clock run faster or slower from now on; a rate out of range is cut to it.
    pub fn set_rate(&self, rate: f64) {
        self.setting.send_modify(|setting| {
            let shown = setting.now();
            let rate = if rate.is_nan() { 1.0 } else { rate.clamp(*RATES.start(), *RATES.end()) };
            *setting = Setting { real: Utc::now(), shown, rate };
        });
    }

    /// A rate that `set_rate` takes as it is.
    pub(crate) fn is_rate(rate: f64) -> bool {
        RATES.contains(&rate)
    }

    /// Waits until the clock shows this time, at least a moment.
    pub(crate) async fn sleep_until(&self, due: Instant) {
        let mut setting = self.setting.subscribe();
        loop {
            let left = scaled(due - self.now(), 1.0 / self.rate()).to_std().unwrap_or_default();
            tokio::select! {
                () = tokio::time::sleep(left.clamp(Duration::from_millis(1), LONGEST_NAP)) => {}
                _ = setting.changed() => {}
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

    #[tokio::test]
    async fn a_fast_clock_shortens_waits_and_never_jumps() {
        let clock = Clock::default();
        let before = clock.now();
        clock.set_rate(100_000.0);
        assert!(clock.now() - before < TimeDelta::hours(10), "the change itself is no jump");
        let due = clock.now() + TimeDelta::hours(1);
        tokio::time::timeout(Duration::from_secs(5), clock.sleep_until(due)).await.unwrap();
        clock.set_rate(1e-9);
        let stopped = clock.now();
        assert!(stopped >= due);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(clock.now(), stopped);
    }

    #[test]
    fn a_period_is_a_calendar_month() {
        let at: Instant = "2026-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(period_start(at).to_rfc3339(), "2026-12-01T00:00:00+00:00");
        assert_eq!(period_end(at).to_rfc3339(), "2027-01-01T00:00:00+00:00");
    }
}
