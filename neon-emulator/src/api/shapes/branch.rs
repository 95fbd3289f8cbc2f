//! A branch, and the role and database in it.

use serde_json::{Value, json};

use super::{CREATION_SOURCE, time};
use crate::clock::Instant;
use crate::model::Project;

pub fn branch(project: &Project, now: Instant) -> Value {
    let ready = project.branch_is_ready();
    let mut shape = json!({
        "id": project.branch_id,
        "project_id": project.id,
        "name": project.branch_name,
        "current_state": if ready { "ready" } else { "init" },
        "state_changed_at": time(project.created_at),
        "creation_source": CREATION_SOURCE,
        "primary": true,
        "default": true,
        "protected": false,
        "cpu_used_sec": project.compute_seconds(now),
        "compute_time_seconds": project.compute_seconds(now),
        "active_time_seconds": project.active_seconds(now),
        "written_data_bytes": project.used_written_bytes,
        "data_transfer_bytes": project.used_transfer_bytes,
        "created_at": time(project.created_at),
        "updated_at": time(project.updated_at),
        "init_source": "parent-data",
    });
    if ready {
        shape["logical_size"] = project.logical_size.into();
    } else {
        shape["pending_state"] = "ready".into();
    }
    shape
}

pub fn role(project: &Project) -> Value {
    json!({
        "branch_id": project.branch_id,
        "name": project.role_name,
        "protected": false,
        "created_at": time(project.created_at),
        "updated_at": time(project.created_at),
    })
}

pub fn database(project: &Project) -> Value {
    json!({
        "id": project.database_id,
        "branch_id": project.branch_id,
        "name": project.database_name,
        "owner_name": project.role_name,
        "created_at": time(project.created_at),
        "updated_at": time(project.created_at),
    })
}
