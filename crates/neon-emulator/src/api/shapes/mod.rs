//! Answers in Neon's shapes, field by field as in its OpenAPI document and in captures of real answers.

mod branch;
mod endpoint;
mod project;

pub use branch::{branch, database, listed_branch, role, role_with_password};
pub use endpoint::{connection_details, endpoint};
pub use project::{Detail, list_item, project, thin_project};

use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::clock::Instant;
use crate::model::Operation;

/// Neon provisions every compute so.
const PROVISIONER: &str = "k8s-neonvm";
/// What Neon says of projects made through its API.
const CREATION_SOURCE: &str = "console";

/// RFC 3339 in whole seconds, as Neon writes times.
pub fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Sets a field only if there is a value: Neon leaves such fields out rather than sending null.
pub fn set(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object[name] = value.into();
    }
}

pub fn operation(operation: &Operation, now: Instant) -> Value {
    let mut shape = json!({
        "id": operation.id,
        "project_id": operation.project_id,
        "action": operation.action,
        "status": operation.status(now),
        "failures_count": 0,
        "created_at": time(operation.created_at),
        "updated_at": time(operation.updated_at(now)),
        "total_duration_ms": operation.total_duration_ms(now),
    });
    set(&mut shape, "branch_id", operation.branch_id.as_deref());
    set(&mut shape, "endpoint_id", operation.endpoint_id.as_deref());
    shape
}

pub fn operations(operations: &[Operation], now: Instant) -> Vec<Value> {
    operations.iter().map(|one| operation(one, now)).collect()
}
