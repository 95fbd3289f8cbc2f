//! Where a database differs from its plan, and the way back.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    bearer::Token,
    databases::{ChangeAnswer, changed, changed_with},
    extract::{Body, Id, Whole, whole},
    problem::Problem,
};
use crate::state::AppState;
use ledger::Relief;

/// A used-up quota, and for how long it shall be raised.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "limit": "compute_time_seconds", "hours": 24, "reason": "waits for their upgrade" }))]
pub struct ReliefRequest {
    /// The name of the limit.
    #[schema(pattern = "field")]
    limit: String,
    /// To how many per cent of the plan's; left out, to the plan's cap.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = Option<i32>, minimum = 101, maximum = 1_000)]
    percent: Option<i32>,
    /// For how long.
    #[serde(default = "a_day")]
    #[schema(value_type = i64, minimum = 1, maximum = 24, default = 24)]
    hours: Whole,
    /// Why, for the history.
    #[schema(pattern = "reason")]
    reason: Option<String>,
}

fn a_day() -> Whole {
    Whole(24)
}

/// Relieve a database
///
/// Raises one used-up quota for at most a day, within the cap of its owner's plan. Then the plan's limit returns by itself; `warning` says if that blocks
/// the database again.
#[utoipa::path(
    post, path = "/api/v1/databases/{id}/relieve", operation_id = "relieveDatabase", tag = "databases", security(("token" = ["manage"])),
    params(("id" = Uuid, Path, description = "The database's id")), request_body = ReliefRequest,
    responses(
        (status = 200, description = "Neon has confirmed it", body = ChangeAnswer),
        (status = 202, description = "Recorded, and not yet confirmed by Neon", body = ChangeAnswer),
    )
)]
pub async fn relieve_database(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Id(id): Id,
    Body(request): Body<ReliefRequest>,
) -> Result<Response, Problem> {
    let by = token.because(request.reason.as_deref())?;
    let relief = Relief { limit: request.limit, percent: request.percent, hours: request.hours.0 };
    let warning = state.ledger.relieve(id, &relief, &by).await?;
    let outcome = state.engine.apply_now(id).await;
    changed_with(&state, id, outcome, warning).await
}

/// End an override of a database
///
/// It goes back to what its owner's plan says there.
#[utoipa::path(
    delete, path = "/api/v1/databases/{id}/overrides/{field}", operation_id = "endOverride", tag = "databases", security(("token" = ["manage"])),
    params(
        ("id" = Uuid, Path, description = "The database's id"),
        ("field" = String, Path, description = "The override's `field`", pattern = "field"),
    ),
    responses(
        (status = 200, description = "Neon has confirmed it", body = ChangeAnswer),
        (status = 202, description = "Recorded, and not yet confirmed by Neon", body = ChangeAnswer),
    )
)]
pub async fn end_override(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Problem> {
    let Path((id, field)) = path.map_err(|rejection| Problem::invalid("id", rejection.body_text()))?;
    let id = Uuid::try_parse(&id).map_err(|_| Problem::invalid("id", "Write the id as a UUID."))?;
    if field.is_empty() || !field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return Err(Problem::invalid("field", "Write the name of a limit, as `compute_time_seconds`."));
    }
    state.ledger.end_override(id, &field, &token.by()).await?;
    let outcome = state.engine.apply_now(id).await;
    changed(&state, id, outcome).await
}
