//! The past of a pool, minute by minute, as a simulation replays it: made of the hours that are kept for a year, and finer where samples are still there.

use chrono::TimeDelta;

use fleet_types::Time;

/// One full hour of demand.
#[derive(Clone, Copy, Debug)]
pub struct DemandHour {
    pub hour: Time,
    pub claims: i32,
    pub created: i32,
    pub failed: i32,
}

/// Claims of one minute, as sampled every few seconds.
#[derive(Clone, Copy, Debug)]
pub struct DemandMinute {
    pub minute: Time,
    pub claims: i32,
}

/// The longest past that is replayed. The hours before it serve the rates only.
const REPLAYED_HOURS: usize = 30 * 24;
/// A policy that knows nothing yet would begin at its floor, which none does that is set today: the first day serves the rates only, of a shorter past its half.
const WARM_UP_HOURS: usize = 24;
const MINUTES: usize = 60;

pub struct History {
    pub from: Time,
    /// Claims of each full hour before `from`, oldest first.
    pub before: Vec<i32>,
    /// Claims of each minute since.
    pub claims: Vec<u32>,
    /// Whether Neon created anything in that minute.
    pub creates: Vec<bool>,
}

impl History {
    /// From full hours, oldest first; a gap between two counts as hours without claims. `finer` spreads the claims of an hour over its minutes, evenly where
    /// there is nothing finer. Nothing is created during `stops` (the breaker was open), nor in an hour in which creations failed and none succeeded.
    pub fn new(hours: &[DemandHour], finer: &[DemandMinute], stops: &[(Time, Time)]) -> Option<Self> {
        let (first, last) = (hours.first()?.hour, hours.last()?.hour);
        let count = usize::try_from((last - first).num_hours()).ok()? + 1;
        let begin = count.saturating_sub(REPLAYED_HOURS).max(WARM_UP_HOURS.min(count / 2));
        let from = first + TimeDelta::hours(begin as i64);
        let mut all: Vec<Option<&DemandHour>> = vec![None; count];
        for hour in hours {
            if let Some(slot) = slot(first, hour.hour, TimeDelta::hours(1)).and_then(|at| all.get_mut(at)) {
                *slot = Some(hour);
            }
        }
        let replayed = all.split_off(begin);
        let mut minutes = vec![0_u32; replayed.len() * MINUTES];
        for minute in finer {
            if let Some(claims) = slot(from, minute.minute, TimeDelta::minutes(1)).and_then(|at| minutes.get_mut(at)) {
                *claims += minute.claims.max(0) as u32;
            }
        }
        let mut history = Self {
            from,
            before: all.into_iter().map(|hour| hour.map_or(0, |hour| hour.claims)).collect(),
            claims: Vec::with_capacity(minutes.len()),
            creates: Vec::with_capacity(minutes.len()),
        };
        for (hour, minutes) in replayed.into_iter().zip(minutes.chunks(MINUTES)) {
            let claims = hour.map_or(0, |hour| hour.claims.max(0) as u32);
            history.claims.extend(spread(claims, minutes));
            history.creates.extend([hour.is_none_or(|hour| hour.failed == 0 || hour.created > 0); MINUTES]);
        }
        for (since, until) in stops {
            history.stop(*since, *until);
        }
        Some(history)
    }

    pub fn hours(&self) -> usize {
        self.claims.len() / MINUTES
    }

    fn stop(&mut self, since: Time, until: Time) {
        let first = (since - self.from).num_minutes().max(0) as usize;
        let last = ((until - self.from).num_seconds().max(0) as usize).div_ceil(60);
        for creates in self.creates.iter_mut().take(last).skip(first) {
            *creates = false;
        }
    }
}

fn slot(from: Time, at: Time, step: TimeDelta) -> Option<usize> {
    usize::try_from((at - from).num_seconds().div_euclid(step.num_seconds())).ok()
}

/// `claims` over the minutes in proportion to `pattern`, evenly where it is empty; nothing is lost by rounding.
fn spread(claims: u32, pattern: &[u32]) -> Vec<u32> {
    let total: u64 = pattern.iter().copied().map(u64::from).sum();
    let (claims, mut sum, mut given) = (u64::from(claims), 0, 0);
    let minutes = pattern.iter().enumerate().map(|(minute, weight)| {
        sum += u64::from(*weight);
        let evenly = claims * (minute as u64 + 1) / MINUTES as u64;
        let due = (claims * sum).checked_div(total).unwrap_or(evenly);
        let now = due - given;
        given = due;
        now as u32
    });
    minutes.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::moment;

    fn hour(number: i64, claims: i32) -> DemandHour {
        let hour = moment("2026-11-01T00:00:00Z") + TimeDelta::hours(number);
        DemandHour { hour, claims, created: claims, failed: 0 }
    }

    #[test]
    fn gaps_are_hours_without_claims_and_the_oldest_serve_the_rates_only() {
        let history = History::new(&[hour(0, 5), hour(3, 7)], &[], &[]).expect("not empty");
        assert_eq!((history.before, history.claims.iter().sum::<u32>()), (vec![5, 0], 7));
        let long: Vec<DemandHour> = (0..REPLAYED_HOURS as i64 + 100).map(|number| hour(number, 1)).collect();
        let history = History::new(&long, &[], &[]).expect("not empty");
        assert_eq!((history.hours(), history.before.len()), (REPLAYED_HOURS, 100));
        assert_eq!(history.from, hour(100, 0).hour);
        assert_eq!(History::new(&long[..72], &[], &[]).expect("not empty").before.len(), WARM_UP_HOURS);
        assert!(History::new(&[], &[], &[]).is_none());
    }

    #[test]
    fn samples_place_the_claims_within_the_hour() {
        let minute = DemandMinute { minute: hour(1, 0).hour + TimeDelta::minutes(42), claims: 3 };
        let history = History::new(&[hour(0, 4), hour(1, 10)], &[minute], &[]).expect("not empty");
        assert_eq!((history.claims[41], history.claims[42], history.claims[43]), (0, 10, 0));
    }

    #[test]
    fn nothing_is_created_while_the_breaker_was_open_or_all_failed() {
        let start = hour(3, 0).hour;
        let stop = (start + TimeDelta::minutes(10), start + TimeDelta::seconds(12 * 60 + 1));
        let failed = DemandHour { created: 0, failed: 4, ..hour(4, 8) };
        let past = [hour(0, 1), hour(1, 1), hour(2, 1), hour(3, 10), failed, hour(5, 1)];
        let history = History::new(&past, &[], &[stop]).expect("not empty");
        assert_eq!(history.from, start);
        assert_eq!(history.creates[9..14], [true, false, false, false, true]);
        assert!(history.creates[60..120].iter().all(|creates| !creates));
        assert!(history.creates[120..].iter().all(|creates| *creates));
    }

    proptest! {
        #[test]
        fn no_claim_is_lost_or_made_up(claims in 0_u32..100_000, pattern in prop::collection::vec(0_u32..50, MINUTES)) {
            let minutes = spread(claims, &pattern);
            prop_assert_eq!((minutes.len(), minutes.iter().sum::<u32>()), (MINUTES, claims));
        }
    }
}
