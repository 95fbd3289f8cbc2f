//! An endpoint, and how to connect to it.

use serde_json::{Value, json};

use super::{CREATION_SOURCE, PROVISIONER, set, time};
use crate::clock::Instant;
use crate::connection_string::{self, Login};
use crate::model::{ComputeState, Project};
use crate::names;

pub fn endpoint(project: &Project, now: Instant) -> Value {
    let mut shape = json!({
        "host": project.host(),
        "id": project.endpoint_id,
        "project_id": project.id,
        "branch_id": project.branch_id,
        "autoscaling_limit_min_cu": project.endpoint_min_cu,
        "autoscaling_limit_max_cu": project.endpoint_max_cu,
        "region_id": project.region_id,
        "type": "read_write",
        "current_state": project.endpoint_state(),
        "settings": project.endpoint_settings.clone().unwrap_or_else(|| json!({})),
        "pooler_enabled": false,
        "pooler_mode": "transaction",
        "disabled": project.endpoint_disabled,
        "passwordless_access": true,
        "creation_source": CREATION_SOURCE,
        "created_at": time(project.endpoint_created_at.unwrap_or(project.created_at)),
        "updated_at": time(project.endpoint_updated_at),
        "proxy_host": names::proxy_host(&project.region_id),
        "suspend_timeout_seconds": project.endpoint_suspend_seconds,
        "provisioner": PROVISIONER,
    });
    set(&mut shape, "name", project.endpoint_name.as_deref());
    set(&mut shape, "pending_state", project.compute_pending.map(ComputeState::name));
    set(&mut shape, "last_active", project.last_active(now).map(time));
    set(&mut shape, "started_at", project.compute_started_at.map(time));
    set(&mut shape, "suspended_at", project.compute_suspended_at.map(time));
    shape
}

pub fn connection_details(project: &Project, login: &Login<'_>, proxy_address: &str) -> Value {
    json!({
        "connection_uri": connection_string::uri(project, login, proxy_address, false),
        "connection_parameters": {
            "database": login.database,
            "password": login.role.password,
            "role": login.role.name,
            "host": project.host(),
            "pooler_host": project.pooler_host(),
        },
    })
}
