//! The frames of a project's history, grouped by billing period, oldest first. Frames without any use are left out.

use serde_json::{Value, json};
use uuid::Uuid;

use super::query::Request;
use crate::api::shapes::time;
use crate::clock::{self, Instant};
use crate::model::{History, Used, mix, overlap};

/// As the account's `subscription_type`.
const PLAN: &str = "scale_v3";

/// Whole numbers for one frame. The fractions of a frame are in the next one, so that sums are those of the counters.
#[derive(Debug)]
pub struct Frame {
    start: Instant,
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
    pub hours_of_month: f64,
}

impl Frame {
    pub fn start_text(&self) -> String {
        time(self.start)
    }

    pub fn end_text(&self) -> String {
        time(self.end)
    }
}

pub fn periods(history: &History<'_>, request: &Request, now: Instant) -> Vec<Value> {
    let mut periods: Vec<(Instant, Vec<Value>)> = Vec::new();
    for frame in frames(history, request) {
        if request.metrics.iter().all(|metric| (metric.of)(&frame) == 0) {
            continue;
        }
        let start = clock::period_start(frame.start);
        let shape = request.version.shape(&frame, &request.metrics);
        match periods.last_mut().filter(|(of, _)| *of == start) {
            Some((_, frames)) => frames.push(shape),
            None => periods.push((start, vec![shape])),
        }
    }
    let org_id = &history.project.org_id;
    periods.into_iter().map(|(start, frames)| period(org_id, start, frames, now)).collect()
}

fn period(org_id: &str, start: Instant, frames: Vec<Value>, now: Instant) -> Value {
    let mut period = json!({
        "period_id": period_id(org_id, start),
        "period_plan": PLAN,
        "period_start": time(start),
        "consumption": frames,
    });
    if clock::period_end(start) <= now {
        period["period_end"] = time(clock::period_end(start)).into();
    }
    period
}

/// The same for every project of the organisation.
fn period_id(org_id: &str, start: Instant) -> Uuid {
    let org = org_id.bytes().fold(0, |hash, byte| mix(hash, u64::from(byte)));
    let high = mix(org, start.timestamp() as u64);
    let bits = u128::from(high) << 64 | u128::from(mix(high, 1));
    uuid::Builder::from_u128(bits).with_version(uuid::Version::Random).into_uuid()
}

fn frames(history: &History<'_>, request: &Request) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut sum = Used::default();
    let mut start = request.from;
    while start < request.to && start < history.as_of {
        let end = request.granularity.end(start);
        let exists = overlap((history.project.created_at, history.as_of), (start, end));
        if let Some((from, to)) = exists {
            let before = sum;
            sum += history.between(start, end);
            frames.push(frame(history, (start, end), (before, sum), (to - from).as_seconds_f64() / 3_600.0));
        }
        start = end;
    }
    frames
}

fn frame(history: &History<'_>, (start, end): (Instant, Instant), (before, after): (Used, Used), hours: f64) -> Frame {
    let whole = |of: fn(&Used) -> f64| (of(&after) + 1e-6) as i64 - (of(&before) + 1e-6) as i64;
    let written_bytes = after.written_bytes - before.written_bytes;
    let month = clock::period_end(start) - clock::period_start(start);
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
        hours_of_month: month.as_seconds_f64() / 3_600.0,
    }
}
