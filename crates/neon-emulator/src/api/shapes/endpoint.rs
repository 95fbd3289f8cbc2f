//! An endpoint, and the strings that lead to it.

use serde_json::{Value, json};

use super::{CREATION_SOURCE, PROVISIONER, set, time};
use crate::clock::Instant;
use crate::model::{ComputeState, Objects, Project, Role};
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

/// Who enters which database of an endpoint.
pub struct Login<'a> {
    pub role: &'a Role,
    pub database: &'a str,
}

/// A connection string that works as it is: it leads to the proxy and names the endpoint in its options, the way
/// Neon documents for clients without SNI. The proxy offers no TLS.
pub fn uri(project: &Project, login: &Login<'_>, proxy_address: &str, pooled: bool) -> String {
    let pooler = if pooled { "-pooler" } else { "" };
    format!(
        "postgresql://{}:{}@{proxy_address}/{}?sslmode=disable&options=endpoint%3D{}{pooler}",
        encoded(&login.role.name),
        encoded(&login.role.password),
        encoded(login.database),
        project.endpoint_id,
    )
}

/// The connection string of what a project was born with.
pub fn connection_uri(project: &Project, proxy_address: &str, pooled: bool) -> String {
    let born = Objects::born_with(project);
    born.roles
        .iter()
        .map(|role| uri(project, &Login { role, database: &project.database_name }, proxy_address, pooled))
        .collect()
}

pub fn connection_details(project: &Project, login: &Login<'_>, proxy_address: &str) -> Value {
    json!({
        "connection_uri": uri(project, login, proxy_address, false),
        "connection_parameters": {
            "database": login.database,
            "password": login.role.password,
            "role": login.role.name,
            "host": project.host(),
            "pooler_host": project.pooler_host(),
        },
    })
}

/// Percent-encoding of everything but the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_encoded_for_uris() {
        assert_eq!(super::encoded("neondb_owner"), "neondb_owner");
        assert_eq!(super::encoded("a b/c@é"), "a%20b%2Fc%40%C3%A9");
    }
}
