//! The metrics of both forms of the history, by Neon's names.

use serde_json::{Value, json};

use super::frames::Frame;
use crate::api::ApiError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Legacy,
    V2,
}

/// A metric: its name, and its value for a frame.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub of: fn(&Frame) -> i64,
}

const fn metric(name: &'static str, of: fn(&Frame) -> i64) -> Metric {
    Metric { name, of }
}

/// What one project with one branch cannot have is zero. Those that are called after a month are byte-hours.
const V2: [Metric; 8] = [
    metric("compute_unit_seconds", |frame| frame.compute_seconds),
    metric("root_branch_bytes_month", |frame| portion(frame.size, frame.hours)),
    metric("child_branch_bytes_month", |_| 0),
    metric("instant_restore_bytes_month", |frame| portion(frame.retained, frame.hours)),
    metric("public_network_transfer_bytes", |frame| frame.transfer_bytes),
    metric("private_network_transfer_bytes", |_| 0),
    metric("extra_branches_month", |_| 0),
    metric("snapshot_storage_bytes_month", |_| 0),
];

/// The first four are in every answer: the document requires them.
const LEGACY: [Metric; 7] = [
    metric("active_time_seconds", |frame| frame.active_seconds),
    metric("compute_time_seconds", |frame| frame.compute_seconds),
    metric("written_data_bytes", |frame| frame.written_bytes),
    metric("synthetic_storage_size_bytes", |frame| frame.synthetic_size),
    metric("data_storage_bytes_hour", |frame| portion(frame.synthetic_size, frame.hours)),
    metric("logical_size_bytes", |frame| frame.size),
    metric("logical_size_bytes_hour", |frame| portion(frame.size, frame.hours)),
];
const ALWAYS: usize = 4;

fn portion(bytes: i64, share: f64) -> i64 {
    (bytes as f64 * share) as i64
}

impl Version {
    /// The metrics of these names. v2 wants at least one, the legacy form has a default.
    pub fn metrics(self, names: &[String]) -> Result<Vec<Metric>, ApiError> {
        let known: &[Metric] = if self == Self::V2 { &V2 } else { &LEGACY };
        if names.is_empty() {
            return match self {
                Self::V2 => Err(ApiError::bad_request("the query parameter metrics is required")),
                Self::Legacy => Ok(LEGACY[..ALWAYS].to_vec()),
            };
        }
        let find = |name: &String| {
            let found = known.iter().find(|metric| metric.name == name).copied();
            found.ok_or_else(|| ApiError::bad_request(format!("unknown metric {name}")))
        };
        names.iter().map(find).collect()
    }

    /// A frame in its form.
    pub fn shape(self, frame: &Frame, metrics: &[Metric]) -> Value {
        let mut shape = json!({"timeframe_start": frame.start_text(), "timeframe_end": frame.end_text()});
        match self {
            Self::V2 => {
                let value = |metric: &Metric| json!({"metric_name": metric.name, "value": (metric.of)(frame)});
                shape["metrics"] = metrics.iter().map(value).collect();
            }
            Self::Legacy => {
                for metric in LEGACY[..ALWAYS].iter().chain(metrics) {
                    shape[metric.name] = (metric.of)(frame).into();
                }
            }
        }
        shape
    }
}
