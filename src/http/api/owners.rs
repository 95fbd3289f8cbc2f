//! The owners of databases: what changes about them.

use axum::{Extension, Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    bearer::Token,
    extract::{Body, OwnerId},
    problem::Problem,
    validate::Validation,
};
use crate::state::AppState;
use fleet_types::{Owner, text};
use ledger::OwnerChange;

/// What shall be different of an owner; what is absent or null stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "ada@new.example", "reason": "ticket 4711" }))]
pub struct OwnerPatch {
    #[schema(min_length = 3, max_length = 320, pattern = "email")]
    email: Option<String>,
    /// Empty for none.
    #[schema(pattern = "line 200")]
    organisation: Option<String>,
    /// Why, for the history.
    #[schema(pattern = "reason")]
    reason: Option<String>,
}

/// Change an owner
///
/// Their e-mail address or organisation. Their databases, plan and quotas stay as they are.
#[utoipa::path(
    patch, path = "/api/v1/owners/{id}", operation_id = "changeOwner", tag = "owners", security(("token" = ["manage"])),
    params(("id" = String, Path, description = "Your own id of this user, percent-encoded", pattern = "id")),
    request_body = OwnerPatch,
    responses((status = 200, description = "The owner as they are now", body = Owner))
)]
pub async fn change_owner(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    OwnerId(id): OwnerId,
    Body(patch): Body<OwnerPatch>,
) -> Result<Json<Owner>, Problem> {
    let by = token.because(patch.reason.as_deref())?;
    let mut validation = Validation::default();
    let email = patch.email.map(|email| validation.read("email", text::email(&email)));
    let organisation =
        patch.organisation.map(|name| validation.read("organisation", text::group(&name, text::ORGANISATION_LENGTH)));
    validation.finish()?;
    let change = OwnerChange { email, organisation, plan: None };
    Ok(Json(state.ledger.change_owner(&id, &change, &by).await?))
}
