//! The switches over HTTP, under `/_emulator`: no key, no limits, no faults.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::ApiError;
use crate::clock::Clock;
use crate::context::Context;
use crate::faults::Switches;
use crate::fleet::{self, FleetSpec};

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/faults", get(show).put(set).delete(clear))
        .route("/stats", get(stats).delete(reset_stats))
        .route("/clock", get(clock).post(change_clock))
        .route("/fleet", post(seed_fleet))
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
