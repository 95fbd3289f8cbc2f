//! How a project changes with time.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::{ComputeState, Project, Refusal, Timing};
use crate::clock::Instant;

const TIMING: Timing = Timing { operation_scale: 1.0, suspend_scale: 1.0, quota_lag: TimeDelta::zero() };

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// Created at this time, and brought to the present five seconds later: active.
fn ready(created_at: Instant) -> Project {
    let mut project = Project::virgin("org", "aws-us-east-1".into(), created_at);
    project.create(created_at, &TIMING);
    project.settle(created_at + TimeDelta::seconds(5), &TIMING);
    project
}

#[test]
fn a_creation_takes_as_long_as_on_neon() {
    let start = at("2026-03-10T12:00:00Z");
    let mut project = Project::virgin("org", "aws-us-east-1".into(), start);
    let operations = project.create(start, &TIMING);
    assert_eq!(operations[0].due_at, start + TimeDelta::milliseconds(3_100));
    assert_eq!(operations[1].due_at, start + TimeDelta::milliseconds(4_800));
    project.settle(start + TimeDelta::milliseconds(4_799), &TIMING);
    assert_eq!(project.compute_state, ComputeState::Init);
    project.settle(start + TimeDelta::milliseconds(4_800), &TIMING);
    assert_eq!(project.compute_state, ComputeState::Active);
    assert!(!project.is_busy(start + TimeDelta::milliseconds(4_800)));
}

#[test]
fn a_row_that_was_not_looked_at_for_days_is_brought_to_the_present_at_once() {
    let start = at("2026-03-10T12:00:00Z");
    let mut project = Project::virgin("org", "aws-us-east-1".into(), start);
    project.create(start, &TIMING);
    let suspension = project.settle(start + TimeDelta::days(3), &TIMING).unwrap();
    let idle_since = start + TimeDelta::milliseconds(304_800);
    assert_eq!((project.compute_state, project.compute_suspended_at), (ComputeState::Idle, Some(idle_since)));
    assert_eq!(suspension.starts_at, idle_since);
    assert_eq!(project.active_seconds(start + TimeDelta::days(3)), 300);
    assert!(project.settle(start + TimeDelta::days(4), &TIMING).is_none(), "only once");
}

#[test]
fn only_the_seconds_of_the_present_month_are_counted() {
    let mut project = ready(at("2026-03-31T23:00:00Z"));
    project.hold_for_connections();
    let now = at("2026-04-01T00:01:40Z");
    project.settle(now, &TIMING);
    assert_eq!((project.active_seconds(now), project.compute_seconds(now)), (100, 25));
    assert_eq!(project.used_written_bytes, 0);
}

#[test]
fn a_suspension_in_the_month_before_leaves_nothing_to_count() {
    let mut project = ready(at("2026-03-31T23:50:00Z"));
    let now = at("2026-04-01T06:00:00Z");
    assert!(project.settle(now, &TIMING).is_some());
    assert_eq!((project.active_seconds(now), project.used_written_bytes), (0, 0));
}

#[test]
fn growth_is_written_data_and_shrinking_is_not() {
    let mut project = ready(at("2026-03-10T12:00:00Z"));
    let (written, size) = (project.used_written_bytes, project.logical_size);
    project.empty_size = 7_000_000;
    project.measured(8_000_000, at("2026-03-10T12:01:00Z"));
    project.measured(7_500_000, at("2026-03-10T12:02:00Z"));
    assert_eq!(project.used_written_bytes, written + 1_000_000);
    assert_eq!(project.logical_size, size + 500_000);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(i64),
    Start,
    Wake,
    Suspend,
    Restart,
    Disable,
    Hold,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..400_000_i64).prop_map(Step::Pass),
        Just(Step::Start),
        Just(Step::Wake),
        Just(Step::Suspend),
        Just(Step::Restart),
        Just(Step::Disable),
        Just(Step::Hold),
        Just(Step::Release),
    ]
}

fn take(project: &mut Project, step: Step, now: Instant) -> Result<(), Refusal> {
    match step {
        Step::Pass(_) => Ok(()),
        Step::Start => project.start(now, &TIMING).map(drop),
        Step::Wake => project.wake(now, &TIMING).map(drop),
        Step::Suspend => project.suspend(now, &TIMING).map(drop),
        Step::Restart => project.restart(now, &TIMING).map(drop),
        Step::Disable => project.disable(now, &TIMING).map(drop),
        Step::Hold => {
            project.hold_for_connections();
            Ok(())
        }
        Step::Release => {
            project.release_connections(now, &TIMING);
            Ok(())
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_project_stays_in_order(steps in proptest::collection::vec(step(), 1..60)) {
        let start = at("2026-03-10T12:00:00Z");
        let (mut project, mut now) = (ready(start), start + TimeDelta::seconds(5));
        for step in steps {
            if let Step::Pass(milliseconds) = step {
                now += TimeDelta::milliseconds(milliseconds);
            }
            project.settle(now, &TIMING);
            let was_busy = project.is_busy(now);
            let taken = take(&mut project, step, now);
            prop_assert!(!(was_busy && matches!(step, Step::Restart | Step::Wake) && taken.is_ok()), "the lock holds");
            prop_assert_eq!(project.compute_pending.is_some(), project.compute_pending_due.is_some());
            if project.compute_pending.is_some() {
                prop_assert!(project.is_busy(now), "what turns is locked");
                prop_assert!(project.compute_idle_due.is_none(), "what turns has no timeout");
            }
            let sleeps_by_itself = project.compute_idle_due.is_some();
            let is_awake = project.compute_state == ComputeState::Active && project.compute_pending.is_none();
            prop_assert_eq!(sleeps_by_itself, is_awake && !project.compute_held);
            let elapsed = (now - start).num_seconds();
            prop_assert!(project.active_seconds(now) <= elapsed + 1, "no more seconds than have passed");
        }
    }
}
