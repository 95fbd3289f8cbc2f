//! Databases and roles of a branch, and the strings that lead to them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::branches::of_branch;
use super::extract::Parameters;
use super::{ApiError, Context, shapes};

pub async fn list(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    Ok(Json(json!({"databases": [shapes::database(&project)]})))
}

pub async fn read(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id, name)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    must_be("database", &project.database_name, &name)?;
    Ok(Json(json!({"database": shapes::database(&project)})))
}

pub async fn roles(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    Ok(Json(json!({"roles": [shapes::role(&project)]})))
}

pub async fn role(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id, name)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    must_be("role", &project.role_name, &name)?;
    Ok(Json(json!({"role": shapes::role(&project)})))
}

pub async fn reveal_password(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id, name)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    must_be("role", &project.role_name, &name)?;
    if !project.store_passwords {
        return Err(ApiError::new(StatusCode::PRECONDITION_FAILED, "passwords are not stored for this project"));
    }
    Ok(Json(json!({"password": project.role_password})))
}

#[derive(Debug, Deserialize)]
pub struct UriParameters {
    database_name: Option<String>,
    role_name: Option<String>,
    branch_id: Option<String>,
    endpoint_id: Option<String>,
    pooled: Option<bool>,
}

pub async fn connection_uri(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
    Parameters(parameters): Parameters<UriParameters>,
) -> Result<Json<Value>, ApiError> {
    let required = |name| ApiError::bad_request(format!("the query parameter {name} is required"));
    let database = parameters.database_name.ok_or_else(|| required("database_name"))?;
    let role = parameters.role_name.ok_or_else(|| required("role_name"))?;
    let project = context.store.project(&project_id, context.clock.now()).await?;
    must_be("branch", &project.branch_id, parameters.branch_id.as_ref().unwrap_or(&project.branch_id))?;
    must_be("endpoint", &project.endpoint_id, parameters.endpoint_id.as_ref().unwrap_or(&project.endpoint_id))?;
    must_be("database", &project.database_name, &database)?;
    must_be("role", &project.role_name, &role)?;
    let pooled = parameters.pooled.unwrap_or(context.config.unknowns.pooled_by_default);
    Ok(Json(json!({"uri": shapes::connection_uri(&project, &context.proxy_address, pooled)})))
}

fn must_be(what: &str, own: &str, asked: &str) -> Result<(), ApiError> {
    if own == asked { Ok(()) } else { Err(ApiError::not_found(what)) }
}
