//! What a key reaches: which organisation a call is about, and which projects it may touch.

use axum::extract::Request;
use axum::http::StatusCode;

use super::{ApiError, Context};
use crate::faults::id_in_path;
use crate::keys::{Caller, Holder};
use crate::model::{Organization, Refusal};
use crate::route::Route;
use crate::transfers;

/// Neon answers other keys as if the route were not there.
pub fn must_be_personal(caller: &Caller) -> Result<(), ApiError> {
    match caller.holder {
        Holder::Person => Ok(()),
        Holder::Organization(_) => Err(ApiError::new(StatusCode::NOT_FOUND, "not allowed for organization API keys")),
    }
}

/// The organisation of this id, if the caller is in it.
pub fn organization_of(context: &Context, caller: &Caller, org_id: &str) -> Result<Organization, ApiError> {
    let organization = context.organizations.get(org_id).ok_or_else(|| ApiError::not_found("organization"))?;
    match &caller.holder {
        Holder::Organization(own) if *own != organization.id => Err(foreign(context, "organization")),
        _ => Ok(organization),
    }
}

/// The organisation that a call is about: a person has to name one, an organisation's key is about its own.
pub fn organization_meant(context: &Context, caller: &Caller, named: Option<&str>) -> Result<Organization, ApiError> {
    match (&caller.holder, named) {
        (_, Some(org_id)) => organization_of(context, caller, org_id),
        (Holder::Organization(own), None) => organization_of(context, caller, own),
        (Holder::Person, None) => {
            Err(ApiError::bad_request("org_id is required, you can find it on your organization settings page"))
        }
    }
}

/// All organisations that the caller is in.
pub fn organizations_of(context: &Context, caller: &Caller) -> Vec<Organization> {
    let mut all = context.organizations.all();
    all.retain(|organization| match &caller.holder {
        Holder::Person => true,
        Holder::Organization(own) => *own == organization.id,
    });
    all
}

/// Refuses a call about one project that the caller's organisation does not have, or a change while the project is on
/// its way to another organisation.
pub async fn to_project(context: &Context, caller: &Caller, project_id: &str, reads: bool) -> Result<(), ApiError> {
    if let Holder::Organization(own) = &caller.holder
        && context.organizations.are_several()
        && context.store.org_of_project(project_id).await?.is_some_and(|org_id| org_id != *own)
    {
        return Err(foreign(context, "project"));
    }
    if !reads && transfers::is_locked(context, project_id).await? {
        return Err(Refusal::OperationsRunning.into());
    }
    Ok(())
}

/// A key of one project reads where it stands, and does everything in its project but delete it.
pub fn is_within_project(route: &Route, request: &Request, project_id: &str) -> bool {
    match (route.method.as_str(), route.template.as_str()) {
        (_, "/auth" | "/regions" | "/users/me/organizations") => true,
        ("DELETE", "/projects/{project_id}") => false,
        (_, template) => {
            template.starts_with("/projects/{project_id}") && id_in_path(request).as_deref() == Some(project_id)
        }
    }
}

/// As if it were not there, unless a switch says otherwise.
fn foreign(context: &Context, what: &str) -> ApiError {
    let status = status(context.config.unknowns.foreign_status, StatusCode::NOT_FOUND);
    ApiError { status, ..ApiError::not_found(what) }
}

/// A status that may be switched.
pub fn status(switched: Option<u16>, usual: StatusCode) -> StatusCode {
    switched.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(usual)
}
