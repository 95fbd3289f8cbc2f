//! Operations of a project. They run one after another and need no worker: the status follows from the times.

use chrono::{SubsecRound, TimeDelta};
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use super::{Action, Project, Refusal, Timing};
use crate::clock::Instant;

#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Operation {
    pub id: Uuid,
    pub project_id: String,
    pub branch_id: Option<String>,
    pub endpoint_id: Option<String>,
    pub action: String,
    pub created_at: Instant,
    pub starts_at: Instant,
    pub due_at: Instant,
}

impl Operation {
    fn new(project: &Project, action: Action, created_at: Instant, starts_at: Instant, due_at: Instant) -> Self {
        Self {
            id: Uuid::new_v4(),
            project_id: project.id.clone(),
            branch_id: Some(project.branch_id.clone()),
            endpoint_id: action.concerns_endpoint().then(|| project.endpoint_id.clone()),
            action: action.name().into(),
            created_at,
            starts_at,
            due_at,
        }
    }

    pub fn status(&self, now: Instant) -> &'static str {
        if self.due_at <= now {
            "finished"
        } else if self.starts_at <= now {
            "running"
        } else {
            "scheduling"
        }
    }

    /// When the status last changed.
    pub fn updated_at(&self, now: Instant) -> Instant {
        match self.status(now) {
            "finished" => self.due_at,
            "running" => self.starts_at,
            _ => self.created_at,
        }
    }

    /// Wall-clock milliseconds of a finished operation, 0 before.
    pub fn total_duration_ms(&self, now: Instant) -> i64 {
        if self.due_at <= now { (self.due_at - self.starts_at).num_milliseconds() } else { 0 }
    }
}

impl Project {
    pub fn is_busy(&self, now: Instant) -> bool {
        self.busy_until.is_some_and(|until| now < until)
    }

    /// Neon refuses what conflicts while operations of the project run.
    pub fn must_be_unlocked(&self, now: Instant) -> Result<(), Refusal> {
        if self.is_busy(now) { Err(Refusal::OperationsRunning) } else { Ok(()) }
    }

    /// Puts steps one after another from now on, and locks the project until the last has ended.
    pub(super) fn schedule(&mut self, now: Instant, timing: &Timing, steps: &[Action]) -> Vec<Operation> {
        let mut starts_at = now;
        let mut operations = Vec::with_capacity(steps.len());
        for (&action, place) in steps.iter().zip(0..) {
            let due_at = starts_at + timing.duration(action);
            // The list of operations is paged by this time, so no two of a project may share it.
            let created_at = now + TimeDelta::microseconds(place);
            operations.push(Operation::new(self, action, created_at, starts_at, due_at));
            starts_at = due_at;
        }
        self.busy_until = Some(starts_at);
        operations
    }

    /// The record of a suspension that Neon decided on: it locks nothing, as it lies in the past.
    pub(super) fn suspended_from_within(&self, at: Instant, timing: &Timing) -> Operation {
        let at = at.trunc_subsecs(6);
        Operation::new(self, Action::SuspendCompute, at, at, at + timing.duration(Action::SuspendCompute))
    }
}
