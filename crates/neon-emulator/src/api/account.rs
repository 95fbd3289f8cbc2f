//! What concerns no project: who am I, to which organisation do I belong, and which regions are there?

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{must_be_personal, organization_of, organizations_of};
use super::extract::Parameters;
use super::shapes::time;
use super::{ApiError, Context};
use crate::keys::{Caller, Holder};
use crate::model::Organization;
use crate::regions::REGIONS;

/// What a person may have over all organisations where these have no limits.
const MOST_PROJECTS: i64 = 30_000;

pub async fn auth(Extension(caller): Extension<Caller>) -> Json<Value> {
    match caller.holder {
        Holder::Person => Json(json!({"account_id": USER_ID, "auth_method": "api_key_user"})),
        Holder::Organization(org_id) => Json(json!({"account_id": org_id, "auth_method": "api_key_org"})),
    }
}

pub async fn user(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, ApiError> {
    must_be_personal(&caller)?;
    let limits: Option<i64> = context.organizations.all().iter().map(|organization| organization.projects_limit).sum();
    let (email, name) = ("owner@example.com", "Emulator");
    Ok(Json(json!({
        "id": USER_ID,
        "email": email,
        "login": email,
        "name": name,
        "last_name": "",
        "image": "",
        "plan": "scale_v3",
        "projects_limit": limits.unwrap_or(MOST_PROJECTS),
        "branches_limit": 5_000,
        "max_autoscaling_limit": 16.0,
        "active_seconds_limit": 0,
        "compute_seconds_limit": 0,
        "auth_accounts": [{"provider": "keycloak", "email": email, "name": name, "login": email, "image": ""}],
    })))
}

pub async fn organizations(State(context): State<Arc<Context>>, Extension(caller): Extension<Caller>) -> Json<Value> {
    let organizations: Vec<Value> = organizations_of(&context, &caller).iter().map(shape).collect();
    Json(json!({ "organizations": organizations }))
}

pub async fn organization(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(org_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(shape(&organization_of(&context, &caller, &org_id)?)))
}

fn shape(organization: &Organization) -> Value {
    let Organization { id, name, created_at, .. } = organization;
    json!({"id": id, "name": name, "handle": id, "plan": organization.plan.name(), "created_at": time(*created_at),
           "updated_at": time(*created_at), "managed_by": "console", "allow_hipaa_projects": false, "require_mfa": false})
}

#[derive(Debug, Deserialize)]
pub struct RegionParameters {
    org_id: Option<String>,
}

pub async fn regions(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Parameters(parameters): Parameters<RegionParameters>,
) -> Result<Json<Value>, ApiError> {
    let organization = match parameters.org_id {
        Some(org_id) => Some(organization_of(&context, &caller, &org_id)?),
        None => None,
    };
    let regions: Vec<Value> = REGIONS
        .iter()
        .filter(|region| organization.as_ref().is_none_or(|organization| organization.allows_region(region.id)))
        .map(|region| {
            json!({"region_id": region.id, "name": region.name, "default": region.id == context.config.default_region,
                   "geo_lat": region.latitude, "geo_long": region.longitude})
        })
        .collect();
    Ok(Json(json!({"regions": regions})))
}

/// The one person whom all personal keys belong to.
pub const USER_ID: &str = "5d3f9c1e-7a42-4f0b-8d6a-2b1c9e0f4a77";
