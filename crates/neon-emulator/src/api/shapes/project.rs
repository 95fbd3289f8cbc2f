//! A project: whole (create, get, update, delete, recover) or as an item of a list.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{CREATION_SOURCE, PROVISIONER, set, time};
use crate::clock::{self, Instant};
use crate::model::{Organization, Project};
use crate::names;

/// What Neon says where the billing period is not looked up.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";
/// The limit of a branch on Neon's Scale plan, in MiB.
const BRANCH_SIZE_LIMIT_MIB: i64 = 16_777_216;

/// How much Neon tells about a whole project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail<'a> {
    /// `GET /projects/{project_id}`: with billing period and owner, which is this organisation.
    Read(&'a Organization),
    /// The answer to a change: the billing period is the zero time, and there is no owner.
    Changed,
}

pub fn project(project: &Project, detail: Detail<'_>, now: Instant) -> Value {
    let mut shape = shared(project);
    shape["data_storage_bytes_hour"] = project.used_storage_byte_hours.into();
    shape["data_transfer_bytes"] = project.used_transfer_bytes.into();
    shape["written_data_bytes"] = project.used_written_bytes.into();
    shape["compute_time_seconds"] = project.compute_seconds(now).into();
    shape["active_time_seconds"] = project.active_seconds(now).into();
    shape["cpu_used_sec"] = project.compute_seconds(now).into();
    shape["consumption_period_start"] = ZERO_TIME.into();
    shape["consumption_period_end"] = ZERO_TIME.into();
    if let Detail::Read(organization) = detail {
        shape["consumption_period_start"] = time(clock::period_start(now)).into();
        shape["consumption_period_end"] = time(clock::period_end(now)).into();
        shape["owner"] = json!({"email": "owner@example.com", "name": organization.name,
                                "branches_limit": organization.plan.most_branches(),
                                "subscription_type": organization.plan.subscription_type()});
        set(&mut shape, "compute_last_active_at", project.last_active(now).map(time));
        shape["synthetic_storage_size"] = project.synthetic_size().into();
    }
    shape
}

/// What is left to be said of a project that is deleted already.
pub fn thin_project(project: &Project, now: Instant) -> Value {
    let mut shape = self::project(project, Detail::Changed, now);
    shape["provisioner"] = "".into();
    if let Some(fields) = shape.as_object_mut() {
        fields.remove("settings");
        fields.remove("default_endpoint_settings");
    }
    shape
}

pub fn list_item(project: &Project, recovery_window: TimeDelta, now: Instant) -> Value {
    let mut shape = shared(project);
    shape["active_time"] = project.active_seconds(now).into();
    shape["cpu_used_sec"] = project.compute_seconds(now).into();
    shape["synthetic_storage_size"] = project.synthetic_size().into();
    set(&mut shape, "compute_last_active_at", project.last_active(now).map(time));
    set(&mut shape, "deleted_at", project.deleted_at.map(time));
    set(&mut shape, "recoverable_until", project.deleted_at.map(|at| time(at + recovery_window)));
    shape
}

fn shared(project: &Project) -> Value {
    json!({
        "id": project.id,
        "platform_id": names::platform_id(&project.region_id),
        "region_id": project.region_id,
        "name": project.name,
        "provisioner": PROVISIONER,
        "default_endpoint_settings": default_endpoint_settings(project),
        "settings": settings(project),
        "pg_version": project.pg_version,
        "proxy_host": names::proxy_host(&project.region_id),
        "branch_logical_size_limit": BRANCH_SIZE_LIMIT_MIB,
        "branch_logical_size_limit_bytes": BRANCH_SIZE_LIMIT_MIB * 1024 * 1024,
        "store_passwords": project.store_passwords,
        "creation_source": CREATION_SOURCE,
        "history_retention_seconds": project.history_retention_seconds,
        "created_at": time(project.created_at),
        "updated_at": time(project.updated_at),
        "owner_id": project.org_id,
        "org_id": project.org_id,
    })
}

fn default_endpoint_settings(project: &Project) -> Value {
    let mut shape = json!({
        "autoscaling_limit_min_cu": project.default_min_cu,
        "autoscaling_limit_max_cu": project.default_max_cu,
        "suspend_timeout_seconds": project.default_suspend_seconds,
    });
    set(&mut shape, "pg_settings", project.default_pg_settings.clone());
    shape
}

/// What the client set, over what Neon sets itself.
fn settings(project: &Project) -> Value {
    let mut shape = json!({
        "allowed_ips": {"ips": [], "protected_branches_only": false},
        "enable_logical_replication": false,
        "maintenance_window": {"weekdays": [5], "start_time": "07:00", "end_time": "08:00"},
        "block_public_connections": false,
        "block_vpc_connections": false,
        "hipaa": false,
    });
    if let Some(Value::Object(given)) = &project.settings {
        for (name, value) in given {
            shape[name] = value.clone();
        }
    }
    if let Some(quota) = project.quota {
        shape["quota"] = json!(quota);
    }
    shape
}
