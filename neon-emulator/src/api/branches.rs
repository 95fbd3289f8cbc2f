//! Branches: list and get. A project has its default branch.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Parameters, limit};
use super::{ApiError, Context, projects, shapes};
use crate::model::Project;

#[derive(Debug, Deserialize)]
pub struct ListParameters {
    limit: Option<i64>,
    search: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
}

pub async fn list(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<Value>, ApiError> {
    limit(parameters.limit, 10_000, 10_000)?;
    let project = projects::measured(&context, &project_id).await?;
    let search = parameters.search.unwrap_or_default().to_lowercase();
    let is_wanted = project.branch_name.to_lowercase().contains(&search) || project.branch_id.contains(&search);
    let branches: Vec<Value> = is_wanted.then(|| shapes::branch(&project, context.clock.now())).into_iter().collect();
    let sort_by = parameters.sort_by.unwrap_or_else(|| "updated_at".into());
    let sort_order = parameters.sort_order.unwrap_or_else(|| "desc".into()).to_uppercase();
    Ok(Json(json!({
        "branches": branches,
        "annotations": {},
        "pagination": {"sort_by": sort_by, "sort_order": sort_order},
    })))
}

pub async fn read(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = projects::measured(&context, &project_id).await?;
    must_be_branch(&project, &branch_id)?;
    let annotation = json!({"object": {"type": "console/branch", "id": branch_id}, "value": {}});
    Ok(Json(json!({"branch": shapes::branch(&project, context.clock.now()), "annotation": annotation})))
}

pub async fn endpoints(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    Ok(Json(json!({"endpoints": [shapes::endpoint(&project, context.clock.now())]})))
}

/// The project, if the branch is one of its.
pub async fn of_branch(context: &Context, project_id: &str, branch_id: &str) -> Result<Project, ApiError> {
    let project = context.store.project(project_id, context.clock.now()).await?;
    must_be_branch(&project, branch_id)?;
    Ok(project)
}

fn must_be_branch(project: &Project, branch_id: &str) -> Result<(), ApiError> {
    if project.branch_id == branch_id { Ok(()) } else { Err(ApiError::not_found("branch")) }
}
