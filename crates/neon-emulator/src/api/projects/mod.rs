//! Projects: get, delete, recover; list, creation and update have files of their own.

pub mod checks;
mod create;
mod list;
mod settings;
mod update;

pub use create::create;
pub use list::{list, list_shared};
pub use update::update;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::shapes::{self, Detail};
use super::{ApiError, Context};
use crate::model::{Project, Refusal};
use crate::sizes;
use crate::store::Which;

pub async fn read(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let mut project = sizes::measured(&context, &project_id).await?;
    if context.config.unknowns.counters_stay_zero {
        project.forget_usage(context.clock.now());
    }
    let organization = context.organizations.get(&project.org_id).ok_or_else(|| ApiError::not_found("organization"))?;
    Ok(Json(json!({"project": shapes::project(&project, Detail::Read(&organization), context.clock.now())})))
}

pub async fn delete(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let timing = context.timing;
    let is_protected = context.store.has_protected_branch(&project_id).await?;
    let change = |project: &mut Project, now| {
        if is_protected {
            return Err(Refusal::Protected("cannot delete a project with protected branches"));
        }
        project.delete(now, &timing).map(|()| Vec::new())
    };
    let (project, _) = match context.store.change(&project_id, Which::Live, change).await {
        Err(Refusal::NotFound(_)) => return deleted_before(&context, &project_id).await,
        changed => changed.map_err(|refusal| ApiError::refused(refusal, &context.config.unknowns))?,
    };
    context.let_branches_go(&project).await?;
    Ok(Json(json!({"project": shapes::project(&project, Detail::Changed, context.clock.now())})))
}

/// What a second deletion is told: the same, but thinner.
async fn deleted_before(context: &Context, project_id: &str) -> Result<Json<Value>, ApiError> {
    let is_known = !context.config.unknowns.second_deletion_is_404;
    let project = context.store.deleted_project(project_id).await?.filter(|_| is_known);
    let project = project.ok_or(Refusal::NotFound("project"))?;
    Ok(Json(json!({"project": shapes::thin_project(&project, context.clock.now())})))
}

pub async fn recover(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let since = context.recoverable_since();
    let change = |project: &mut Project, now| {
        if project.deleted_at.is_none_or(|at| at < since) {
            return Err(Refusal::NotFound("project"));
        }
        project.recover(now);
        Ok(Vec::new())
    };
    let org_id = context.store.org_of_project(&project_id).await?.unwrap_or_default();
    // What counts already needs no further place.
    let room = context.organizations.get(&org_id).filter(|_| !context.config.unknowns.deleted_count_towards_limit);
    let which = Which::Recoverable { room: room.as_ref() };
    let (project, _) = context.store.change(&project_id, which, change).await?;
    let now = context.clock.now();
    let branches = context.store.views(&project_id, now).await?;
    Ok(Json(json!({
        "project": shapes::project(&project, Detail::Changed, now),
        "branches": branches.iter().map(|branch| shapes::branch(branch, now)).collect::<Vec<_>>(),
    })))
}
