//! Bounds of what clients may set, as in Neon's OpenAPI document.

use crate::config::Config;
use crate::model::{Plan, Quota, Refusal};

const LONGEST_RETENTION_SECONDS: i32 = 2_592_000;
const LONGEST_SUSPEND_SECONDS: i64 = 604_800;
const SHORTEST_SUSPEND_SECONDS: i64 = 60;
const SMALLEST_CU: f64 = 0.25;

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::Invalid(message.into())
}

fn length(what: &str, text: Option<&str>, most: usize) -> Result<(), Refusal> {
    match text.map(|text| text.chars().count()) {
        Some(length) if !(1..=most).contains(&length) => {
            Err(invalid(format!("{what} must have 1 to {most} characters")))
        }
        _ => Ok(()),
    }
}

pub fn project_name(name: Option<&str>) -> Result<(), Refusal> {
    length("project name", name, 256)
}

pub fn branch_name(name: Option<&str>) -> Result<(), Refusal> {
    length("branch name", name, 256)
}

pub fn endpoint_name(name: Option<&str>) -> Result<(), Refusal> {
    length("endpoint name", name, 64)
}

/// A role or database is called so in PostgreSQL too.
pub fn identifier(what: &str, name: Option<&str>) -> Result<(), Refusal> {
    let Some(name) = name else { return Ok(()) };
    if name.is_empty() || name.len() > 63 || name.contains('\0') {
        return Err(invalid(format!("{what} must have 1 to 63 bytes")));
    }
    if ["postgres", "template0", "template1"].contains(&name) {
        return Err(invalid(format!("{what} {name} is reserved")));
    }
    Ok(())
}

pub fn retention(seconds: Option<i32>) -> Result<(), Refusal> {
    match seconds {
        Some(seconds) if !(0..=LONGEST_RETENTION_SECONDS).contains(&seconds) => {
            Err(invalid(format!("history_retention_seconds must be from 0 to {LONGEST_RETENTION_SECONDS}")))
        }
        _ => Ok(()),
    }
}

pub fn suspend_timeout(seconds: Option<i64>) -> Result<(), Refusal> {
    match seconds {
        None | Some(-1..=0 | SHORTEST_SUSPEND_SECONDS..=LONGEST_SUSPEND_SECONDS) => Ok(()),
        Some(_) => Err(invalid(format!(
            "suspend_timeout_seconds must be -1 (never), 0 (default) or from {SHORTEST_SUSPEND_SECONDS} to {LONGEST_SUSPEND_SECONDS}"
        ))),
    }
}

/// Whether a plan allows what an endpoint would have. Neon's defaults, which are taken where nothing is given, are allowed.
pub fn endpoint_of_plan(
    suspend_seconds: Option<i64>,
    max_cu: Option<f64>,
    plan: Plan,
    config: &Config,
) -> Result<(), Refusal> {
    if let Some(seconds) = suspend_seconds {
        let is_too_short = config.shortest_suspend_seconds.is_some_and(|shortest| (1..shortest).contains(&seconds));
        if is_too_short || !plan.allows_suspend_after(seconds) {
            return Err(Refusal::Precondition("suspend interval is too short for your plan"));
        }
    }
    if max_cu.is_some_and(|cu| cu > plan.most_cu()) {
        return Err(Refusal::Precondition("autoscaling limit is too high for your plan"));
    }
    Ok(())
}

/// Whether a plan keeps history for so long.
pub fn retention_of_plan(seconds: Option<i32>, plan: Plan) -> Result<(), Refusal> {
    match seconds {
        Some(seconds) if seconds > plan.longest_history() => {
            Err(Refusal::Precondition("history retention is too long for your plan"))
        }
        _ => Ok(()),
    }
}

pub fn autoscaling(min_cu: f64, max_cu: f64) -> Result<(), Refusal> {
    let is_allowed = |cu: f64| (SMALLEST_CU..=56.0).contains(&cu);
    if is_allowed(min_cu) && is_allowed(max_cu) && min_cu <= max_cu {
        return Ok(());
    }
    Err(invalid("autoscaling limits must be from 0.25 to 56 CU, the lower one first"))
}

pub fn quota(quota: Option<&Quota>) -> Result<(), Refusal> {
    match quota.and_then(Quota::negative_field) {
        Some(field) => Err(invalid(format!("quota {field} must not be negative"))),
        None => Ok(()),
    }
}

pub fn pg_version(version: i16) -> Result<(), Refusal> {
    if (14..=18).contains(&version) { Ok(()) } else { Err(invalid("pg_version must be 14, 15, 16, 17 or 18")) }
}
