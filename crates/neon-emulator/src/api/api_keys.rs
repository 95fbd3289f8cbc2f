//! API keys of the person and of the organisation: list, create, revoke. The token is told once.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{must_be_personal, organization_of};
use super::account::USER_ID;
use super::extract::Body;
use super::shapes::{set, time};
use super::{ApiError, Context};
use crate::keys::{ApiKey, Caller, Holder};
use crate::names;

const LONGEST_NAME: usize = 64;

#[derive(Debug, Deserialize)]
pub struct CreateRequest {
    key_name: String,
    project_id: Option<String>,
}

pub async fn list(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, ApiError> {
    must_be_personal(&caller)?;
    Ok(listed(&context, &Holder::Person))
}

pub async fn create(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<CreateRequest>,
) -> Result<Json<Value>, ApiError> {
    must_be_personal(&caller)?;
    created(&context, &Holder::Person, &request.key_name, None).await
}

pub async fn revoke(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(key_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    must_be_personal(&caller)?;
    revoked(&context, &Holder::Person, &key_id).await
}

pub async fn list_of_organization(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(org_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let organization = organization_of(&context, &caller, &org_id)?;
    Ok(listed(&context, &Holder::Organization(organization.id)))
}

/// An organisation's key makes no further ones.
pub async fn create_in_organization(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(org_id): Path<String>,
    Body(request): Body<CreateRequest>,
) -> Result<Json<Value>, ApiError> {
    must_be_personal(&caller)?;
    let organization = organization_of(&context, &caller, &org_id)?;
    if let Some(project_id) = &request.project_id {
        let project = context.store.project(project_id, context.clock.now()).await?;
        if project.org_id != organization.id {
            return Err(ApiError::not_found("project"));
        }
    }
    let holder = Holder::Organization(organization.id);
    created(&context, &holder, &request.key_name, request.project_id.as_deref()).await
}

pub async fn revoke_in_organization(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path((org_id, key_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let organization = organization_of(&context, &caller, &org_id)?;
    revoked(&context, &Holder::Organization(organization.id), &key_id).await
}

fn listed(context: &Context, holder: &Holder) -> Json<Value> {
    let item = |key: &ApiKey| {
        let mut item = shape(key);
        item["created_by"] = json!({"id": USER_ID, "name": "Emulator", "image": ""});
        item
    };
    Json(context.keys.list(holder).iter().map(item).collect())
}

async fn created(
    context: &Context,
    holder: &Holder,
    name: &str,
    project_id: Option<&str>,
) -> Result<Json<Value>, ApiError> {
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) {
        return Err(ApiError::bad_request(format!("key_name must have 1 to {LONGEST_NAME} characters")));
    }
    let key = context.store.insert_key(&names::api_key(), name, holder, project_id).await?;
    let mut answer = json!({"id": key.id, "key": key.key, "name": key.name, "created_at": time(key.created_at),
                            "created_by": USER_ID});
    set(&mut answer, "project_id", project_id);
    context.keys.add(key);
    Ok(Json(answer))
}

async fn revoked(context: &Context, holder: &Holder, key_id: &str) -> Result<Json<Value>, ApiError> {
    let keys = context.keys.list(holder);
    let key = keys.iter().find(|key| key.id.to_string() == key_id).ok_or_else(|| ApiError::not_found("api key"))?;
    context.store.revoke_key(key.id).await?;
    context.keys.remove(key.id);
    let mut answer = shape(key);
    answer["created_by"] = USER_ID.into();
    answer["revoked"] = true.into();
    Ok(Json(answer))
}

/// What lists and revocations tell about a key, without its token.
fn shape(key: &ApiKey) -> Value {
    let mut shape = json!({
        "id": key.id,
        "name": key.name,
        "created_at": time(key.created_at),
        "created_by": USER_ID,
        // The emulator does not look where calls come from.
        "last_used_from_addr": "",
    });
    set(&mut shape, "last_used_at", key.last_used_at.map(time));
    set(&mut shape, "project_id", key.project_id.as_deref());
    shape
}
