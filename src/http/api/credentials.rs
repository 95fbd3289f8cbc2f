//! The credentials of one database: see them, with a reason; have a new password made.

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
    databases::{ChangeAnswer, Reason, changed},
    extract::{Body, Id, OptionalBody},
    problem::Problem,
};
use crate::{http::limits::HoldsSecret, state::AppState};
use fleet_types::{Connection, text};
use ledger::{Disclosure, Way};

/// Why the credentials must be seen.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reason": "ticket 4711: the owner lost the connection string" }))]
pub struct DisclosureRequest {
    #[schema(pattern = "required_reason")]
    reason: String,
}

/// How clients connect, and how sure that is.
#[derive(Serialize, ToSchema)]
pub struct Credentials {
    connection: Connection,
    /// When Neon last confirmed the password; where it never did, when a connection with it was last answered.
    verified_at: Option<DateTime<Utc>>,
    /// When it was noticed that the password had been changed on Neon, past Flotilla. This is the new one.
    changed_on_neon_at: Option<DateTime<Utc>>,
    /// Why Neon was not able to confirm it just now; absent when it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_verified_because: Option<String>,
}

/// Read the credentials of a database
///
/// Of a claimed one, as Neon has them now; where Neon does not answer within a few seconds, as they are stored, with the reason in
/// `not_verified_because`. Each call is an event with your reason and your address, written before the answer leaves. A token may ask 60 times an hour.
#[utoipa::path(
    post, path = "/api/v1/databases/{id}/credentials", operation_id = "discloseCredentials", tag = "databases", security(("token" = ["reveal"])),
    params(("id" = Uuid, Path, description = "The database's id")), request_body = DisclosureRequest,
    responses((status = 200, description = "The credentials", body = Credentials))
)]
pub async fn disclose_credentials(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Id(id): Id,
    Body(DisclosureRequest { reason }): Body<DisclosureRequest>,
) -> Result<Response, Problem> {
    let reason = text::reason(&reason, *text::REASON_LENGTH.start())
        .map_err(|error| Problem::invalid("reason", format!("The reason stays in the history. {error}")))?;
    let by = token.because(Some(&reason))?;
    let claimant = token.claimant();
    let disclosure =
        Disclosure { way: Way::CredentialsCall, address: &claimant.address, pools: claimant.pools.as_deref() };
    let stored = state.ledger.disclose(id, &disclosure, &by).await?;
    let current = state.engine.current_credentials(id, &stored).await?;
    let credentials = Credentials {
        connection: current.connection,
        verified_at: current.verified_at,
        changed_on_neon_at: current.changed_on_neon_at,
        not_verified_because: current.not_verified_because,
    };
    let mut response = (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Json(credentials)).into_response();
    response.extensions_mut().insert(HoldsSecret);
    Ok(response)
}

/// Rotate the password of a database
///
/// Neon makes a new one. `done` says that it has and that it is stored; within seconds of that the new one works, the old one does not, and open
/// connections are cut. The new one is told by
/// `POST /api/v1/databases/{id}/credentials`, and to the client that claimed the database by repeating its claim.
#[utoipa::path(
    post, path = "/api/v1/databases/{id}/rotate-password", operation_id = "rotatePassword", tag = "databases", security(("token" = ["manage"])),
    params(("id" = Uuid, Path, description = "The database's id")), request_body = Option<Reason>,
    responses(
        (status = 200, description = "Neon has made a new password, and it is stored", body = ChangeAnswer),
        (status = 202, description = "Recorded, and not yet confirmed by Neon", body = ChangeAnswer),
    )
)]
pub async fn rotate_password(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    Id(id): Id,
    OptionalBody(Reason { reason }): OptionalBody<Reason>,
) -> Result<Response, Problem> {
    state.ledger.request_password_reset(id, &token.because(reason.as_deref())?).await?;
    let outcome = state.engine.apply_now(id).await;
    changed(&state, id, outcome).await
}
