//! The frames into which the history is cut, and how far back each kind may be asked for.

use chrono::{DurationRound, Months, TimeDelta};

use crate::clock::{self, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granularity {
    Hourly,
    Daily,
    Monthly,
}

impl Granularity {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "hourly" => Some(Self::Hourly),
            "daily" => Some(Self::Daily),
            "monthly" => Some(Self::Monthly),
            _ => None,
        }
    }

    /// The beginning of the frame that a moment falls into.
    pub fn start(self, at: Instant) -> Instant {
        match self {
            Self::Hourly => at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at),
            Self::Daily => at.duration_trunc(TimeDelta::days(1)).unwrap_or(at),
            Self::Monthly => clock::period_start(at),
        }
    }

    /// The end of the frame that begins at this moment.
    pub fn end(self, start: Instant) -> Instant {
        match self {
            Self::Hourly => start + TimeDelta::hours(1),
            Self::Daily => start + TimeDelta::days(1),
            Self::Monthly => clock::period_end(start),
        }
    }

    /// The earliest beginning of a frame that may be asked for.
    pub fn earliest(self, now: Instant) -> Instant {
        let start = self.start(now);
        match self {
            Self::Hourly => start - TimeDelta::hours(168),
            Self::Daily => start - TimeDelta::days(60),
            Self::Monthly => start.checked_sub_months(Months::new(12)).unwrap_or(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_those_of_the_document() {
        let now: Instant = "2026-03-15T15:30:00Z".parse().unwrap();
        let earliest = |granularity: Granularity| granularity.earliest(now).to_rfc3339();
        assert_eq!(earliest(Granularity::Hourly), "2026-03-08T15:00:00+00:00");
        assert_eq!(earliest(Granularity::Daily), "2026-01-14T00:00:00+00:00");
        assert_eq!(earliest(Granularity::Monthly), "2025-03-01T00:00:00+00:00");
    }
}
