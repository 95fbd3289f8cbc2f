//! Branches and their endpoints. A `Project` is a project seen from one of its branches, so a further branch is a
//! project to all rules of the compute: only what it is made of differs, and what is shared is written back to all.

use serde_json::Value;

use super::{Action, ComputeState, Operation, Project, Refusal, Timing};
use crate::clock::Instant;
use crate::names;

/// What a new endpoint is asked to be; what is absent comes from the project's defaults.
#[derive(Debug, Clone, Default)]
pub struct NewEndpoint {
    pub name: Option<String>,
    pub min_cu: Option<f64>,
    pub max_cu: Option<f64>,
    pub suspend_seconds: Option<i64>,
    pub settings: Option<Value>,
    pub disabled: bool,
}

impl Project {
    pub fn is_root_branch(&self) -> bool {
        self.parent_id.is_none()
    }

    pub fn is_default_branch(&self) -> bool {
        self.default_branch_id.as_ref().map_or(self.is_root_branch(), |id| *id == self.branch_id)
    }

    /// The branch can be read and branched from.
    pub fn branch_is_ready_at(&self, now: Instant) -> bool {
        self.branch_ready_at.map_or_else(|| self.branch_is_ready(), |at| at <= now)
    }

    /// A new branch of this one, without endpoint. Nothing is scheduled yet.
    pub fn new_branch(&self, name: Option<String>, protected: bool, now: Instant) -> Self {
        let branch_id = names::branch_id();
        Self {
            parent_id: Some(self.branch_id.clone()),
            branch_name: name.unwrap_or_else(|| branch_id.clone()),
            branch_id,
            branch_protected: protected,
            created_at: now,
            updated_at: now,
            has_endpoint: false,
            endpoint_id: names::endpoint_id(),
            endpoint_created_at: None,
            endpoint_name: None,
            endpoint_disabled: false,
            endpoint_updated_at: now,
            compute_state: ComputeState::Idle,
            compute_pending: None,
            compute_pending_due: None,
            compute_started_at: None,
            compute_suspended_at: None,
            compute_last_active: None,
            compute_idle_due: None,
            compute_held: false,
            charged_until: None,
            compute_modeled: false,
            writes_refused: false,
            objects_apart: true,
            apply_due: None,
            apply_cuts: false,
            materialized_at: None,
            ..self.clone()
        }
    }

    /// The operations that make a new branch and start its endpoint, if it has one.
    pub fn create_branch(&mut self, endpoint: Option<NewEndpoint>, now: Instant, timing: &Timing) -> Vec<Operation> {
        let ready_at = now + timing.duration(Action::CreateBranch);
        let starts = endpoint.is_some_and(|endpoint| self.take_endpoint(endpoint, now));
        let steps: &[Action] =
            if starts { &[Action::CreateBranch, Action::StartCompute] } else { &[Action::CreateBranch] };
        let operations = self.schedule(now, timing, steps);
        self.branch_ready_at = Some(ready_at);
        self.start_new_compute(starts);
        operations
    }

    /// A new endpoint for a branch that has none.
    pub fn create_endpoint(
        &mut self,
        endpoint: NewEndpoint,
        now: Instant,
        timing: &Timing,
    ) -> Result<Vec<Operation>, Refusal> {
        self.must_be_unlocked(now)?;
        if self.has_endpoint {
            return Err(Refusal::Exists("read_write endpoint already exists".into()));
        }
        self.endpoint_id = names::endpoint_id();
        let starts = self.take_endpoint(endpoint, now);
        let steps: &[Action] = if starts { &[Action::StartCompute] } else { &[] };
        let operations = self.schedule(now, timing, steps);
        self.start_new_compute(starts);
        Ok(operations)
    }

    /// Returns whether it starts at once.
    fn take_endpoint(&mut self, endpoint: NewEndpoint, now: Instant) -> bool {
        self.endpoint_takes_defaults();
        self.has_endpoint = true;
        self.endpoint_created_at = Some(now);
        self.endpoint_updated_at = now;
        self.endpoint_name = endpoint.name;
        self.endpoint_min_cu = endpoint.min_cu.unwrap_or(self.endpoint_min_cu);
        self.endpoint_max_cu = endpoint.max_cu.unwrap_or(self.endpoint_max_cu.max(self.endpoint_min_cu));
        self.endpoint_suspend_seconds = endpoint.suspend_seconds.unwrap_or(self.endpoint_suspend_seconds);
        self.endpoint_settings = endpoint.settings.or(self.endpoint_settings.take());
        self.endpoint_disabled = endpoint.disabled;
        self.compute_state = ComputeState::Idle;
        self.compute_started_at = None;
        self.compute_suspended_at = None;
        self.compute_last_active = None;
        !endpoint.disabled
    }

    fn start_new_compute(&mut self, starts: bool) {
        self.compute_pending = starts.then_some(ComputeState::Active);
        self.compute_pending_due = self.busy_until.filter(|_| starts);
        self.compute_idle_due = None;
    }

    /// The state of the endpoint as Neon names it: one that has never run is `init` until it runs.
    pub fn endpoint_state(&self) -> &'static str {
        let never_ran = self.endpoint_created_at.is_some() && self.compute_started_at.is_none();
        if never_ran && self.compute_pending.is_some() { ComputeState::Init.name() } else { self.compute_state.name() }
    }

    /// No endpoint any more; its id stays known until there is another one.
    pub fn delete_endpoint(&mut self, now: Instant, timing: &Timing) -> Result<Vec<Operation>, Refusal> {
        self.must_be_unlocked(now)?;
        if self.branch_protected {
            return Err(Refusal::Protected("cannot delete the endpoint of a protected branch"));
        }
        let operations = self.suspend(now, timing)?;
        self.has_endpoint = false;
        self.endpoint_updated_at = now;
        Ok(operations)
    }

    /// Deletes the branch that the project is seen from; it stays recoverable.
    pub fn delete_branch(&mut self, now: Instant, timing: &Timing) -> Result<Vec<Operation>, Refusal> {
        let refusal = match () {
            () if self.is_root_branch() => "cannot delete the root branch",
            () if self.is_default_branch() => "cannot delete the default branch",
            () if self.branch_protected => return Err(Refusal::Protected("cannot delete a protected branch")),
            () => {
                let ran = self.compute_state == ComputeState::Active;
                self.delete(now, timing)?;
                let steps: &[Action] =
                    if ran { &[Action::SuspendCompute, Action::DeleteTimeline] } else { &[Action::DeleteTimeline] };
                return Ok(self.schedule(now, timing, steps));
            }
        };
        Err(Refusal::Unprocessable(refusal.into()))
    }

    /// Roles or databases change: the compute takes them over when the operations end. Without an endpoint there is
    /// nothing to wait for.
    pub fn apply_objects(&mut self, cuts: bool, now: Instant, timing: &Timing) -> Result<Vec<Operation>, Refusal> {
        self.must_be_unlocked(now)?;
        let operations = if self.has_endpoint { self.apply_endpoint_settings(now, timing) } else { Vec::new() };
        self.objects_apart = true;
        self.apply_due = Some(self.busy_until.unwrap_or(now).max(now));
        self.apply_cuts |= cuts;
        Ok(operations)
    }

    /// A change of roles or databases has taken effect.
    pub fn is_apply_due(&self, now: Instant) -> bool {
        self.apply_due.is_some_and(|due| due <= now)
    }

    /// It has, and the connections from before it have still to be ended.
    pub fn is_cut_due(&self, now: Instant) -> bool {
        self.apply_cuts && self.is_apply_due(now)
    }
}
