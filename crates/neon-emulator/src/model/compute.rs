//! The compute of a project: init, active, idle, and the ways between them.
//!
//! A row holds the state as last written, together with the moments at which it changes by itself. `settle` brings
//! a row to the present; everything else works on a settled row. So no timer is kept for any project, and a restart
//! of the emulator loses nothing.

use super::project::VIRGIN_WRITTEN;
use super::{Action, ComputeState, Operation, Project, Refusal, Timing};
use crate::clock::Instant;

/// What changes by itself.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// An operation ends, and with it a transition.
    Turn,
    /// The suspend timeout.
    Timeout,
    /// The quota has to be looked at.
    Quota,
}

impl Project {
    /// Brings the row to the present. Returns the suspension that the timeout caused meanwhile, if any.
    pub fn settle(&mut self, now: Instant, timing: &Timing) -> Option<Operation> {
        let mut suspension = self.rest_with_root(now, timing);
        while let Some((at, due)) = self.next_due(now) {
            suspension = self.fall_due(due, at, timing).or(suspension);
            self.plan_quota(at, timing);
        }
        self.roll_period(now);
        self.follow_model(now);
        suspension
    }

    /// What falls due first by this moment.
    fn next_due(&self, now: Instant) -> Option<(Instant, Due)> {
        let turn = self.compute_pending.and(self.compute_pending_due).map(|at| (at, Due::Turn));
        let timeout = self.compute_idle_due.filter(|_| self.compute_state == ComputeState::Active);
        let all = [
            turn,
            timeout.map(|at| (at, Due::Timeout)),
            self.quota_due.filter(|_| self.is_root_branch()).map(|at| (at, Due::Quota)),
        ];
        all.into_iter().flatten().filter(|(at, _)| *at <= now).min_by_key(|(at, _)| *at)
    }

    fn fall_due(&mut self, due: Due, at: Instant, timing: &Timing) -> Option<Operation> {
        match due {
            Due::Turn => {
                let state = self.compute_pending?;
                self.enter(state, at, timing);
                None
            }
            Due::Timeout => {
                self.enter(ComputeState::Idle, at, timing);
                Some(self.suspended_from_within(at, timing))
            }
            Due::Quota => self.enforce_quota(at, timing),
        }
    }

    pub(super) fn enter(&mut self, state: ComputeState, at: Instant, timing: &Timing) {
        if self.compute_state == ComputeState::Active {
            self.charge_run(at);
        }
        if self.compute_state == ComputeState::Init {
            self.count_written(VIRGIN_WRITTEN, at);
        }
        self.compute_state = state;
        self.compute_pending = None;
        self.compute_pending_due = None;
        self.compute_idle_due = None;
        if state == ComputeState::Active {
            self.compute_started_at = Some(at);
            self.charged_until = Some(at);
            self.touch(at, timing);
        } else {
            self.compute_suspended_at = Some(at);
            self.end_real_use(at);
        }
    }

    /// Activity at this moment: the suspend timeout begins anew, unless connections hold the compute.
    fn touch(&mut self, at: Instant, timing: &Timing) {
        self.compute_last_active = self.compute_last_active.max(Some(at));
        let timeout = timing.idle_timeout(self.endpoint_suspend_seconds);
        let sleeps_by_itself = !self.compute_held && !self.compute_modeled;
        self.compute_idle_due = timeout.filter(|_| sleeps_by_itself).map(|timeout| at + timeout);
    }

    fn turn(&mut self, to: ComputeState, due: Option<Instant>) {
        self.take_over_from_model();
        self.compute_pending = due.map(|_| to);
        self.compute_pending_due = due;
        self.compute_idle_due = None;
    }

    /// The operations of a new project: the timeline first, then the compute.
    pub fn create(&mut self, now: Instant, timing: &Timing) -> Vec<Operation> {
        let operations = self.schedule(now, timing, &[Action::CreateTimeline, Action::FirstStart]);
        self.turn(ComputeState::Active, self.busy_until);
        operations
    }

    /// Starts an idle compute; one that runs already needs nothing.
    pub fn start(&mut self, now: Instant, timing: &Timing) -> Result<Vec<Operation>, Refusal> {
        self.activate(now, timing, Action::StartCompute)
    }

    /// Starts an idle compute because somebody connects.
    pub fn wake(&mut self, now: Instant, timing: &Timing) -> Result<Vec<Operation>, Refusal> {
        self.activate(now, timing, Action::Wake)
    }

    fn activate(&mut self, now: Instant, timing: &Timing, action: Action) -> Result<Vec<Operation>, Refusal> {
        self.must_be_unlocked(now)?;
        self.must_be_startable(now)?;
        if self.compute_state == ComputeState::Active {
            return Ok(Vec::new());
        }
        let operations = self.schedule(now, timing, &[action]);
        self.turn(ComputeState::Active, self.busy_until);
        Ok(operations)
    }

    pub fn suspend(&mut self, now: Instant, timing: &Timing) -> Result<Vec<Operation>, Refusal> {
        if self.is_busy(now) {
            let turning = self.compute_pending.is_some();
            return Err(if turning { Refusal::Transitive } else { Refusal::OperationsRunning });
        }
        if self.compute_state != ComputeState::Active {
            return Ok(Vec::new());
        }
        self.release_connections(now, timing);
        let operations = self.schedule(now, timing, &[Action::SuspendCompute]);
        self.turn(ComputeState::Idle, self.busy_until);
        Ok(operations)
    }

    pub fn restart(&mut self, now: Instant, timing: &Timing) -> Result<Vec<Operation>, Refusal> {
        if self.compute_state != ComputeState::Active {
            return self.start(now, timing);
        }
        self.must_be_unlocked(now)?;
        self.must_be_startable(now)?;
        self.release_connections(now, timing);
        self.enter(ComputeState::Idle, now, timing);
        let operations = self.schedule(now, timing, &[Action::SuspendCompute, Action::StartCompute]);
        self.turn(ComputeState::Active, self.busy_until);
        Ok(operations)
    }

    /// No start and no connection from now on; a compute that runs is stopped.
    pub fn disable(&mut self, now: Instant, timing: &Timing) -> Result<Vec<Operation>, Refusal> {
        let operations = self.suspend(now, timing)?;
        self.endpoint_disabled = true;
        Ok(operations)
    }

    /// Starts and connections are allowed again.
    pub fn enable(&mut self, now: Instant) {
        self.endpoint_disabled = false;
        self.resume_model(now);
    }

    /// Another size for the compute. A run that goes on is charged so far at the old size.
    pub fn resize_compute(&mut self, min_cu: f64, max_cu: f64, now: Instant) {
        if self.compute_state == ComputeState::Active && min_cu != self.endpoint_min_cu {
            self.charge_run(now);
        }
        self.endpoint_min_cu = min_cu;
        self.endpoint_max_cu = max_cu;
    }

    /// Makes changed settings of the endpoint effective. Neon wakes an idle compute for that and suspends it again.
    pub fn apply_endpoint_settings(&mut self, now: Instant, timing: &Timing) -> Vec<Operation> {
        if self.compute_state == ComputeState::Active {
            self.touch(now, timing);
            return self.schedule(now, timing, &[Action::ApplyConfig]);
        }
        self.schedule(now, timing, &[Action::StartCompute, Action::ApplyConfig, Action::SuspendCompute])
    }

    /// Neon's own check that an idle compute can start: it is started, looked at and suspended again, and counts as active at that time. A disabled
    /// endpoint is enabled by it. One that runs, is locked, is stopped for its quota or follows a
    /// pattern of use is left alone.
    pub fn check_availability(&mut self, now: Instant, timing: &Timing) -> Vec<Operation> {
        let is_idle =
            self.compute_state == ComputeState::Idle && self.compute_pending.is_none() && !self.compute_modeled;
        if !is_idle || self.is_busy(now) || self.blocked_by(now).is_some() {
            return Vec::new();
        }
        self.endpoint_disabled = false;
        self.compute_last_active = self.compute_last_active.max(Some(now));
        self.schedule(now, timing, &[Action::Wake, Action::CheckAvailability, Action::SuspendCompute])
    }

    /// Makes changed settings of the storage effective.
    pub fn apply_storage_settings(&mut self, now: Instant, timing: &Timing) -> Vec<Operation> {
        self.schedule(now, timing, &[Action::ApplyStorageConfig])
    }

    /// Deleted: recoverable for a while, without a compute.
    pub fn delete(&mut self, now: Instant, timing: &Timing) -> Result<(), Refusal> {
        self.must_be_unlocked(now)?;
        self.release_connections(now, timing);
        if self.compute_state != ComputeState::Idle {
            self.enter(ComputeState::Idle, now, timing);
        }
        self.deleted_at = Some(now);
        self.updated_at = now;
        Ok(())
    }

    pub fn recover(&mut self, now: Instant) {
        self.deleted_at = None;
        self.resume_model(now);
        self.updated_at = now;
    }

    /// A connection may begin: the compute runs, and no change is outstanding that ends the connections before it.
    pub fn takes_connections(&self, now: Instant) -> bool {
        self.compute_state == ComputeState::Active && self.compute_pending.is_none() && !self.is_cut_due(now)
    }

    /// Connections are open: the suspend timeout stands still.
    pub fn hold_for_connections(&mut self) {
        self.take_over_from_model();
        self.compute_held = true;
        self.compute_idle_due = None;
    }

    /// The last connection has ended: the suspend timeout runs.
    pub fn release_connections(&mut self, now: Instant, timing: &Timing) {
        if !self.compute_held {
            return;
        }
        self.compute_held = false;
        if self.compute_state == ComputeState::Active && self.compute_pending.is_none() {
            self.touch(now, timing);
        }
    }

    /// When the compute was last in use; it is in use as long as connections are open.
    pub fn last_active(&self, now: Instant) -> Option<Instant> {
        let in_use = self.compute_held && self.compute_state == ComputeState::Active;
        if in_use { Some(now) } else { self.compute_last_active }
    }

    /// The first operation of a new project makes its branch; until then the branch is not there.
    pub fn branch_is_ready(&self) -> bool {
        self.compute_state != ComputeState::Init
    }

    /// Neither disabled nor suspended for its quota.
    pub fn must_be_startable(&self, now: Instant) -> Result<(), Refusal> {
        match self.blocked_by(now) {
            _ if self.endpoint_disabled => Err(Refusal::Disabled),
            Some(kind) => Err(Refusal::QuotaExceeded(kind)),
            None => Ok(()),
        }
    }
}
