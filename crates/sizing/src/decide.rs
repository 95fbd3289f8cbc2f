//! What target a policy makes of a situation, and the sentence that says why.
//!
//! Wanted are the hours of cover at the policy's rate, or what a schedule asks for if that is more, between floor and ceiling. One decision comes as near to
//! it as the largest step allows; a decrease also waits, so that a short lull does not empty the pool.

use std::fmt::Write;

use chrono::TimeDelta;

use fleet_types::{Asks, LARGEST_TARGET, Policy, Rates, Schedule, Time, claims_an_hour, cover_text, duration, grouped};

/// What a decision is made from.
pub struct Situation<'a> {
    pub now: Time,
    pub target: i32,
    pub rates: Rates,
    pub policy: &'a Policy,
    pub schedules: &'a [Schedule],
    pub last_changed_at: Option<Time>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What the policy asks for between floor and ceiling.
    pub wanted: i32,
    /// How far this decision goes.
    pub target: i32,
    /// The schedule that asked for more than the rate alone.
    pub schedule: Option<String>,
    pub reason: String,
}

/// The numbers of a decision, without the words.
pub(super) struct Weighed<'a> {
    factor: f64,
    /// What the cover alone asks for.
    by_cover: i32,
    /// With what the schedules ask for.
    asked: i32,
    schedule: Option<&'a Schedule>,
    pub wanted: i32,
    pub target: i32,
    waits: bool,
}

pub fn decide(situation: &Situation) -> Verdict {
    let weighed = weigh(situation);
    Verdict {
        wanted: weighed.wanted,
        target: weighed.target,
        schedule: weighed.schedule.map(|schedule| schedule.peak.label.clone()),
        reason: reason(situation, &weighed),
    }
}

pub(super) fn weigh<'a>(situation: &Situation<'a>) -> Weighed<'a> {
    let Situation { now, target, policy, .. } = *situation;
    let in_force = || situation.schedules.iter().filter(|schedule| schedule.peak.when.is_in_force(now));
    let factors = in_force().filter_map(|schedule| match schedule.peak.asks {
        Asks::Factor(factor) => Some((factor, schedule)),
        Asks::AtLeast(_) => None,
    });
    let least = in_force().filter_map(|schedule| match schedule.peak.asks {
        Asks::AtLeast(n) => Some((n, schedule)),
        Asks::Factor(_) => None,
    });
    let factor = factors.max_by(|(a, _), (b, _)| a.total_cmp(b));
    let least = least.max_by_key(|(n, _)| *n);
    let times = factor.map_or(1.0, |(factor, _)| factor);
    // As a float, so that no rate overflows; the conversion saturates.
    let by_cover = ((situation.rates.at(policy.rate) * times * policy.cover_hours).ceil() as i64)
        .clamp(0, LARGEST_TARGET.into()) as i32;
    let least = least.filter(|(n, _)| *n > by_cover);
    let asked = least.map_or(by_cover, |(n, _)| n);
    let wanted = asked.clamp(policy.floor, policy.ceiling);
    let waits = wanted < target
        && situation
            .last_changed_at
            .is_some_and(|at| now - at < TimeDelta::minutes(policy.decrease_after_minutes.into()));
    Weighed {
        factor: times,
        by_cover,
        asked,
        schedule: least.map(|(_, schedule)| schedule).or(factor.map(|(_, schedule)| schedule)),
        wanted,
        target: match waits {
            true => target,
            false => {
                wanted.clamp(target.saturating_sub(policy.largest_step), target.saturating_add(policy.largest_step))
            }
        },
        waits,
    }
}

/// `2 h of cover at the p95 rate (120 claims an hour) ask for 240; the ceiling allows 200: raised from 40 to 90, the largest step.`
fn reason(situation: &Situation, weighed: &Weighed) -> String {
    let Situation { policy, target, .. } = *situation;
    let number = |n: i32| grouped(n.into());
    let times = if weighed.factor == 1.0 { String::new() } else { format!("{} × ", weighed.factor) };
    let mut text = format!(
        "{} of cover at {times}{} ({}) ask for {}",
        cover_text(policy.cover_hours),
        policy.rate.label(),
        claims_an_hour(situation.rates.at(policy.rate)),
        number(weighed.by_cover)
    );
    let mut add = |part: String| {
        let _ = write!(text, "{part}");
    };
    if let Some(schedule) = weighed.schedule {
        let label = &schedule.peak.label;
        match weighed.asked > weighed.by_cover {
            true => add(format!(", the schedule “{label}” for at least {}", number(weighed.asked))),
            false => add(format!(" during the schedule “{label}”")),
        }
    }
    if weighed.wanted < weighed.asked {
        add(format!("; the ceiling allows {}", number(policy.ceiling)));
    } else if weighed.wanted > weighed.asked {
        add(format!("; the floor keeps {}", number(policy.floor)));
    }
    let step = if weighed.target == weighed.wanted { "" } else { ", the largest step" };
    let (before, after) = (number(target), number(weighed.target));
    add(match weighed.target.cmp(&target) {
        std::cmp::Ordering::Greater => format!(": raised from {before} to {after}{step}."),
        std::cmp::Ordering::Less => format!(": lowered from {before} to {after}{step}."),
        std::cmp::Ordering::Equal if weighed.waits => {
            let wait = duration(i64::from(policy.decrease_after_minutes) * 60);
            format!(": kept at {before}, because a decrease waits until {wait} after the last change.")
        }
        std::cmp::Ordering::Equal => format!(": the target of {before} stays."),
    });
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::moment;
    use fleet_types::{Peak, SizingRate, When};

    fn policy() -> Policy {
        Policy {
            cover_hours: 2.0,
            rate: SizingRate::P95,
            floor: 30,
            ceiling: 200,
            largest_step: 50,
            decrease_after_minutes: 60,
        }
    }

    fn at_rate(p95: f64) -> Rates {
        Rates { current: p95 / 2.0, p50: p95 / 3.0, p95, worst: p95 * 2.0, hours: 672 }
    }

    fn on_friday(asks: Asks) -> Schedule {
        let when = When::parse("Fri", "08:00", "10:00").expect("readable");
        Schedule { id: 1, peak: Peak { label: String::from("Launch"), when, asks } }
    }

    /// On a Friday at nine.
    fn situation<'a>(policy: &'a Policy, schedules: &'a [Schedule], target: i32, p95: f64) -> Situation<'a> {
        let now = moment("2026-11-27T09:00:00Z");
        Situation { now, target, rates: at_rate(p95), policy, schedules, last_changed_at: None }
    }

    #[test]
    fn a_raise_goes_one_step_at_a_time_and_says_so() {
        let policy = policy();
        let first = decide(&situation(&policy, &[], 40, 120.0));
        assert_eq!((first.wanted, first.target), (200, 90));
        assert_eq!(
            first.reason,
            "2 h of cover at the p95 rate (120 claims an hour) ask for 240; the ceiling allows 200: raised from 40 to 90, the largest step."
        );
        let last = decide(&situation(&policy, &[], 190, 120.0));
        assert!(last.reason.ends_with(": raised from 190 to 200."), "{}", last.reason);
        let same = decide(&situation(&policy, &[], 200, 120.0));
        assert!(same.reason.ends_with(": the target of 200 stays."), "{}", same.reason);
    }

    #[test]
    fn a_decrease_waits_after_the_last_change() {
        let policy = policy();
        let mut quiet = situation(&policy, &[], 100, 5.0);
        quiet.last_changed_at = Some(quiet.now - TimeDelta::minutes(59));
        let kept = decide(&quiet);
        assert_eq!((kept.wanted, kept.target), (30, 100));
        assert!(
            kept.reason.contains("the floor keeps 30: kept at 100, because a decrease waits until 1 h after"),
            "{}",
            kept.reason
        );
        quiet.last_changed_at = Some(quiet.now - TimeDelta::minutes(60));
        assert_eq!(decide(&quiet).target, 50);
    }

    #[test]
    fn a_schedule_asks_for_more_and_never_for_less() {
        let policy = policy();
        let least = [on_friday(Asks::AtLeast(150))];
        let verdict = decide(&situation(&policy, &least, 100, 20.0));
        assert_eq!((verdict.wanted, verdict.target, verdict.schedule.as_deref()), (150, 150, Some("Launch")));
        assert!(
            verdict.reason.contains("ask for 40, the schedule “Launch” for at least 150: raised"),
            "{}",
            verdict.reason
        );
        let busy = decide(&situation(&policy, &least, 180, 90.0));
        assert_eq!((busy.wanted, busy.schedule), (180, None));
        let factor = [on_friday(Asks::Factor(2.5))];
        let verdict = decide(&situation(&policy, &factor, 100, 20.0));
        assert_eq!((verdict.wanted, verdict.target), (100, 100));
        assert!(verdict.reason.starts_with(
            "2 h of cover at 2.5 × the p95 rate (20 claims an hour) ask for 100 during the schedule “Launch”"
        ));
        let mut later = situation(&policy, &least, 100, 20.0);
        later.now += TimeDelta::hours(1);
        assert_eq!(decide(&later).schedule, None);
    }

    fn any_policy() -> impl Strategy<Value = Policy> {
        (0.01..100.0_f64, 0..3_usize, 0..500, 0..500, 1..300, 0..120).prop_map(
            |(cover_hours, rate, floor, room, largest_step, decrease_after_minutes)| Policy {
                cover_hours,
                rate: SizingRate::ALL[rate],
                floor,
                ceiling: floor + room,
                largest_step,
                decrease_after_minutes,
            },
        )
    }

    proptest! {
        #[test]
        fn no_decision_breaks_its_policy(policy in any_policy(), target in 0..2_000, p95 in 0.0..1e12_f64, at_least in 1..5_000, minutes in 0_i64..200) {
            let schedules = [on_friday(Asks::AtLeast(at_least))];
            let mut situation = situation(&policy, &schedules, target, p95);
            situation.last_changed_at = Some(situation.now - TimeDelta::minutes(minutes));
            let verdict = decide(&situation);
            prop_assert!((policy.floor..=policy.ceiling).contains(&verdict.wanted));
            prop_assert!((verdict.target - target).abs() <= policy.largest_step);
            prop_assert!((verdict.target - target).signum() * (verdict.wanted - target).signum() >= 0, "it never goes the wrong way");
            prop_assert!((verdict.wanted - verdict.target).abs() <= (verdict.wanted - target).abs());
            if minutes < i64::from(policy.decrease_after_minutes) {
                prop_assert!(verdict.target >= target);
            }
        }

        #[test]
        fn decided_again_and_again_it_arrives_and_stays(policy in any_policy(), target in 0..2_000, p95 in 0.0..10_000.0_f64) {
            let mut situation = situation(&policy, &[], target, p95);
            for _ in 0..2_001 {
                situation.target = weigh(&situation).target;
            }
            let settled = decide(&situation);
            prop_assert_eq!(settled.target, settled.wanted);
        }

        #[test]
        fn a_higher_rate_never_asks_for_less(policy in any_policy(), target in 0..2_000, p95 in 0.0..5_000.0_f64, more in 0.0..5_000.0_f64) {
            let (low, high) = (decide(&situation(&policy, &[], target, p95)), decide(&situation(&policy, &[], target, p95 + more)));
            prop_assert!(low.wanted <= high.wanted && low.target <= high.target);
        }
    }
}
