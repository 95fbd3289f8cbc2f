//! Plans: what owners are given, made and changed.

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    bearer::Token,
    databases::Reason,
    extract::{Body, OptionalBody, PlanName, given, given_whole, whole},
    problem::Problem,
    quota::LimitsRequest,
};
use crate::state::AppState;
use fleet_types::{Plan, PlanChange, PlanChanged, PlanDetail, PlanTerms, Quota, text};
use ledger::PlanIntent;

/// Every plan.
#[derive(Serialize, ToSchema)]
pub struct PlanList {
    items: Vec<Plan>,
    /// When this was read from the ledger.
    as_of: DateTime<Utc>,
}

/// A new plan. A limit that is left out is none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "free", "label": "Free", "quota": { "logical_size_bytes": 536_870_912, "compute_time_seconds": 180_000 }, "relief_percent": 150 }))]
pub struct NewPlan {
    /// Lower-case letters, digits and hyphens.
    #[schema(max_length = 32, pattern = "name")]
    name: String,
    /// For people; the name if left out.
    #[schema(pattern = "line 100")]
    label: Option<String>,
    #[serde(default)]
    quota: LimitsRequest,
    /// Compute units, together with `max_cu`. Left out, it is what the pool's template says.
    #[schema(minimum = 0.25, maximum = 56)]
    min_cu: Option<f64>,
    #[schema(minimum = 0.25, maximum = 56)]
    max_cu: Option<f64>,
    /// Seconds without a connection after which the compute stops: 0 is Neon's default, -1 never. Left out, it is what the pool's template says.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = Option<i32>, minimum = -1, maximum = 604_800)]
    suspend_timeout_seconds: Option<i32>,
    /// How far back Neon can restore. Left out, it is left to Neon.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 2_592_000)]
    history_retention_seconds: Option<i32>,
    /// The cap of relief: to how many per cent of the plan's a quota may be raised for a day. Left out: no relief.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = Option<i32>, minimum = 101, maximum = 1_000)]
    relief_percent: Option<i32>,
    /// Why, for the history.
    #[schema(pattern = "reason")]
    reason: Option<String>,
}

/// What shall be different of a plan: a field that is absent stays as it is, `null` is no limit, or nothing that the plan says.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "quota": { "logical_size_bytes": 1_073_741_824 }, "revision": 1, "dry_run": true, "reason": "more room for everybody" }))]
pub struct PlanPatch {
    #[schema(pattern = "line 100")]
    label: Option<String>,
    #[serde(default)]
    quota: LimitsRequest,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, minimum = 0.25, maximum = 56)]
    min_cu: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, minimum = 0.25, maximum = 56)]
    max_cu: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i32>, minimum = -1, maximum = 604_800)]
    suspend_timeout_seconds: Option<Option<i32>>,
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i32>, minimum = 0, maximum = 2_592_000)]
    history_retention_seconds: Option<Option<i32>>,
    #[serde(default, deserialize_with = "given_whole")]
    #[schema(value_type = Option<i32>, minimum = 101, maximum = 1_000)]
    relief_percent: Option<Option<i32>>,
    /// `version` of the plan as you read it: if it was changed since, the answer is 409 with who did it and when. Without it the last one wins.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = Option<i32>, minimum = 1)]
    revision: Option<i32>,
    /// Save nothing; answer what it would do.
    #[serde(default)]
    dry_run: bool,
    /// Although it blocks databases at once, which is refused otherwise.
    #[serde(default)]
    anyway: bool,
    /// Why, for the history.
    #[schema(pattern = "reason")]
    reason: Option<String>,
}

/// List plans
#[utoipa::path(
    get, path = "/api/v1/plans", operation_id = "listPlans", tag = "plans", security(("token" = ["read"])),
    responses((status = 200, description = "Every plan", body = PlanList))
)]
pub async fn list_plans(State(state): State<AppState>) -> Result<Json<PlanList>, Problem> {
    Ok(Json(PlanList { items: state.ledger.plans().await?, as_of: Utc::now() }))
}

/// Read a plan
///
/// With its versions, and how far the latest change has come.
#[utoipa::path(
    get, path = "/api/v1/plans/{name}", operation_id = "readPlan", tag = "plans", security(("token" = ["read"])),
    params(("name" = String, Path, description = "The plan's name", pattern = "name")),
    responses((status = 200, description = "The plan", body = PlanDetail))
)]
pub async fn read_plan(State(state): State<AppState>, PlanName(name): PlanName) -> Result<Json<PlanDetail>, Problem> {
    Ok(Json(state.ledger.plan(&name).await?))
}

/// Make a plan
///
/// Claims and pools can use it at once.
#[utoipa::path(
    post, path = "/api/v1/plans", operation_id = "createPlan", tag = "plans", security(("token" = ["manage"])), request_body = NewPlan,
    responses((status = 201, description = "The plan", body = Plan, headers(("Location" = String, description = "Where it is read"))))
)]
pub async fn create_plan(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Body(new): Body<NewPlan>,
) -> Result<Response, Problem> {
    let by = token.because(new.reason.as_deref())?;
    let label = label(new.label.as_deref())?.unwrap_or_else(|| new.name.clone());
    let terms = PlanTerms {
        label,
        quota: new.quota.change().applied_to(Quota::default()),
        min_cu: new.min_cu,
        max_cu: new.max_cu,
        suspend_timeout_seconds: new.suspend_timeout_seconds,
        history_retention_seconds: new.history_retention_seconds,
        relief_percent: new.relief_percent,
    };
    let plan = state.ledger.create_plan(&new.name, &terms, &by).await?;
    let location = format!("/api/v1/plans/{}", plan.name);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(plan)).into_response())
}

/// Change a plan
///
/// A change of what members are given is taken to all claimed databases that have the plan, a few at a time: `roll_out` of the plan says how far it has
/// come. Overrides of single databases stay. Unclaimed databases that were born with the plan follow too.
#[utoipa::path(
    patch, path = "/api/v1/plans/{name}", operation_id = "changePlan", tag = "plans", security(("token" = ["manage"])),
    params(("name" = String, Path, description = "The plan's name", pattern = "name")), request_body = PlanPatch,
    responses((status = 200, description = "What was changed, or would be, and for whom", body = PlanChanged))
)]
pub async fn change_plan(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    PlanName(name): PlanName,
    Body(patch): Body<PlanPatch>,
) -> Result<Json<PlanChanged>, Problem> {
    let by = token.because(patch.reason.as_deref())?;
    let change = PlanChange {
        label: label(patch.label.as_deref())?,
        quota: patch.quota.change(),
        min_cu: patch.min_cu,
        max_cu: patch.max_cu,
        suspend_timeout_seconds: patch.suspend_timeout_seconds,
        history_retention_seconds: patch.history_retention_seconds,
        relief_percent: patch.relief_percent,
    };
    let intent = PlanIntent { read_at: patch.revision, dry_run: patch.dry_run, anyway: patch.anyway };
    let changed = state.ledger.change_plan(&name, &change, intent, &by).await?;
    state.engine.nudge_roll();
    Ok(Json(changed))
}

/// Delete a plan
///
/// Only one that no owner has, no pool makes databases with, and no database was born with that still lives.
#[utoipa::path(
    delete, path = "/api/v1/plans/{name}", operation_id = "deletePlan", tag = "plans", security(("token" = ["manage"])),
    params(("name" = String, Path, description = "The plan's name", pattern = "name")),
    responses((status = 204, description = "It is gone"))
)]
pub async fn delete_plan(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    PlanName(name): PlanName,
) -> Result<StatusCode, Problem> {
    state.ledger.delete_plan(&name, &token.by()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stop the roll-out of a plan
///
/// No further database is brought to the changed plan until somebody resumes it; what is on its way to Neon goes on.
#[utoipa::path(
    post, path = "/api/v1/plans/{name}/roll-out/stop", operation_id = "stopPlanRollOut", tag = "plans", security(("token" = ["manage"])),
    params(("name" = String, Path, description = "The plan's name", pattern = "name")), request_body = Option<Reason>,
    responses((status = 200, description = "The plan", body = Plan))
)]
pub async fn stop_roll_out(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    PlanName(name): PlanName,
    OptionalBody(Reason { reason }): OptionalBody<Reason>,
) -> Result<Json<Plan>, Problem> {
    Ok(Json(state.ledger.stop_plan_roll_out(&name, &token.because(reason.as_deref())?).await?))
}

/// Resume the roll-out of a plan
#[utoipa::path(
    post, path = "/api/v1/plans/{name}/roll-out/resume", operation_id = "resumePlanRollOut", tag = "plans", security(("token" = ["manage"])),
    params(("name" = String, Path, description = "The plan's name", pattern = "name")), request_body = Option<Reason>,
    responses((status = 200, description = "The plan", body = Plan))
)]
pub async fn resume_roll_out(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    PlanName(name): PlanName,
    OptionalBody(Reason { reason }): OptionalBody<Reason>,
) -> Result<Json<Plan>, Problem> {
    let plan = state.ledger.resume_plan_roll_out(&name, &token.because(reason.as_deref())?).await?;
    state.engine.nudge_roll();
    Ok(Json(plan))
}

fn label(written: Option<&str>) -> Result<Option<String>, Problem> {
    let label = written.map(|written| text::label(written, 1..=100)).transpose();
    label.map_err(|error| Problem::invalid("label", error.to_string()))
}
