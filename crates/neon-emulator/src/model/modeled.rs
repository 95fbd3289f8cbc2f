//! A seeded project between its row and its model.
//!
//! The row's counters hold everything up to `modeled_from`; from there on the model says what was consumed and whether
//! the compute runs. Real use (a connection, a start, a suspension) takes the compute over from the model until the
//! compute next falls idle. So at each moment exactly one of the two counts, and nothing is counted twice.

use super::activity::Session;
use super::{ComputeState, Project, Silence};
use crate::clock::Instant;

impl Project {
    /// The model decides at present.
    pub(super) fn is_modeled(&self) -> bool {
        self.compute_modeled && !self.endpoint_disabled && self.deleted_at.is_none() && self.quota_blocked_at.is_none()
    }

    /// Counts what the model consumed up to this moment and shows the compute as the model has it.
    pub(super) fn follow_model(&mut self, now: Instant) {
        let Some(activity) = self.activity().filter(|_| self.is_modeled() && self.modeled_from <= now) else {
            return;
        };
        let before = self.modeled_from;
        self.count_model(now);
        match activity.session_at(now) {
            Some(session) => {
                self.show_run(&session, before);
                self.compute_last_active = Some(now);
            }
            None => {
                if let Some(last) = activity.last_before(now).filter(|last| last.end > before) {
                    self.show_run(&last, before);
                    self.compute_last_active = Some(last.end);
                    self.compute_suspended_at = Some(last.end);
                }
                self.compute_state = ComputeState::Idle;
            }
        }
    }

    fn count_model(&mut self, now: Instant) {
        let Some(activity) = self.activity() else { return };
        let all = activity.between(self.modeled_from, now);
        self.base_size += all.kept_bytes;
        self.logical_size += all.kept_bytes;
        self.roll_period(now);
        let counted = if self.used_since > self.modeled_from { activity.between(self.used_since, now) } else { all };
        self.used_active_seconds += counted.active_seconds();
        self.used_compute_seconds += counted.active_seconds() * self.endpoint_min_cu;
        self.used_written_bytes += counted.written_bytes;
        self.used_transfer_bytes += counted.transfer_bytes;
        self.modeled_from = now;
    }

    /// A run that was shown before keeps its beginning; it may have begun later than its session, after a pause.
    fn show_run(&mut self, session: &Session, before: Instant) {
        let is_shown = self.compute_state == ComputeState::Active && self.compute_started_at >= Some(session.start);
        if !is_shown {
            self.compute_started_at = Some(session.start.max(before));
        }
        self.compute_state = ComputeState::Active;
    }

    /// Somebody really uses the compute: from now on the model neither counts nor decides. A run that the model began
    /// goes on as a real one, charged from here.
    pub(super) fn take_over_from_model(&mut self) {
        if self.compute_modeled && self.compute_state == ComputeState::Active {
            self.charged_until = Some(self.modeled_from);
        }
        self.compute_modeled = false;
    }

    /// A real run has ended: the model goes on with the next moment at which its users come.
    pub(super) fn end_real_use(&mut self, at: Instant) {
        if let Some(activity) = self.activity().filter(|_| !self.compute_modeled) {
            self.resume_model(activity.next_wake(at));
        }
    }

    /// The model counts from this moment on, unless it is to begin even later.
    pub(super) fn resume_model(&mut self, from: Instant) {
        if self.activity().is_none() {
            return;
        }
        if self.modeled_from < from {
            self.journal.silences.push(Silence { project_id: self.id.clone(), since: self.modeled_from, until: from });
            self.modeled_from = from;
        }
        self.compute_modeled = true;
    }
}
