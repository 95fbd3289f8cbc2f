//! Roles of a branch, and their passwords.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::branches::of_branch;
use super::extract::Body;
use super::projects::checks;
use super::{ApiError, Context, shapes};
use crate::apply;
use crate::model::Refusal;

pub async fn list(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    let objects = context.store.objects(&project).await?;
    let roles: Vec<Value> = objects.roles.iter().map(shapes::role).collect();
    Ok(Json(json!({ "roles": roles })))
}

pub async fn read(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id, name)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    let objects = context.store.objects(&project).await?;
    Ok(Json(json!({"role": shapes::role(objects.role(&name)?)})))
}

pub async fn reveal_password(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id, name)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    let objects = context.store.objects(&project).await?;
    let role = objects.role(&name)?;
    if !project.store_passwords {
        return Err(ApiError::new(StatusCode::PRECONDITION_FAILED, "passwords are not stored for this project"));
    }
    Ok(Json(json!({"password": role.password})))
}

#[derive(Debug, Deserialize)]
pub struct CreateRequest {
    role: NewRole,
}

#[derive(Debug, Deserialize)]
struct NewRole {
    name: String,
    #[serde(default)]
    no_login: bool,
}

pub async fn create(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Path<(String, String)>,
    Body(request): Body<CreateRequest>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let NewRole { name, no_login } = request.role;
    checks::identifier("role name", Some(&name))?;
    let timing = context.timing;
    let (project, role, operations) = context
        .store
        .change_objects(&project_id, &branch_id, |project, objects, now| {
            let operations = project.apply_objects(true, now, &timing)?;
            Ok((objects.add_role(&branch_id, &name, no_login, now)?, operations))
        })
        .await?;
    apply::when_due(&context, &project).await;
    let operations = shapes::operations(&operations, context.clock.now());
    Ok((StatusCode::CREATED, Json(json!({"role": shapes::role_with_password(&role), "operations": operations}))))
}

pub async fn reset_password(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id, name)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let timing = context.timing;
    let (project, role, operations) = context
        .store
        .change_objects(&project_id, &branch_id, |project, objects, now| {
            objects.role(&name)?;
            let operations = project.apply_objects(true, now, &timing)?;
            Ok((objects.reset_password(&name, now, project.apply_due.unwrap_or(now))?, operations))
        })
        .await?;
    apply::when_due(&context, &project).await;
    let operations = shapes::operations(&operations, context.clock.now());
    Ok(Json(json!({"role": shapes::role_with_password(&role), "operations": operations})))
}

/// 204 if there is no such role.
pub async fn delete(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id, name)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let timing = context.timing;
    let changed = context
        .store
        .change_objects(&project_id, &branch_id, |project, objects, now| {
            let role = objects.remove_role(&name)?;
            Ok((role, project.apply_objects(true, now, &timing)?))
        })
        .await;
    let (project, role, operations) = match changed {
        Err(Refusal::NotFound("role")) => return Ok(StatusCode::NO_CONTENT.into_response()),
        changed => changed?,
    };
    apply::when_due(&context, &project).await;
    let operations = shapes::operations(&operations, context.clock.now());
    Ok(Json(json!({"role": shapes::role(&role), "operations": operations})).into_response())
}
