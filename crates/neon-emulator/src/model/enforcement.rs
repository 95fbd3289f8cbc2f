//! Quotas of time, written data and transfer: exceeded, they suspend the compute and refuse every start, until they are
//! raised or the billing period ends.
//!
//! A row carries the moment at which its quota has to be looked at, worked out whenever the row changes: when it will
//! have been exceeded for the lag, in this period or one of the next, as far as the model tells. So projects below their
//! quotas are hardly ever looked at, however many they are.

use chrono::TimeDelta;

use super::{Activity, ComputeState, Operation, Project, QuotaKind, Timing, Used};
use crate::clock::{self, Instant};

/// How many billing periods of the model are looked through for an excess.
const PERIODS_AHEAD: usize = 3;

impl Project {
    /// The first quota that has been reached.
    pub fn exceeded_quota(&self, now: Instant) -> Option<QuotaKind> {
        let quota = self.quota?;
        quota.limits().find(|(kind, limit)| self.used(*kind, now) >= *limit as f64).map(|(kind, _)| kind)
    }

    /// The quota for which the compute is suspended.
    pub fn blocked_by(&self, now: Instant) -> Option<QuotaKind> {
        self.quota_blocked_at.and_then(|_| self.exceeded_quota(now))
    }

    /// Seconds or bytes of the current period.
    fn used(&self, kind: QuotaKind, now: Instant) -> f64 {
        match kind {
            QuotaKind::ActiveTime => self.active_seconds(now) as f64,
            QuotaKind::ComputeTime => self.compute_seconds(now) as f64,
            QuotaKind::WrittenData => self.used_written_bytes as f64,
            QuotaKind::DataTransfer => self.used_transfer_bytes as f64,
        }
    }

    /// The quota has to be looked at now.
    pub(super) fn enforce_quota(&mut self, at: Instant, timing: &Timing) -> Option<Operation> {
        self.quota_due = None;
        self.roll_period(at);
        self.follow_model(at);
        if self.quota_blocked_at.is_some() || self.deleted_at.is_some() {
            return None;
        }
        self.exceeded_quota(at).and_then(|_| self.block(at, timing))
    }

    fn block(&mut self, at: Instant, timing: &Timing) -> Option<Operation> {
        let runs = self.compute_state == ComputeState::Active;
        self.compute_held = false;
        if runs || self.compute_pending.is_some() {
            self.enter(ComputeState::Idle, at, timing);
        }
        self.quota_blocked_at = Some(at);
        runs.then(|| self.suspended_from_within(at, timing))
    }

    /// What the root branch is suspended for holds for all branches.
    pub(super) fn rest_with_root(&mut self, at: Instant, timing: &Timing) -> Option<Operation> {
        let must_rest = !self.is_root_branch() && self.quota_blocked_at.is_some();
        (must_rest && self.compute_state != ComputeState::Idle).then(|| {
            self.compute_held = false;
            self.enter(ComputeState::Idle, at, timing);
            self.suspended_from_within(at, timing)
        })
    }

    fn unblock(&mut self, at: Instant) {
        self.quota_blocked_at = None;
        self.resume_model(at);
    }

    /// Works out when the quota has next to be looked at, and lifts a suspension whose reason is gone.
    pub fn plan_quota(&mut self, at: Instant, timing: &Timing) {
        let is_exceeded = self.exceeded_quota(at).is_some();
        if !self.is_root_branch() {
            // The root enforces; a further branch can only make it look sooner.
            if is_exceeded && self.quota_blocked_at.is_none() {
                let due = at + timing.quota_lag;
                self.quota_due = Some(self.quota_due.map_or(due, |planned| planned.min(due)));
            }
            return;
        }
        if self.quota_blocked_at.is_some() && !is_exceeded {
            self.unblock(at);
        }
        if self.deleted_at.is_some() || self.quota.is_none() {
            self.quota_due = None;
        } else if self.quota_blocked_at.is_some() {
            self.quota_due = Some(clock::period_end(at));
        } else if is_exceeded {
            let due = at + timing.quota_lag;
            self.quota_due = Some(self.quota_due.map_or(due, |planned| planned.min(due)));
        } else {
            self.quota_due = self.next_look(at, timing);
        }
    }

    fn next_look(&self, at: Instant, timing: &Timing) -> Option<Instant> {
        let mut end = clock::period_end(at);
        let look = |reached: Instant, end: Instant| (reached + TimeDelta::seconds(1) + timing.quota_lag).min(end);
        if let Some(reached) = self.reached_by_running(at) {
            return Some(look(reached, end));
        }
        let activity = self.activity().filter(|activity| self.is_modeled() && self.may_ever_reach(*activity))?;
        let (mut from, mut used) = (self.modeled_from.max(at), self.counted());
        for _ in 0..PERIODS_AHEAD {
            if let Some(reached) = self.reached_by_model(activity, from, end, used) {
                return Some(look(reached, end));
            }
            (from, used) = (from.max(end), Used::default());
            end = clock::period_end(end);
        }
        Some(clock::period_start(end))
    }

    fn counted(&self) -> Used {
        Used {
            active_seconds: self.used_active_seconds,
            compute_seconds: self.used_compute_seconds,
            written_bytes: self.used_written_bytes,
            kept_bytes: 0,
            transfer_bytes: self.used_transfer_bytes,
        }
    }

    /// When a real run, going on as it is, will have reached a quota of time.
    fn reached_by_running(&self, at: Instant) -> Option<Instant> {
        let since = self.real_run_since()?;
        let left = |kind, limit: i64| match kind {
            QuotaKind::ActiveTime => Some(limit as f64 - self.used_active_seconds),
            QuotaKind::ComputeTime => Some((limit as f64 - self.used_compute_seconds) / self.endpoint_min_cu),
            QuotaKind::WrittenData | QuotaKind::DataTransfer => None,
        };
        let seconds = self.quota?.limits().filter_map(|(kind, limit)| left(kind, limit)).min_by(f64::total_cmp)?;
        let reached = since.max(self.used_since).checked_add_signed(span(seconds))?;
        Some(reached.max(at))
    }

    /// When the model, going on as it does from counters like these, will have reached a quota before the period ends.
    fn reached_by_model(&self, activity: Activity, from: Instant, end: Instant, mut used: Used) -> Option<Instant> {
        let quota = self.quota?;
        for session in activity.sessions(from).take_while(|session| session.start < end) {
            let start = session.start.max(from);
            let seconds_until = |kind, limit: i64| match kind {
                QuotaKind::ActiveTime => limit as f64 - used.active_seconds,
                QuotaKind::ComputeTime => (limit as f64 - used.compute_seconds) / self.endpoint_min_cu,
                QuotaKind::WrittenData => {
                    (limit - used.written_bytes) as f64 / session.written_per_second.max(1) as f64
                }
                QuotaKind::DataTransfer => {
                    (limit - used.transfer_bytes) as f64 / session.transfer_per_second.max(1) as f64
                }
            };
            let first = quota.limits().map(|(kind, limit)| seconds_until(kind, limit)).min_by(f64::total_cmp)?;
            let reached = start.checked_add_signed(span(first))?;
            if reached <= session.end {
                return Some(reached);
            }
            used += Used::of(session.until(session.end) - session.until(start), self.endpoint_min_cu);
        }
        None
    }

    /// A period may bring an excess by the model.
    fn may_ever_reach(&self, activity: Activity) -> bool {
        let most = Used::of(activity.most_in_a_period(), self.endpoint_min_cu);
        self.quota.is_some_and(|quota| {
            quota.limits().any(|(kind, limit)| match kind {
                QuotaKind::ActiveTime => most.active_seconds >= limit as f64,
                QuotaKind::ComputeTime => most.compute_seconds >= limit as f64,
                QuotaKind::WrittenData => most.written_bytes >= limit,
                QuotaKind::DataTransfer => most.transfer_bytes >= limit,
            })
        })
    }
}

/// Whole seconds, at most a hundred years: longer is never.
fn span(seconds: f64) -> TimeDelta {
    TimeDelta::seconds(seconds.clamp(0.0, 3.2e9).ceil() as i64)
}
