//! A policy that somebody thinks of, against what is in force, on the recorded past of the pool.

use super::{
    DemandHour, DemandMinute, History,
    decide::{Situation, weigh},
    simulate::{Plan, simulate},
};
use fleet_types::{Comparison, Policy, Rates, RefillModel, Schedule, Time};

/// Fewer full hours than this say nothing.
const LEAST_HOURS: usize = 2;

/// What is known of the pool.
pub struct Candidate {
    pub now: Time,
    pub target: i32,
    pub in_force: Option<Policy>,
    pub schedules: Vec<Schedule>,
    pub rates: Rates,
    /// Full hours, oldest first.
    pub hours: Vec<DemandHour>,
    pub minutes: Vec<DemandMinute>,
    /// When the breaker was open.
    pub stops: Vec<(Time, Time)>,
    pub refill: RefillModel,
}

/// # Errors
/// A sentence that says why nothing can be said yet.
pub fn compare(candidate: &Candidate, proposed: &Policy) -> Result<Comparison, String> {
    let Candidate { now, target, ref in_force, ref schedules, rates, .. } = *candidate;
    let history = History::new(&candidate.hours, &candidate.minutes, &candidate.stops)
        .filter(|history| history.hours() >= LEAST_HOURS)
        .ok_or("There is no history to try it on yet: it begins with the first two full hours of this pool.")?;
    let refill = &candidate.refill;
    let old = match in_force {
        Some(policy) => Plan::Policy { policy, schedules },
        None => Plan::Target(target),
    };
    let new = Plan::Policy { policy: proposed, schedules };
    let situation = Situation { now, target, rates, policy: proposed, schedules, last_changed_at: None };
    Ok(Comparison {
        from: history.from,
        hours: history.hours() as u32,
        refill: *refill,
        proposed: simulate(&history, &new, refill, proposed.floor),
        in_force: simulate(&history, &old, refill, proposed.floor),
        wanted_now: weigh(&situation).wanted,
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::moment;
    use fleet_types::SizingRate;

    fn candidate(hours: i64) -> Candidate {
        let start = moment("2026-11-01T00:00:00Z");
        let hour = |number| DemandHour { hour: start + TimeDelta::hours(number), claims: 60, created: 60, failed: 0 };
        Candidate {
            now: start + TimeDelta::hours(hours),
            target: 40,
            in_force: None,
            schedules: Vec::new(),
            rates: Rates { current: 60.0, p50: 60.0, p95: 60.0, worst: 60.0, hours: 48 },
            hours: (0..hours).map(hour).collect(),
            minutes: Vec::new(),
            // Three outages of an hour each.
            stops: [30, 50, 70].map(|at| (start + TimeDelta::hours(at), start + TimeDelta::hours(at + 1))).to_vec(),
            refill: RefillModel { latency_seconds: 8.0, per_minute: 60.0 },
        }
    }

    fn policy() -> Policy {
        Policy {
            cover_hours: 2.0,
            rate: SizingRate::P95,
            floor: 40,
            ceiling: 400,
            largest_step: 50,
            decrease_after_minutes: 60,
        }
    }

    #[test]
    fn the_answer_is_how_often_each_would_have_run_dry() {
        let comparison = compare(&candidate(96), &policy()).expect("history");
        assert_eq!(
            comparison.sentence(false, 40),
            "This policy would have run dry 0 times in 3 days, the target of 40 now in force 3 times."
        );
        assert_eq!(comparison.wanted_now, 120);
        assert!(comparison.proposed.kept > comparison.in_force.kept);
    }

    #[test]
    fn without_history_it_says_so() {
        assert!(compare(&candidate(1), &policy()).is_err_and(|why| why.contains("no history")));
    }
}
