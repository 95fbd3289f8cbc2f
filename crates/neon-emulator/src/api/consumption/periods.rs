//! A project's history grouped by billing period, oldest first. Frames without any use are left out.

use serde_json::{Value, json};
use uuid::Uuid;

use super::frames::frames;
use super::query::Request;
use crate::api::shapes::time;
use crate::clock::{self, Instant};
use crate::model::{History, Organization, mix};

pub fn periods(history: &History<'_>, request: &Request, now: Instant) -> Vec<Value> {
    let mut periods: Vec<(Instant, Vec<Value>)> = Vec::new();
    for frame in frames(history, request.granularity, request.from, request.to) {
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
    periods.into_iter().map(|(start, frames)| period(&request.organization, start, frames, now)).collect()
}

fn period(organization: &Organization, start: Instant, frames: Vec<Value>, now: Instant) -> Value {
    let mut period = json!({
        "period_id": period_id(&organization.id, start),
        "period_plan": organization.plan.name(),
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
