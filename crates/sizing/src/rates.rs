//! How fast a pool is claimed from: now, in a busy hour, in the busiest one.

use std::collections::VecDeque;

use fleet_types::Rates;

/// Four full weeks: every hour of the week has been seen four times.
pub const WINDOW_HOURS: usize = 28 * 24;

/// From the claims of the last 60 minutes and those of each full hour, oldest first; only the last [`WINDOW_HOURS`] count.
///
/// Hours without claims count as they are: a p95 over the busy hours only would be no p95. While there is little history the current hour speaks for it.
pub fn rates(claims_last_hour: i64, hours: &[i32]) -> Rates {
    let mut window = Window::default();
    for claims in hours {
        window.push(*claims);
    }
    window.rates(claims_last_hour)
}

/// The last hours, also in order of size, so that a quantile is a look-up.
#[derive(Default)]
pub(super) struct Window {
    recent: VecDeque<i32>,
    sorted: Vec<i32>,
}

impl Window {
    pub fn push(&mut self, claims: i32) {
        if self.recent.len() == WINDOW_HOURS
            && let Some(oldest) = self.recent.pop_front()
            && let Ok(at) = self.sorted.binary_search(&oldest)
        {
            self.sorted.remove(at);
        }
        self.recent.push_back(claims);
        self.sorted.insert(self.sorted.partition_point(|other| *other < claims), claims);
    }

    pub fn rates(&self, claims_last_hour: i64) -> Rates {
        let current = claims_last_hour.max(0) as f64;
        // The nearest rank: an hour that was, not one between two.
        let quantile = |share: f64| {
            let rank = (self.sorted.len() as f64 * share).ceil() as usize;
            self.sorted.get(rank.saturating_sub(1)).map(|claims| f64::from(*claims))
        };
        Rates {
            current,
            p50: quantile(0.5).unwrap_or(current),
            p95: quantile(0.95).unwrap_or(current),
            worst: quantile(1.0).unwrap_or(current).max(current),
            hours: self.recent.len() as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_p95_is_an_hour_that_one_in_twenty_exceeds() {
        let hours: Vec<i32> = (1..=100).collect();
        let rates = rates(7, &hours);
        assert_eq!((rates.current, rates.p50, rates.p95, rates.worst, rates.hours), (7.0, 50.0, 95.0, 100.0, 100));
    }

    #[test]
    fn without_history_the_last_hour_speaks_for_all() {
        assert_eq!(rates(12, &[]), Rates { current: 12.0, p50: 12.0, p95: 12.0, worst: 12.0, hours: 0 });
    }

    #[test]
    fn a_peak_of_right_now_is_the_worst_hour() {
        assert_eq!(rates(500, &[10, 20]).worst, 500.0);
    }

    #[test]
    fn what_is_older_than_the_window_no_longer_counts() {
        let mut hours = vec![1_000];
        hours.extend([3; WINDOW_HOURS]);
        assert_eq!(rates(0, &hours).worst, 3.0);
    }

    proptest! {
        #[test]
        fn the_rates_are_in_order_and_among_the_hours(current in 0_i64..2_000, hours in prop::collection::vec(0_i32..2_000, 1..1_000)) {
            let rates = rates(current, &hours);
            prop_assert!(rates.p50 <= rates.p95 && rates.p95 <= rates.worst && rates.current <= rates.worst);
            let seen = &hours[hours.len().saturating_sub(WINDOW_HOURS)..];
            prop_assert!(seen.iter().any(|claims| f64::from(*claims) == rates.p95));
            let above = seen.iter().filter(|claims| f64::from(**claims) > rates.p95).count();
            prop_assert!(above * 20 <= seen.len());
        }
    }
}
