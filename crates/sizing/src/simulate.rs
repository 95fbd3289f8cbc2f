//! A pool replayed: the recorded claims, minute by minute, against a plan and a model of how new databases arrive.
//!
//! Deterministic and bounded by the history. The model knows no luck: within a minute databases arrive before claims are served, and those that wait go first.

use std::collections::VecDeque;

use chrono::TimeDelta;

use super::{
    History,
    decide::{Situation, weigh},
    rates::Window,
};
use fleet_types::{Policy, RefillModel, Schedule, Simulation, Time};

/// By what the target of a simulated pool is found.
pub enum Plan<'a> {
    Target(i32),
    Policy { policy: &'a Policy, schedules: &'a [Schedule] },
}

/// The pool begins full. `floor` is only what [`Simulation::hours_below_floor`] is measured against.
pub fn simulate(history: &History, plan: &Plan, refill: &RefillModel, floor: i32) -> Simulation {
    let mut pilot = Pilot::new(history, plan);
    let mut pool = Pool::new(i64::from(pilot.target), refill);
    let mut stocks = Vec::with_capacity(history.claims.len());
    let mut result = Simulation { lowest: pool.stock, ..Simulation::default() };
    for (minute, claims) in history.claims.iter().enumerate() {
        pilot.steer(minute);
        let waited = pool.live(i64::from(*claims), i64::from(pilot.target), history.creates[minute]);
        if waited > 0 && !pool.was_dry {
            result.dry += 1;
        }
        pool.was_dry = pool.waiting > 0;
        result.waited += waited as u64;
        result.claims += u64::from(*claims);
        result.dry_minutes += u32::from(pool.waiting > 0);
        result.lowest = result.lowest.min(pool.stock);
        result.hours_below_floor += f64::from(u8::from(pool.stock < i64::from(floor))) / 60.0;
        result.kept += pool.stock as f64;
        result.largest_target = result.largest_target.max(pilot.target);
        stocks.push(pool.stock);
    }
    result.kept /= stocks.len().max(1) as f64;
    result.shortest_cover_hours = shortest_cover(&stocks, &history.claims);
    result
}

/// Steers the target as the duty would.
struct Pilot<'a> {
    history: &'a History,
    plan: &'a Plan<'a>,
    target: i32,
    window: Window,
    last_hour: i64,
    last_changed_at: Option<Time>,
}

impl<'a> Pilot<'a> {
    fn new(history: &'a History, plan: &'a Plan<'a>) -> Self {
        let mut window = Window::default();
        history.before.iter().for_each(|claims| window.push(*claims));
        let last_hour = history.before.last().map_or(0, |claims| i64::from(*claims));
        let mut pilot = Self { history, plan, target: 0, window, last_hour, last_changed_at: None };
        pilot.target = match plan {
            Plan::Target(target) => *target,
            Plan::Policy { policy, schedules } => pilot.weigh(0, policy, schedules).0,
        };
        pilot
    }

    /// Once a minute, before the claims of that minute are known.
    fn steer(&mut self, minute: usize) {
        let claims = &self.history.claims;
        if minute > 0 {
            self.last_hour += i64::from(claims[minute - 1]);
            self.last_hour -= match minute.checked_sub(61) {
                Some(gone) => i64::from(claims[gone]),
                // The hour before the history fades out evenly.
                None => fading(self.history.before.last().copied().unwrap_or(0), minute),
            };
        }
        if minute > 0 && minute.is_multiple_of(60) {
            self.window.push(claims[minute - 60..minute].iter().sum::<u32>() as i32);
        }
        if let Plan::Policy { policy, schedules } = self.plan {
            let (_, target) = self.weigh(minute, policy, schedules);
            if target != self.target {
                self.target = target;
                self.last_changed_at = Some(self.now(minute));
            }
        }
    }

    fn weigh(&self, minute: usize, policy: &Policy, schedules: &[Schedule]) -> (i32, i32) {
        let situation = Situation {
            now: self.now(minute),
            target: self.target,
            rates: self.window.rates(self.last_hour),
            policy,
            schedules,
            last_changed_at: self.last_changed_at,
        };
        let weighed = weigh(&situation);
        (weighed.wanted, weighed.target)
    }

    fn now(&self, minute: usize) -> Time {
        self.history.from + TimeDelta::minutes(minute as i64)
    }
}

/// What of `claims`, evenly spread over an hour, becomes older than an hour in this minute (1 to 60).
fn fading(claims: i32, minute: usize) -> i64 {
    let until = |minute: usize| i64::from(claims) * minute as i64 / 60;
    until(minute) - until(minute - 1)
}

struct Pool {
    stock: i64,
    waiting: i64,
    was_dry: bool,
    /// What arrives in the next minutes, the nearest first; as long as a creation takes.
    coming: VecDeque<i64>,
    in_flight: i64,
    per_minute: f64,
    /// Creations that may begin: fractions of one add up.
    may_begin: f64,
}

impl Pool {
    fn new(stock: i64, refill: &RefillModel) -> Self {
        let latency = (refill.latency_seconds / 60.0).ceil().clamp(1.0, 24.0 * 60.0) as usize;
        Self {
            stock,
            waiting: 0,
            was_dry: false,
            coming: VecDeque::from(vec![0; latency]),
            in_flight: 0,
            per_minute: refill.per_minute.max(0.0),
            may_begin: 0.0,
        }
    }

    /// One minute: arrivals, then those who wait, then claims, then new creations. Answers how many claims had to wait.
    fn live(&mut self, claims: i64, target: i64, creates: bool) -> i64 {
        let arrived = self.coming.pop_front().unwrap_or(0);
        self.in_flight -= arrived;
        self.stock += arrived;
        let served = self.waiting.min(self.stock);
        self.waiting -= served;
        self.stock -= served;
        let at_once = claims.min(self.stock);
        self.stock -= at_once;
        self.waiting += claims - at_once;
        self.may_begin = (self.may_begin + self.per_minute).min(self.per_minute.max(1.0));
        let missing = (target + self.waiting - self.stock - self.in_flight).max(0);
        let begun = if creates { missing.min(self.may_begin as i64) } else { 0 };
        self.may_begin -= begun as f64;
        self.in_flight += begun;
        self.coming.push_back(begun);
        claims - at_once
    }
}

/// From the moment on at which the stock would have lasted shortest without any creation: how long.
fn shortest_cover(stocks: &[i64], claims: &[u32]) -> Option<f64> {
    let mut sums = Vec::with_capacity(claims.len() + 1);
    sums.push(0_i64);
    for claims in claims {
        sums.push(sums.last().copied().unwrap_or(0) + i64::from(*claims));
    }
    let lasts = stocks.iter().enumerate().filter_map(|(minute, stock)| {
        let begin = minute + 1;
        let most = sums[begin] + stock;
        let end = sums.partition_point(|sum| *sum <= most);
        (end < sums.len()).then(|| end - 1 - begin)
    });
    lasts.min().map(|minutes| minutes as f64 / 60.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::moment;
    use fleet_types::{Asks, Peak, SizingRate, When};

    const FAST: RefillModel = RefillModel { latency_seconds: 10.0, per_minute: 100.0 };

    /// From a Monday's midnight, after a day like its first hour; nothing is created in the minutes of `stop`.
    fn history(claims: &[i32], stop: std::ops::Range<usize>) -> History {
        let spread = |claims: &i32| {
            let until = |minute: i32| claims * minute / 60;
            (1..=60).map(|minute| (until(minute) - until(minute - 1)) as u32).collect::<Vec<_>>()
        };
        let claims_by_minute: Vec<u32> = claims.iter().flat_map(spread).collect();
        History {
            from: moment("2026-11-23T00:00:00Z"),
            before: vec![claims[0]; 24],
            creates: (0..claims_by_minute.len()).map(|minute| !stop.contains(&minute)).collect(),
            claims: claims_by_minute,
        }
    }

    fn policy(cover_hours: f64) -> Policy {
        Policy {
            cover_hours,
            rate: SizingRate::Worst,
            floor: 10,
            ceiling: 1_000,
            largest_step: 100,
            decrease_after_minutes: 60,
        }
    }

    #[test]
    fn a_pool_that_refills_in_time_never_runs_dry() {
        let result = simulate(&history(&[60; 48], 0..0), &Plan::Target(20), &FAST, 10);
        assert_eq!((result.claims, result.dry, result.waited), (48 * 60, 0, 0));
        // One claim a minute, replaced a minute later.
        assert_eq!(result.lowest, 19);
        assert_eq!((result.hours_below_floor, result.largest_target), (0.0, 20));
        assert_eq!(result.kept, 19.0);
        assert_eq!(result.shortest_cover_hours, Some(19.0 / 60.0));
    }

    #[test]
    fn an_outage_longer_than_the_cover_runs_it_dry_once() {
        // Two hours without creations, at one claim a minute.
        let past = history(&[60; 24], 600..720);
        let small = simulate(&past, &Plan::Target(60), &FAST, 60);
        assert_eq!((small.dry, small.lowest), (1, 0));
        assert!((58..=62).contains(&small.waited), "{}", small.waited);
        assert!((58..=62).contains(&small.dry_minutes), "{}", small.dry_minutes);
        assert!(small.hours_below_floor >= 2.0);
        let large = simulate(&past, &Plan::Policy { policy: &policy(3.0), schedules: &[] }, &FAST, 60);
        assert_eq!((large.dry, large.waited, large.largest_target), (0, 0, 180));
        assert!((50..=62).contains(&large.lowest), "{}", large.lowest);
    }

    #[test]
    fn a_schedule_is_ready_for_the_peak_that_a_policy_alone_would_meet_too_late() {
        // Quiet nights; on Tuesday at eight 600 sign up within the hour while little can be created.
        let mut claims = vec![6; 48];
        claims[32] = 600;
        let (past, slow) = (history(&claims, 0..0), RefillModel { latency_seconds: 120.0, per_minute: 2.0 });
        let policy = policy(2.0);
        let alone = simulate(&past, &Plan::Policy { policy: &policy, schedules: &[] }, &slow, 10);
        let when = When::parse("Tue", "02:00", "09:00").expect("readable");
        let peak =
            [Schedule { id: 1, peak: Peak { label: String::from("Newsletter"), when, asks: Asks::AtLeast(600) } }];
        let prepared = simulate(&past, &Plan::Policy { policy: &policy, schedules: &peak }, &slow, 10);
        assert!(alone.dry >= 1 && alone.waited > 100, "{alone:?}");
        assert_eq!((prepared.dry, prepared.waited), (0, 0), "{prepared:?}");
    }

    #[test]
    fn what_a_peak_left_behind_is_used_up_before_anything_is_created() {
        let mut claims = vec![10; 24 * 3];
        claims[5] = 400;
        let current = Policy { rate: SizingRate::Current, ..policy(1.0) };
        let result = simulate(&history(&claims, 0..0), &Plan::Policy { policy: &current, schedules: &[] }, &FAST, 10);
        assert_eq!(result.largest_target, 400);
        // Up to 400, then ten an hour less until the target of ten is reached again after two days.
        assert!((110.0..140.0).contains(&result.kept), "{result:?}");
    }

    #[test]
    fn thirty_days_take_less_than_the_blink_of_an_eye() {
        let claims: Vec<i32> = (0..30 * 24).map(|hour| 50 + (hour * 7) % 90).collect();
        let past = history(&claims, 0..0);
        let started = std::time::Instant::now();
        let result = simulate(&past, &Plan::Policy { policy: &policy(4.0), schedules: &[] }, &FAST, 10);
        assert_eq!(past.hours(), 720);
        assert!(result.claims > 0);
        assert!(started.elapsed().as_millis() < 2_000, "unoptimised, on a busy machine: {:?}", started.elapsed());
    }

    proptest! {
        #[test]
        fn the_same_past_ends_the_same_and_adds_up(claims in prop::collection::vec(0_i32..300, 1..60), target in 0_i32..200, latency in 1.0..900.0_f64, per_minute in 0.1..40.0_f64) {
            let (past, refill) = (history(&claims, 100..400), RefillModel { latency_seconds: latency, per_minute });
            let run = || simulate(&past, &Plan::Target(target), &refill, 20);
            let result = run();
            prop_assert_eq!(result, run());
            prop_assert_eq!(result.claims, claims.iter().map(|claims| *claims as u64).sum::<u64>());
            prop_assert!(result.waited <= result.claims && result.lowest >= 0 && result.lowest <= i64::from(target));
            prop_assert!(result.kept >= result.lowest as f64 && result.kept <= f64::from(target) + 1e-9);
            prop_assert_eq!(result.dry == 0, result.waited == 0);
            prop_assert!(u64::from(result.dry) <= result.waited);
        }

        #[test]
        fn a_larger_target_never_makes_more_claims_wait(claims in prop::collection::vec(0_i32..300, 1..60), target in 0_i32..200, more in 0_i32..100, per_minute in 0.1..40.0_f64) {
            let (past, refill) = (history(&claims, 60..300), RefillModel { latency_seconds: 90.0, per_minute });
            let (small, large) = (simulate(&past, &Plan::Target(target), &refill, 0), simulate(&past, &Plan::Target(target + more), &refill, 0));
            prop_assert!(large.waited <= small.waited && large.lowest >= small.lowest, "{:?} {:?}", small, large);
        }
    }
}
