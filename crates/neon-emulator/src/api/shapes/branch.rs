//! A branch, and the role and database in it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{CREATION_SOURCE, set, time};
use crate::clock::Instant;
use crate::model::{Database, Project, Role};

/// The branch that a project is seen from. Consumption is counted for the project: the root branch shows all of it.
pub fn branch(project: &Project, now: Instant) -> Value {
    let ready = project.branch_is_ready_at(now);
    let own = |count: i64| if project.is_root_branch() { count } else { 0 };
    let mut shape = json!({
        "id": project.branch_id,
        "project_id": project.id,
        "name": project.branch_name,
        "current_state": if ready { "ready" } else { "init" },
        "state_changed_at": time(project.created_at),
        "creation_source": CREATION_SOURCE,
        "primary": project.is_default_branch(),
        "default": project.is_default_branch(),
        "protected": project.branch_protected,
        "cpu_used_sec": own(project.compute_seconds(now)),
        "compute_time_seconds": own(project.compute_seconds(now)),
        "active_time_seconds": own(project.active_seconds(now)),
        "written_data_bytes": own(project.used_written_bytes),
        "data_transfer_bytes": own(project.used_transfer_bytes),
        "created_at": time(project.created_at),
        "updated_at": time(project.updated_at),
        "init_source": "parent-data",
    });
    set(&mut shape, "parent_id", project.parent_id.as_deref());
    if ready {
        shape["logical_size"] = project.logical_size.into();
    } else {
        shape["pending_state"] = "ready".into();
    }
    shape
}

/// A branch in a list, which may be one that was deleted.
pub fn listed_branch(project: &Project, recovery_window: TimeDelta, now: Instant) -> Value {
    let mut shape = branch(project, now);
    let recovery = project.deleted_at.map(|at| {
        json!({"deleted_at": time(at), "recoverable_until": time(at + recovery_window), "deletion_method": "user"})
    });
    set(&mut shape, "recovery", recovery);
    shape
}

pub fn role(role: &Role) -> Value {
    json!({
        "branch_id": role.branch_id,
        "name": role.name,
        "protected": false,
        "created_at": time(role.created_at),
        "updated_at": time(role.updated_at),
    })
}

/// Neon tells the password when it makes one.
pub fn role_with_password(role: &Role) -> Value {
    let mut shape = self::role(role);
    shape["password"] = role.password.as_str().into();
    shape
}

pub fn database(database: &Database) -> Value {
    json!({
        "id": database.id,
        "branch_id": database.branch_id,
        "name": database.name,
        "owner_name": database.owner_name,
        "created_at": time(database.created_at),
        "updated_at": time(database.updated_at),
    })
}
