//! What a project consumed between two moments of its past: by the model where the model counted, by the recorded hours
//! where it was really used, by the row where a run goes on.

use std::ops::{AddAssign, Sub};

use super::activity::{Amounts, overlap};
use super::project::VIRGIN_SIZE;
use super::{HourOfUse, Project, Silence};
use crate::clock::Instant;

/// Consumption of a span.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    pub active_seconds: f64,
    /// CU seconds.
    pub compute_seconds: f64,
    pub written_bytes: i64,
    /// What stays of the data written by the model.
    pub kept_bytes: i64,
    pub transfer_bytes: i64,
}

impl Used {
    /// What the model says, for a compute of this size.
    pub fn of(amounts: Amounts, cu: f64) -> Self {
        Self {
            active_seconds: amounts.active_seconds(),
            compute_seconds: amounts.active_seconds() * cu,
            written_bytes: amounts.written_bytes,
            kept_bytes: amounts.kept_bytes,
            transfer_bytes: amounts.transfer_bytes,
        }
    }
}

impl AddAssign for Used {
    fn add_assign(&mut self, other: Self) {
        self.active_seconds += other.active_seconds;
        self.compute_seconds += other.compute_seconds;
        self.written_bytes += other.written_bytes;
        self.kept_bytes += other.kept_bytes;
        self.transfer_bytes += other.transfer_bytes;
    }
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            active_seconds: self.active_seconds - other.active_seconds,
            compute_seconds: self.compute_seconds - other.compute_seconds,
            written_bytes: self.written_bytes - other.written_bytes,
            kept_bytes: self.kept_bytes - other.kept_bytes,
            transfer_bytes: self.transfer_bytes - other.transfer_bytes,
        }
    }
}

/// The past of a project that is settled.
#[derive(Debug)]
pub struct History<'a> {
    pub project: &'a Project,
    pub hours: &'a [HourOfUse],
    pub silences: &'a [Silence],
    /// When it was in the organisation that asks.
    pub spans: Vec<(Instant, Instant)>,
    /// Nothing later is known.
    pub as_of: Instant,
}

impl History<'_> {
    /// Both moments must be whole hours, or lie at or beyond `as_of`.
    pub fn between(&self, from: Instant, to: Instant) -> Used {
        let to = to.min(self.as_of);
        let mut used = self.modeled(from, to);
        for hour in self.hours.iter().filter(|hour| from <= hour.hour && hour.hour < to) {
            used += Used {
                active_seconds: hour.active_seconds,
                compute_seconds: hour.compute_seconds,
                written_bytes: hour.written_bytes,
                kept_bytes: 0,
                transfer_bytes: hour.transfer_bytes,
            };
        }
        let run = self.project.real_run_since().and_then(|since| overlap((since, self.as_of), (from, to)));
        let seconds = run.map_or(0.0, |(from, to)| (to - from).as_seconds_f64());
        used.active_seconds += seconds;
        used.compute_seconds += seconds * self.project.endpoint_min_cu;
        used
    }

    fn modeled(&self, from: Instant, to: Instant) -> Used {
        let counted = (self.project.created_at, self.project.modeled_from);
        let Some((from, to)) = overlap((from, to), counted) else { return Used::default() };
        let silences = self.silences.iter().filter_map(|silence| overlap((silence.since, silence.until), (from, to)));
        silences.fold(self.by_activity(from, to), |used, (from, to)| used - self.by_activity(from, to))
    }

    fn by_activity(&self, from: Instant, to: Instant) -> Used {
        let Some(activity) = self.project.activity() else { return Used::default() };
        Used::of(activity.between(from, to), self.project.endpoint_min_cu)
    }

    /// What the branch measured at a whole hour, or as of the last data, in bytes: what it measures now without what
    /// has been added since.
    pub fn size_at(&self, at: Instant) -> i64 {
        let at = at.min(self.as_of);
        let modeled = self.modeled(at, self.project.modeled_from).kept_bytes;
        let real: i64 = self.hours.iter().filter(|hour| hour.hour >= at).map(|hour| hour.written_bytes).sum();
        (self.project.logical_size - modeled - real).max(VIRGIN_SIZE.min(self.project.logical_size))
    }
}
