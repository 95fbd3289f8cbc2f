//! One database: read it, suspend it, resume it, release it.

use axum::{
    Extension, Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    bearer::Token,
    extract::{Id, OptionalBody},
    problem::Problem,
    shapes::Database,
};
use crate::state::AppState;
use engine::Terms;
use fleet_types::{EndpointAction, Outcome};

/// Why, for the history.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "account closed" }))]
pub struct Reason {
    #[schema(pattern = "reason")]
    pub reason: Option<String>,
}

/// A release: why, for the history, and on which terms.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "account closed" }))]
pub struct Release {
    /// Needed with `anyway`.
    #[schema(pattern = "reason")]
    pub reason: Option<String>,
    /// Of a database that nobody is known to hold (`available`, `withheld`): delete it without looking into it. Refused when somebody holds it.
    pub anyway: Option<bool>,
    /// Release it only if nobody has claimed it; else the answer is 409. For ids from a list that may be old by now.
    pub only_unclaimed: Option<bool>,
}

/// What came of a change.
#[derive(Serialize, ToSchema)]
pub struct ChangeAnswer {
    pub status: ChangeStatus,
    /// Why it is not done yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What will come of it that may not be meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    pub database: Database,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeStatus {
    /// Neon has confirmed it.
    Done,
    /// Recorded; it will be carried out, and tried again until it is.
    Pending,
}

/// Read a database
#[utoipa::path(
    get, path = "/api/v1/databases/{id}", operation_id = "readDatabase", tag = "databases", security(("token" = ["read"])),
    params(("id" = Uuid, Path, description = "The database's id")),
    responses((status = 200, description = "The database", body = Database))
)]
pub async fn read_database(State(state): State<AppState>, Id(id): Id) -> Result<Json<Database>, Problem> {
    Ok(Json(state.ledger.database(id).await?.into()))
}

/// Suspend a database
///
/// Stops its compute at once; the next connection wakes it.
#[utoipa::path(
    post, path = "/api/v1/databases/{id}/suspend", operation_id = "suspendDatabase", tag = "databases", security(("token" = ["manage"])),
    params(("id" = Uuid, Path, description = "The database's id")), request_body = Option<Reason>,
    responses(
        (status = 200, description = "Suspended", body = ChangeAnswer),
        (status = 202, description = "Recorded, and not yet confirmed by Neon", body = ChangeAnswer),
    )
)]
pub async fn suspend_database(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Id(id): Id,
    OptionalBody(Reason { reason }): OptionalBody<Reason>,
) -> Result<Response, Problem> {
    state.ledger.request_endpoint_action(id, EndpointAction::Suspend, &token.because(reason.as_deref())?).await?;
    let outcome = state.engine.apply_now(id).await;
    changed(&state, id, outcome).await
}

/// Resume a database
///
/// Starts its compute, so that the next connection need not wait.
#[utoipa::path(
    post, path = "/api/v1/databases/{id}/resume", operation_id = "resumeDatabase", tag = "databases", security(("token" = ["manage"])),
    params(("id" = Uuid, Path, description = "The database's id")), request_body = Option<Reason>,
    responses(
        (status = 200, description = "Running", body = ChangeAnswer),
        (status = 202, description = "Recorded, and not yet confirmed by Neon", body = ChangeAnswer),
    )
)]
pub async fn resume_database(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Id(id): Id,
    OptionalBody(Reason { reason }): OptionalBody<Reason>,
) -> Result<Response, Problem> {
    state.ledger.request_endpoint_action(id, EndpointAction::Resume, &token.because(reason.as_deref())?).await?;
    let outcome = state.engine.apply_now(id).await;
    changed(&state, id, outcome).await
}

/// Release a database
///
/// Gives it up for good: it is deleted on Neon, where it can be recovered for 7 days, and never handed to anybody else.
/// Its owner may claim another one. A database that nobody is known to hold (`available`, `withheld`) is looked into first: when something has been made in
/// it, its project's name on Neon tells an owner, or it cannot be looked into, nothing is done and the answer is 409 with what was found. With `anyway` and a
/// reason it is deleted all the same; in safe mode not against its name.
/// Of a claimed database it ends the claim. To release what nobody has claimed, as the list of `state=available` showed it a moment ago, say `only_unclaimed`.
#[utoipa::path(
    post, path = "/api/v1/databases/{id}/release", operation_id = "releaseDatabase", tag = "databases", security(("token" = ["manage"])),
    params(("id" = Uuid, Path, description = "The database's id")), request_body = Option<Release>,
    responses(
        (status = 200, description = "Deleted", body = ChangeAnswer),
        (status = 202, description = "Recorded, and not yet confirmed by Neon", body = ChangeAnswer),
    )
)]
pub async fn release_database(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Id(id): Id,
    OptionalBody(Release { reason, anyway, only_unclaimed }): OptionalBody<Release>,
) -> Result<Response, Problem> {
    let by = token.because(reason.as_deref())?;
    let terms = Terms { anyway: anyway.unwrap_or_default(), only_unclaimed: only_unclaimed.unwrap_or_default() };
    let outcome = state.engine.release(id, terms, &by).await?;
    changed(&state, id, outcome).await
}

/// The database as it is after the change, and whether Neon has confirmed it.
pub async fn changed(state: &AppState, id: Uuid, outcome: Outcome) -> Result<Response, Problem> {
    changed_with(state, id, outcome, None).await
}

/// [`changed`], with a warning.
pub async fn changed_with(
    state: &AppState,
    id: Uuid,
    outcome: Outcome,
    warning: Option<String>,
) -> Result<Response, Problem> {
    let (code, status, detail) = match outcome {
        Outcome::Done => (StatusCode::OK, ChangeStatus::Done, None),
        Outcome::Pending(why) => (StatusCode::ACCEPTED, ChangeStatus::Pending, Some(why)),
    };
    let database = state.ledger.database(id).await?.into();
    Ok((code, Json(ChangeAnswer { status, detail, warning, database })).into_response())
}
