//! The frames of a project's history, oldest first.

use super::granularity::Granularity;
use crate::api::shapes::time;
use crate::clock::Instant;
use crate::model::{History, Used, overlap};

/// Whole numbers for one frame. The fractions of a frame are in the next one, so that sums are those of the counters.
#[derive(Debug)]
pub struct Frame {
    pub start: Instant,
    end: Instant,
    pub active_seconds: i64,
    /// CU seconds.
    pub compute_seconds: i64,
    pub written_bytes: i64,
    pub transfer_bytes: i64,
    /// Logical size of the branch at the end of the frame, in bytes.
    pub size: i64,
    /// Of data and history of all branches then, in bytes.
    pub synthetic_size: i64,
    /// Bytes kept for restoring.
    pub retained: i64,
    /// For how much of the frame there was a project, in hours.
    pub hours: f64,
}

impl Frame {
    pub fn start_text(&self) -> String {
        time(self.start)
    }

    pub fn end_text(&self) -> String {
        time(self.end)
    }
}

/// The frames that begin from `from` on and before `to`.
pub fn frames(history: &History<'_>, granularity: Granularity, from: Instant, to: Instant) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut sum = Used::default();
    let mut start = from;
    while start < to && start < history.as_of {
        let end = granularity.end(start);
        let before = sum;
        let mut hours = 0.0;
        for (from, to) in history.spans.iter().filter_map(|span| overlap(*span, (start, end))) {
            if let Some((born, known)) = overlap((history.project.created_at, history.as_of), (from, to)) {
                sum += history.between(from, to);
                hours += (known - born).as_seconds_f64() / 3_600.0;
            }
        }
        if hours > 0.0 {
            frames.push(frame(history, (start, end), (before, sum), hours));
        }
        start = end;
    }
    frames
}

fn frame(history: &History<'_>, (start, end): (Instant, Instant), (before, after): (Used, Used), hours: f64) -> Frame {
    let whole = |of: fn(&Used) -> f64| (of(&after) + 1e-6) as i64 - (of(&before) + 1e-6) as i64;
    let written_bytes = after.written_bytes - before.written_bytes;
    let size = history.size_at(end);
    let retention_hours = f64::from(history.project.history_retention_seconds) / 3_600.0;
    Frame {
        start,
        end,
        active_seconds: whole(|used| used.active_seconds),
        compute_seconds: whole(|used| used.compute_seconds),
        written_bytes,
        transfer_bytes: after.transfer_bytes - before.transfer_bytes,
        size,
        synthetic_size: history.project.synthetic(size),
        retained: (written_bytes as f64 * retention_hours / hours.max(retention_hours).max(1.0)) as i64,
        hours,
    }
}
