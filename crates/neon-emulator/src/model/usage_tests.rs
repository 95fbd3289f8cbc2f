//! Use of seeded projects: the model itself, the row that follows it, quotas.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::{Activity, ComputeState, History, Pattern, Project, Quota, QuotaKind, Refusal, Silence, Timing};
use crate::clock::{self, Instant};

const TIMING: Timing = Timing { operation_scale: 0.0, suspend_scale: 1.0, quota_lag: TimeDelta::minutes(15) };

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

const PATTERNS: [Pattern; 4] = [Pattern::Asleep, Pattern::Diurnal, Pattern::Heavy, Pattern::Polled];

fn pattern() -> impl Strategy<Value = Pattern> {
    proptest::sample::select(PATTERNS.to_vec())
}

fn seeded(pattern: Pattern, seed: u64, quota: Option<Quota>) -> Project {
    let born = at("2026-03-02T10:30:00Z");
    let mut project = Project::virgin("org", "aws-us-east-1".into(), born);
    project.usage_pattern = Some(pattern);
    project.usage_seed = seed as i64;
    project.compute_state = ComputeState::Idle;
    project.compute_modeled = true;
    project.quota = quota;
    project.plan_quota(born, &TIMING);
    project
}

/// The project at a moment, the row staying as it is.
fn seen(project: &Project, now: Instant) -> Project {
    let mut seen = project.clone();
    seen.settle(now, &TIMING);
    seen
}

#[test]
fn patterns_differ_as_their_names_say() {
    let (from, to) = (at("2026-04-01T00:00:00Z"), at("2026-05-01T00:00:00Z"));
    let share = |pattern| {
        let sum: f64 = (0..50)
            .map(|seed| Activity { pattern, seed, born: at("2026-01-01T00:00:00Z") }.between(from, to).active_seconds())
            .sum();
        sum / 50.0 / (to - from).as_seconds_f64()
    };
    assert!(share(Pattern::Asleep) < 0.001);
    assert!((0.05..0.25).contains(&share(Pattern::Diurnal)));
    assert!((0.7..0.95).contains(&share(Pattern::Heavy)));
    assert_eq!(share(Pattern::Polled), 1.0);
}

#[test]
fn a_suspended_poller_is_asked_again_within_minutes() {
    let project = seeded(Pattern::Polled, 9, None);
    let now = at("2026-03-10T12:00:00Z");
    let mut project = seen(&project, now);
    assert_eq!(project.compute_state, ComputeState::Active);
    project.suspend(now, &TIMING).unwrap();
    let later = now + TimeDelta::seconds(1);
    assert_eq!(seen(&project, later).compute_state, ComputeState::Idle);
    assert_eq!(seen(&project, now + TimeDelta::minutes(5)).compute_state, ComputeState::Active);
}

#[test]
fn an_excess_suspends_after_the_lag_until_the_period_ends() {
    let quota = Quota { active_time_seconds: Some(36_000), ..Quota::default() };
    let project = seeded(Pattern::Polled, 3, Some(quota));
    let reached = project.created_at + TimeDelta::hours(10);
    let within_lag = seen(&project, reached + TimeDelta::minutes(14));
    assert_eq!((within_lag.compute_state, within_lag.blocked_by(reached)), (ComputeState::Active, None));

    let later = at("2026-03-20T00:00:00Z");
    let mut blocked = seen(&project, later);
    assert_eq!((blocked.compute_state, blocked.blocked_by(later)), (ComputeState::Idle, Some(QuotaKind::ActiveTime)));
    assert!((36_900..36_910).contains(&blocked.active_seconds(later)), "{}", blocked.active_seconds(later));
    assert!(matches!(blocked.start(later, &TIMING), Err(Refusal::QuotaExceeded(QuotaKind::ActiveTime))));

    let april = at("2026-04-01T00:10:00Z");
    let back = seen(&blocked, april);
    assert_eq!((back.compute_state, back.active_seconds(april)), (ComputeState::Active, 600));
    assert!(seen(&project, at("2026-04-20T00:00:00Z")).blocked_by(at("2026-04-20T00:00:00Z")).is_some(), "and again");
}

#[test]
fn a_raised_quota_lifts_the_suspension_at_once() {
    let quota = Quota { compute_time_seconds: Some(9_000), ..Quota::default() };
    let now = at("2026-03-20T00:00:00Z");
    let mut project = seen(&seeded(Pattern::Polled, 3, Some(quota)), now);
    assert_eq!(project.blocked_by(now), Some(QuotaKind::ComputeTime));
    project.quota = Some(Quota { compute_time_seconds: Some(0), ..Quota::default() });
    project.plan_quota(now, &TIMING);
    project.must_be_startable(now).unwrap();
    let hour_later = now + TimeDelta::hours(1);
    let used = project.active_seconds(now);
    assert_eq!(seen(&project, hour_later).active_seconds(hour_later), used + 3_600);
}

#[test]
fn real_use_takes_the_place_of_the_model() {
    let now = at("2026-03-10T12:00:00Z");
    let mut project = seen(&seeded(Pattern::Polled, 3, None), now);
    let before = project.active_seconds(now);
    project.hold_for_connections();
    let later = now + TimeDelta::hours(3);
    project.settle(later, &TIMING);
    assert_eq!(project.active_seconds(later), before + 3 * 3_600, "counted once");
    project.release_connections(later, &TIMING);
    let evening = now + TimeDelta::hours(8);
    project.settle(evening, &TIMING);
    let gap = before + 8 * 3_600 - project.active_seconds(evening);
    assert!((0..=240).contains(&gap), "asleep for at most one poll: {gap}");
}

#[test]
fn far_below_its_quota_a_project_is_never_looked_at() {
    let quota = Quota { active_time_seconds: Some(360_000), written_data_bytes: Some(5 << 30), ..Quota::default() };
    assert_eq!(seeded(Pattern::Asleep, 3, Some(quota)).quota_due, None);
    assert!(seeded(Pattern::Polled, 3, Some(quota)).quota_due.is_some());
}

proptest! {
    #[test]
    fn parts_add_up(pattern in pattern(), seed: u64, cuts in proptest::collection::vec(0..5_000_000_i64, 2..20)) {
        let born = at("2026-01-07T08:09:10.123456Z");
        let activity = Activity { pattern, seed, born };
        let mut cuts: Vec<Instant> = cuts.into_iter().map(|s| born + TimeDelta::seconds(s - 1_000)).collect();
        cuts.sort();
        let mut sum = super::activity::Amounts::default();
        for pair in cuts.windows(2) {
            sum += activity.between(pair[0], pair[1]);
        }
        prop_assert_eq!(sum, activity.between(cuts[0], cuts[cuts.len() - 1]));
    }

    #[test]
    fn sessions_are_in_order_and_apart(pattern in pattern(), seed: u64) {
        let born = at("2026-01-07T08:09:10Z");
        let activity = Activity { pattern, seed, born };
        let sessions: Vec<_> = activity.sessions(born - TimeDelta::days(1)).take(40).collect();
        prop_assert_eq!(sessions[0].start, born);
        for pair in sessions.windows(2) {
            prop_assert!(pair[0].start < pair[0].end && pair[0].end <= pair[1].start);
            prop_assert_eq!(activity.session_at(pair[1].start), Some(pair[1]));
            prop_assert_eq!(activity.last_before(pair[1].start), Some(pair[0]));
        }
    }

    #[test]
    fn no_period_brings_more_than_the_most(pattern in pattern(), seed: u64, month in 0..24_u32) {
        let born = at("2025-01-07T08:09:10Z");
        let activity = Activity { pattern, seed, born };
        let start = clock::period_start(born) + chrono::Months::new(month);
        let (used, most) = (activity.between(start, clock::period_end(start)), activity.most_in_a_period());
        prop_assert!(used.active_microseconds <= most.active_microseconds);
        prop_assert!(used.written_bytes <= most.written_bytes && used.transfer_bytes <= most.transfer_bytes);
    }

    /// Whether the row is written in between, and how often, changes nothing; and the history says the same.
    #[test]
    fn the_row_may_be_written_at_any_time(
        pattern in pattern(), seed: u64, limit in 1_000..400_000_i64,
        steps in proptest::collection::vec(1..400_000_i64, 1..12)
    ) {
        let quota = Quota { active_time_seconds: Some(limit), ..Quota::default() };
        let untouched = seeded(pattern, seed, Some(quota));
        let (mut written, mut now) = (untouched.clone(), untouched.created_at);
        for step in steps {
            now += TimeDelta::seconds(step);
            written.settle(now, &TIMING);
        }
        let seen = seen(&untouched, now);
        prop_assert_eq!(written.compute_state, seen.compute_state);
        prop_assert_eq!(written.blocked_by(now), seen.blocked_by(now));
        prop_assert_eq!(written.compute_last_active, seen.compute_last_active);
        prop_assert_eq!(written.active_seconds(now), seen.active_seconds(now));
        prop_assert_eq!(written.used_written_bytes, seen.used_written_bytes);
        prop_assert_eq!(written.logical_size, seen.logical_size);

        let silences: Vec<Silence> = written.journal.silences.clone();
        let history = History { project: &written, hours: &[], silences: &silences, spans: Vec::new(), as_of: now };
        let since = clock::period_start(now).max(written.created_at);
        let used = history.between(since, now);
        prop_assert_eq!(used.written_bytes, written.used_written_bytes);
        prop_assert!((used.active_seconds - written.active_seconds(now) as f64).abs() < 1.5);
    }
}
