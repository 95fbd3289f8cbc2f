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
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::shapes::{self, Detail};
use super::{ApiError, Context};
use crate::model::{Project, Refusal};
use crate::store::Which;

pub async fn read(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let mut project = measured(&context, &project_id).await?;
    if context.config.unknowns.counters_stay_zero {
        project.forget_usage(context.clock.now());
    }
    Ok(Json(json!({"project": shapes::project(&project, Detail::Read, context.clock.now())})))
}

pub async fn delete(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let timing = context.timing;
    let change = |project: &mut Project, now| project.delete(now, &timing).map(|()| Vec::new());
    let (project, _) = context.store.change(&project_id, Which::Live, change).await?;
    context.cut_connections(&project).await;
    Ok(Json(json!({"project": shapes::project(&project, Detail::Changed, context.clock.now())})))
}

pub async fn recover(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let window = TimeDelta::from_std(context.config.recovery_window).unwrap_or(TimeDelta::MAX);
    let change = |project: &mut Project, now| {
        if project.deleted_at.is_none_or(|at| now - at > window) {
            return Err(Refusal::NotFound("project"));
        }
        project.recover(now);
        Ok(Vec::new())
    };
    let (project, _) = context.store.change(&project_id, Which::Recoverable, change).await?;
    let now = context.clock.now();
    Ok(Json(json!({
        "project": shapes::project(&project, Detail::Changed, now),
        "branches": [shapes::branch(&project, now)],
    })))
}

/// The project with the present size of its database. What was found is kept for the lists.
pub async fn measured(context: &Context, project_id: &str) -> Result<Project, ApiError> {
    let project = context.store.project(project_id, context.clock.now()).await?;
    if project.materialized_at.is_none() {
        return Ok(project);
    }
    let database = context.backing.names(&project).database;
    let size = context.backing.size(&database).await.map_err(Refusal::Store)?;
    let mut present = project.clone();
    present.measured(size.unwrap_or(project.empty_size));
    if present.logical_size == project.logical_size {
        return Ok(project);
    }
    let change = |project: &mut Project, _| {
        project.measured(size.unwrap_or(project.empty_size));
        Ok(Vec::new())
    };
    let (project, _) = context.store.change(project_id, Which::Live, change).await?;
    Ok(project)
}
