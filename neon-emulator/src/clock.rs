//! The emulator's clock: UTC in whole microseconds, which is what PostgreSQL stores, so that a time read back
//! equals the time written.

use chrono::{DateTime, Datelike, NaiveTime, SubsecRound, Utc};

pub type Instant = DateTime<Utc>;

pub fn now() -> Instant {
    Utc::now().trunc_subsecs(6)
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

    #[test]
    fn a_period_is_a_calendar_month() {
        let at: Instant = "2026-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(period_start(at).to_rfc3339(), "2026-12-01T00:00:00+00:00");
        assert_eq!(period_end(at).to_rfc3339(), "2027-01-01T00:00:00+00:00");
    }
}
