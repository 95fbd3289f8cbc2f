//! `GET …/branches` and `…/branches/count`. A project has few branches, so all are read and a page is cut out of them.

use std::cmp::Ordering;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::extract::{Parameters, limit};
use crate::api::{ApiError, Context, shapes};
use crate::model::Project;
use crate::sizes;

#[derive(Debug, Default, Deserialize)]
pub struct ListParameters {
    limit: Option<i64>,
    /// Id of the last branch of the page before.
    cursor: Option<String>,
    search: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    #[serde(default)]
    include_deleted: bool,
}

pub async fn list(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<Value>, ApiError> {
    let limit = usize::try_from(limit(parameters.limit, 10_000, 10_000)?).unwrap_or(usize::MAX);
    let sort_by = parameters.sort_by.as_deref().unwrap_or("updated_at");
    let compare = order(sort_by)?;
    let is_ascending = match parameters.sort_order.as_deref().map(str::to_lowercase).as_deref() {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => return Err(ApiError::bad_request("sort_order must be asc or desc")),
    };
    let mut branches = found(&context, &project_id, &parameters).await?;
    branches.sort_by(|a, b| compare(a, b).then_with(|| a.branch_id.cmp(&b.branch_id)));
    if !is_ascending {
        branches.reverse();
    }
    let begin = after(&branches, parameters.cursor.as_deref())?;
    let page = &branches[begin..branches.len().min(begin.saturating_add(limit))];
    let mut pagination = json!({"sort_by": sort_by, "sort_order": if is_ascending { "ASC" } else { "DESC" }});
    if begin + page.len() < branches.len() {
        pagination["next"] = page.last().map(|last| last.branch_id.as_str()).into();
    }
    let window = TimeDelta::from_std(context.config.recovery_window).unwrap_or(TimeDelta::MAX);
    let now = context.clock.now();
    let shapes: Vec<Value> = page.iter().map(|branch| shapes::listed_branch(branch, window, now)).collect();
    Ok(Json(json!({"branches": shapes, "annotations": {}, "pagination": pagination})))
}

#[derive(Debug, Deserialize)]
pub struct CountParameters {
    search: Option<String>,
}

pub async fn count(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
    Parameters(parameters): Parameters<CountParameters>,
) -> Result<Json<Value>, ApiError> {
    let parameters = ListParameters { search: parameters.search, ..ListParameters::default() };
    Ok(Json(json!({"count": found(&context, &project_id, &parameters).await?.len()})))
}

async fn found(context: &Context, project_id: &str, parameters: &ListParameters) -> Result<Vec<Project>, ApiError> {
    // What is in use has grown since.
    sizes::measured(context, project_id).await?;
    let mut branches = context.store.views(project_id, context.clock.now()).await?;
    if parameters.include_deleted {
        branches.extend(context.store.deleted_branches(project_id, context.recoverable_since()).await?);
    }
    let search = parameters.search.as_deref().unwrap_or_default().to_lowercase();
    branches.retain(|branch| branch.branch_name.to_lowercase().contains(&search) || branch.branch_id.contains(&search));
    Ok(branches)
}

fn order(sort_by: &str) -> Result<fn(&Project, &Project) -> Ordering, ApiError> {
    match sort_by {
        "name" => Ok(|a, b| a.branch_name.cmp(&b.branch_name)),
        "created_at" => Ok(|a, b| a.created_at.cmp(&b.created_at)),
        "updated_at" => Ok(|a, b| a.updated_at.cmp(&b.updated_at)),
        _ => Err(ApiError::bad_request("sort_by must be name, created_at or updated_at")),
    }
}

fn after(branches: &[Project], cursor: Option<&str>) -> Result<usize, ApiError> {
    let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else { return Ok(0) };
    let place = branches.iter().position(|branch| branch.branch_id == cursor);
    place.map(|place| place + 1).ok_or_else(|| ApiError::bad_request("invalid cursor"))
}
