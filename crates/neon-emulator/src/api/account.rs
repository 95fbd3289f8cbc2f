//! What concerns no project: who am I, to which organisation do I belong, and which regions are there?

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::Parameters;
use super::{ApiError, Context};
use crate::keys::{Caller, KeyKind};
use crate::regions::REGIONS;

/// When organisation and account came into being.
const FOUNDED: &str = "2024-01-01T00:00:00Z";

pub async fn auth(State(context): State<Arc<Context>>, Extension(caller): Extension<Caller>) -> Json<Value> {
    match caller.kind {
        KeyKind::Personal => Json(json!({"account_id": USER_ID, "auth_method": "api_key_user"})),
        KeyKind::Organization => Json(json!({"account_id": context.config.org_id, "auth_method": "api_key_org"})),
    }
}

pub async fn user(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, ApiError> {
    must_be_personal(&caller)?;
    let (email, name) = ("owner@example.com", "Emulator");
    Ok(Json(json!({
        "id": USER_ID,
        "email": email,
        "login": email,
        "name": name,
        "last_name": "",
        "image": "",
        "plan": "scale_v3",
        "projects_limit": context.config.projects_limit.unwrap_or(30_000),
        "branches_limit": 5_000,
        "max_autoscaling_limit": 16.0,
        "active_seconds_limit": 0,
        "compute_seconds_limit": 0,
        "auth_accounts": [{"provider": "keycloak", "email": email, "name": name, "login": email, "image": ""}],
    })))
}

pub async fn organizations(State(context): State<Arc<Context>>) -> Json<Value> {
    Json(json!({"organizations": [shape(&context)]}))
}

pub async fn organization(
    State(context): State<Arc<Context>>,
    Path(org_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    must_be_organization(&context, &org_id)?;
    Ok(Json(shape(&context)))
}

fn shape(context: &Context) -> Value {
    let id = &context.config.org_id;
    json!({"id": id, "name": "Emulator", "handle": id, "plan": "scale_v3", "created_at": FOUNDED,
           "updated_at": FOUNDED, "managed_by": "console", "allow_hipaa_projects": false, "require_mfa": false})
}

#[derive(Debug, Deserialize)]
pub struct RegionParameters {
    org_id: Option<String>,
}

pub async fn regions(
    State(context): State<Arc<Context>>,
    Parameters(parameters): Parameters<RegionParameters>,
) -> Result<Json<Value>, ApiError> {
    if let Some(org_id) = parameters.org_id {
        must_be_organization(&context, &org_id)?;
    }
    let regions: Vec<Value> = REGIONS
        .iter()
        .map(|region| {
            json!({"region_id": region.id, "name": region.name, "default": region.id == context.config.default_region,
                   "geo_lat": region.latitude, "geo_long": region.longitude})
        })
        .collect();
    Ok(Json(json!({"regions": regions})))
}

/// The one person whom all personal keys belong to.
pub const USER_ID: &str = "5d3f9c1e-7a42-4f0b-8d6a-2b1c9e0f4a77";

/// Neon answers other keys as if the route were not there.
pub fn must_be_personal(caller: &Caller) -> Result<(), ApiError> {
    match caller.kind {
        KeyKind::Personal => Ok(()),
        KeyKind::Organization => Err(ApiError::new(StatusCode::NOT_FOUND, "not allowed for organization API keys")),
    }
}

pub fn must_be_organization(context: &Context, org_id: &str) -> Result<(), ApiError> {
    if context.config.org_id == org_id { Ok(()) } else { Err(ApiError::not_found("organization")) }
}
