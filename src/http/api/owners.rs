//! The owners of databases: what changes about them.

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    bearer::Token,
    extract::{Body, OwnerId},
    problem::Problem,
    validate::Validation,
};
use crate::state::AppState;
use fleet_types::{Effect, Owner, plan_name, text};
use ledger::{OwnerChange, OwnerChanged};

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
    /// The name of a plan, which all their databases follow.
    #[schema(max_length = 32, pattern = "name")]
    plan: Option<String>,
    /// Save nothing; answer what it would do.
    #[serde(default)]
    dry_run: bool,
    /// Why, for the history.
    #[schema(pattern = "reason")]
    reason: Option<String>,
}

/// An owner after a change.
#[derive(Serialize, ToSchema)]
pub struct ChangedOwner {
    #[serde(flatten)]
    owner: Owner,
    /// Nothing was saved: this is what the change would do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// What another plan does to their databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<Effect>,
}

/// Change an owner
///
/// Their e-mail address, their organisation, or their plan. With another plan all their databases get its quotas and compute settings; overrides of
/// single databases stay.
#[utoipa::path(
    patch, path = "/api/v1/owners/{id}", operation_id = "changeOwner", tag = "owners", security(("token" = ["manage"])),
    params(("id" = String, Path, description = "Your own id of this user, percent-encoded", pattern = "id")),
    request_body = OwnerPatch,
    responses((status = 200, description = "The owner as they are now", body = ChangedOwner))
)]
pub async fn change_owner(
    State(state): State<AppState>,
    Extension(token): Extension<Token>,
    OwnerId(id): OwnerId,
    Body(patch): Body<OwnerPatch>,
) -> Result<Json<ChangedOwner>, Problem> {
    let by = token.because(patch.reason.as_deref())?;
    let mut validation = Validation::default();
    let email = patch.email.map(|email| validation.read("email", text::email(&email)));
    let organisation =
        patch.organisation.map(|name| validation.read("organisation", text::group(&name, text::ORGANISATION_LENGTH)));
    if let Some(Err(error)) = patch.plan.as_deref().map(plan_name) {
        validation.wrong("plan", error.to_string());
    }
    validation.finish()?;
    let (change, dry_run) = (OwnerChange { email, organisation, plan: patch.plan }, patch.dry_run);
    let names_plan = change.plan.is_some();
    let OwnerChanged { owner, effect } = state.ledger.change_owner(&id, &change, dry_run, &by).await?;
    state.engine.nudge_apply();
    Ok(Json(ChangedOwner { owner, dry_run, effect: names_plan.then_some(effect) }))
}
