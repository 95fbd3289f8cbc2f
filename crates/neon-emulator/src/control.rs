//! The switches over HTTP, under `/_emulator`: no key, no limits, no faults.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::ApiError;
use crate::clock::Clock;
use crate::context::Context;
use crate::faults::Switches;
use crate::fleet::{self, FleetSpec};
use crate::model::{Organization, Plan};

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/faults", get(show).put(set).delete(clear))
        .route("/stats", get(stats).delete(reset_stats))
        .route("/clock", get(clock).post(change_clock))
        .route("/fleet", post(seed_fleet))
        .route("/organizations", get(organizations))
        .route("/organizations/{org_id}", put(put_organization))
        .route("/integrations", put(set_integration))
        .route("/availability-checks", post(check_availability))
        .route("/health", get(health))
}

async fn show(State(context): State<Arc<Context>>) -> Json<Switches> {
    Json(Switches { rules: context.faults.rules(), cut: context.faults.is_cut() })
}

async fn set(State(context): State<Arc<Context>>, Json(switches): Json<Switches>) -> Json<Switches> {
    context.faults.switch(switches);
    show(State(context)).await
}

async fn clear(State(context): State<Arc<Context>>) -> Json<Switches> {
    context.faults.clear();
    show(State(context)).await
}

async fn stats(State(context): State<Arc<Context>>) -> Result<Json<Value>, ControlError> {
    let mut stats = json!(context.stats.read());
    stats["live_projects"] = context.store.count_live().await.map_err(ApiError::from)?.into();
    stats["open_connections"] = context.connections.count().into();
    Ok(Json(stats))
}

async fn reset_stats(State(context): State<Arc<Context>>) -> Json<Value> {
    context.stats.reset();
    Json(json!({}))
}

async fn clock(State(context): State<Arc<Context>>) -> Json<Value> {
    Json(json!({"now": context.clock.now(), "rate": context.clock.rate()}))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    /// By how much the clock is put forward.
    #[serde(default)]
    seconds: u32,
    rate: Option<f64>,
}

async fn change_clock(
    State(context): State<Arc<Context>>,
    Json(change): Json<ClockChange>,
) -> Result<Json<Value>, ControlError> {
    if let Some(rate) = change.rate {
        if !Clock::is_rate(rate) {
            return Err(ApiError::bad_request("rate must be from 0.000000001 to 1000000").into());
        }
        context.clock.set_rate(rate);
    }
    context.clock.advance(Duration::from_secs(change.seconds.into()));
    Ok(clock(State(context)).await)
}

/// Seeds a fleet; the answer comes when it stands.
async fn seed_fleet(
    State(context): State<Arc<Context>>,
    Json(spec): Json<FleetSpec>,
) -> Result<Json<Value>, ControlError> {
    let count = fleet::seed(&context, &spec).await.map_err(ApiError::from)?;
    Ok(Json(json!({"projects": count})))
}

/// Every organisation with how many projects it has.
async fn organizations(State(context): State<Arc<Context>>) -> Result<Json<Value>, ControlError> {
    let counts = context.store.counts().await.map_err(ApiError::from)?;
    let shape = |organization: Organization| {
        let mut shape = json!(organization);
        shape["projects"] = counts.get(&organization.id).copied().unwrap_or(0).into();
        shape
    };
    let organizations: Vec<Value> = context.organizations.all().into_iter().map(shape).collect();
    Ok(Json(json!({ "organizations": organizations })))
}

/// What is absent stays as it is; a new organisation has the defaults.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganizationChange {
    name: Option<String>,
    plan: Option<Plan>,
    /// -1 takes the limit away.
    projects_limit: Option<i64>,
    regions: Option<Vec<String>>,
}

async fn put_organization(
    State(context): State<Arc<Context>>,
    Path(org_id): Path<String>,
    Json(change): Json<OrganizationChange>,
) -> Result<Json<Value>, ControlError> {
    let mut organization = context.organizations.get(&org_id).unwrap_or_else(|| Organization::new(org_id));
    organization.name = change.name.unwrap_or(organization.name);
    organization.plan = change.plan.unwrap_or(organization.plan);
    organization.regions = change.regions.unwrap_or(organization.regions);
    organization.projects_limit = match change.projects_limit {
        Some(-1) => None,
        given => given.or(organization.projects_limit),
    };
    Ok(Json(json!(context.put_organization(&organization).await.map_err(ApiError::from)?)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Integration {
    project_id: String,
    /// As `github` or `vercel`; nothing is connected, if absent.
    integration: Option<String>,
}

/// What keeps a project from being transferred.
async fn set_integration(
    State(context): State<Arc<Context>>,
    Json(given): Json<Integration>,
) -> Result<Json<Value>, ControlError> {
    let set = context.store.set_integration(&given.project_id, given.integration.as_deref());
    set.await.map_err(ApiError::from)?;
    Ok(Json(json!({})))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AvailabilityCheck {
    project_id: String,
}

/// Neon's own check of a compute, now.
async fn check_availability(
    State(context): State<Arc<Context>>,
    Json(check): Json<AvailabilityCheck>,
) -> Result<Json<Value>, ControlError> {
    let is_checked = context.check_availability(&check.project_id).await.map_err(ApiError::from)?;
    Ok(Json(json!({"checked": is_checked})))
}

async fn health(State(context): State<Arc<Context>>) -> Result<Json<Value>, ControlError> {
    context.store.count_live().await.map_err(ApiError::from)?;
    Ok(Json(json!({"status": "ok"})))
}

/// Errors here pass no gate that would shape them.
struct ControlError(ApiError);

impl From<ApiError> for ControlError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl axum::response::IntoResponse for ControlError {
    fn into_response(self) -> axum::response::Response {
        self.0.into_response_with("")
    }
}
