//! Quotas of time, written data and transfer: exceeded, they suspend the compute and refuse every start, until they are
//! raised or the billing period ends.
//!
//! A row carries the moment at which its quota has to be looked at, worked out whenever the row changes: when it will
//! have been exceeded for the lag, or when the next period begins if that may bring an excess. So projects far below
//! their quotas are never looked at, however many they are.

use chrono::TimeDelta;

use super::{ComputeState, Operation, Project, QuotaKind, Timing};
use crate::clock::{self, Instant};

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

    fn unblock(&mut self, at: Instant) {
        self.quota_blocked_at = None;
        self.resume_model(at);
    }

    /// Works out when the quota has next to be looked at, and lifts a suspension whose reason is gone.
    pub fn plan_quota(&mut self, at: Instant, timing: &Timing) {
        let is_exceeded = self.exceeded_quota(at).is_some();
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
        let period_end = clock::period_end(at);
        if let Some(reached) = self.reached_by_running(at).or_else(|| self.reached_by_model(at, period_end)) {
            return Some((reached.max(at) + TimeDelta::seconds(1) + timing.quota_lag).min(period_end));
        }
        self.may_ever_reach().then_some(period_end)
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

    /// When the model, going on as it does, will have reached a quota within this period.
    fn reached_by_model(&self, at: Instant, period_end: Instant) -> Option<Instant> {
        let activity = self.activity().filter(|_| self.is_modeled())?;
        let quota = self.quota?;
        let from = self.modeled_from.max(at);
        let (mut active, mut written, mut transfer) =
            (self.used_active_seconds, self.used_written_bytes, self.used_transfer_bytes);
        let mut compute = self.used_compute_seconds;
        for session in activity.sessions(from).take_while(|session| session.start < period_end) {
            let start = session.start.max(from);
            let seconds_until = |kind, limit: i64| match kind {
                QuotaKind::ActiveTime => limit as f64 - active,
                QuotaKind::ComputeTime => (limit as f64 - compute) / self.endpoint_min_cu,
                QuotaKind::WrittenData => (limit - written) as f64 / session.written_per_second.max(1) as f64,
                QuotaKind::DataTransfer => (limit - transfer) as f64 / session.transfer_per_second.max(1) as f64,
            };
            let first = quota.limits().map(|(kind, limit)| seconds_until(kind, limit)).min_by(f64::total_cmp)?;
            let reached = start.checked_add_signed(span(first))?;
            if reached <= session.end {
                return Some(reached);
            }
            let amounts = session.until(session.end) - session.until(start);
            active += amounts.active_seconds();
            compute += amounts.active_seconds() * self.endpoint_min_cu;
            written += amounts.written_bytes;
            transfer += amounts.transfer_bytes;
        }
        None
    }

    /// A later period may bring an excess, by the model or by a run that does not end.
    fn may_ever_reach(&self) -> bool {
        let (Some(quota), false) = (self.quota, self.real_run_since().is_some()) else { return self.quota.is_some() };
        let Some(most) = self.activity().map(|activity| activity.most_in_a_period()) else { return false };
        quota.limits().any(|(kind, limit)| match kind {
            QuotaKind::ActiveTime => most.active_seconds() >= limit as f64,
            QuotaKind::ComputeTime => most.active_seconds() * self.endpoint_min_cu >= limit as f64,
            QuotaKind::WrittenData => most.written_bytes >= limit,
            QuotaKind::DataTransfer => most.transfer_bytes >= limit,
        })
    }
}

/// Whole seconds, at most a hundred years: longer is never.
fn span(seconds: f64) -> TimeDelta {
    TimeDelta::seconds(seconds.clamp(0.0, 3.2e9).ceil() as i64)
}
