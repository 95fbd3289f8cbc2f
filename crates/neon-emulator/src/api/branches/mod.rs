//! Branches: get, update, delete, recover, set as default; list, creation and restore have files of their own.

mod create;
mod list;
mod restore;

pub use create::create;
pub use list::{count, list};
pub use restore::restore;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{Body, Parameters};
use super::projects::checks;
use super::{ApiError, Context, shapes};
use crate::model::{Operation, Project, Refusal};
use crate::sizes;
use crate::store::{Place, Which};

type Ids = Path<(String, String)>;

pub async fn read(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Ids,
) -> Result<Json<Value>, ApiError> {
    let project = sizes::measured_in(&context, &project_id, Place::Branch(&branch_id)).await?;
    let annotation = json!({"object": {"type": "console/branch", "id": branch_id}, "value": {}});
    Ok(Json(json!({"branch": shapes::branch(&project, context.clock.now()), "annotation": annotation})))
}

pub async fn endpoints(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Ids,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    let now = context.clock.now();
    let endpoints: Vec<Value> = project.has_endpoint.then(|| shapes::endpoint(&project, now)).into_iter().collect();
    Ok(Json(json!({ "endpoints": endpoints })))
}

#[derive(Debug, Deserialize)]
pub struct UpdateRequest {
    branch: BranchUpdate,
}

/// What is absent stays as it is.
#[derive(Debug, Deserialize)]
struct BranchUpdate {
    name: Option<String>,
    protected: Option<bool>,
    expires_at: Option<String>,
}

pub async fn update(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Ids,
    Body(request): Body<UpdateRequest>,
) -> Result<Json<Value>, ApiError> {
    let BranchUpdate { name, protected, expires_at } = request.branch;
    checks::branch_name(name.as_deref())?;
    not_emulated(expires_at.is_some(), "expires_at of branches")?;
    if let Some(name) = &name {
        name_must_be_free(&context, &project_id, name, Some(&branch_id)).await?;
    }
    let change = |project: &mut Project, now| {
        project.must_be_unlocked(now)?;
        project.branch_name = name.unwrap_or_else(|| project.branch_name.clone());
        project.branch_protected = protected.unwrap_or(project.branch_protected);
        project.updated_at = now;
        Ok(Vec::new())
    };
    let (project, operations) = context.store.change_in(&project_id, Place::Branch(&branch_id), change).await?;
    Ok(answer(&context, &project, &operations))
}

#[derive(Debug, Deserialize)]
pub struct DeleteParameters {
    #[serde(default)]
    hard_delete: bool,
}

/// 204 if there is no such branch.
pub async fn delete(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Ids,
    Parameters(parameters): Parameters<DeleteParameters>,
) -> Result<Response, ApiError> {
    if let Some(child) = context.store.children(&branch_id).await?.first() {
        let text = format!("cannot delete branch that has children: {child}");
        return Err(Refusal::Unprocessable(text).into());
    }
    let timing = context.timing;
    let change = |project: &mut Project, now| project.delete_branch(now, &timing);
    let (project, operations) = match context.store.change_in(&project_id, Place::Branch(&branch_id), change).await {
        Err(Refusal::NotFound("branch")) => return Ok(StatusCode::NO_CONTENT.into_response()),
        changed => changed.map_err(|refusal| ApiError::refused(refusal, &context.config.unknowns))?,
    };
    context.cut_connections(&project).await;
    if parameters.hard_delete {
        context.remove_branch(&project).await.map_err(|error| {
            tracing::error!(error = %format!("{error:#}"), branch.id = %branch_id, "a branch could not be removed");
            ApiError::internal()
        })?;
    }
    Ok(answer(&context, &project, &operations).into_response())
}

/// Brings a deleted branch back, with its endpoint idle.
pub async fn recover(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Ids,
) -> Result<Json<Value>, ApiError> {
    let now = context.clock.now();
    context.store.project(&project_id, now).await?.must_be_unlocked(now)?;
    if !context.store.recover_branch(&project_id, &branch_id, context.recoverable_since()).await? {
        return Err(ApiError::not_found("branch"));
    }
    let project = of_branch(&context, &project_id, &branch_id).await?;
    let mut body = json!({"branch": shapes::branch(&project, now)});
    if project.has_endpoint {
        body["endpoints"] = json!([shapes::endpoint(&project, now)]);
    }
    Ok(Json(body))
}

pub async fn set_as_default(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Ids,
) -> Result<Json<Value>, ApiError> {
    of_branch(&context, &project_id, &branch_id).await?;
    let change = |root: &mut Project, now| {
        root.must_be_unlocked(now)?;
        root.default_branch_id = (root.branch_id != branch_id).then(|| branch_id.clone());
        root.updated_at = now;
        Ok(Vec::new())
    };
    let (_, operations) = context.store.change(&project_id, Which::Live, change).await?;
    let project = of_branch(&context, &project_id, &branch_id).await?;
    Ok(answer(&context, &project, &operations))
}

/// The project seen from one of its branches.
pub async fn of_branch(context: &Context, project_id: &str, branch_id: &str) -> Result<Project, ApiError> {
    Ok(context.store.view(project_id, Place::Branch(branch_id), context.clock.now()).await?)
}

fn answer(context: &Context, project: &Project, operations: &[Operation]) -> Json<Value> {
    let now = context.clock.now();
    Json(json!({"branch": shapes::branch(project, now), "operations": shapes::operations(operations, now)}))
}

/// Names of branches are unique within their project, apart from the branch's own.
async fn name_must_be_free(
    context: &Context,
    project_id: &str,
    name: &str,
    own_id: Option<&str>,
) -> Result<(), ApiError> {
    let views = context.store.views(project_id, context.clock.now()).await?;
    if views.iter().any(|view| view.branch_name == name && own_id != Some(view.branch_id.as_str())) {
        return Err(Refusal::Exists("branch already exists".into()).into());
    }
    Ok(())
}

/// Refuses what would otherwise be believed to be done.
fn not_emulated(is_asked_for: bool, what: &str) -> Result<(), Refusal> {
    if is_asked_for { Err(Refusal::Unprocessable(format!("the emulator has no {what}"))) } else { Ok(()) }
}
