//! `GET /projects`: pages by cursor, newest first, and what faults make of them.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::extract::{Parameters, limit};
use crate::api::shapes;
use crate::api::{ApiError, Context};
use crate::clock::Instant;
use crate::faults::Lies;
use crate::keys::{Caller, KeyKind};
use crate::model::{Project, Refusal};
use crate::store::Page;

const LARGEST_PAGE: i64 = 400;

#[derive(Debug, Deserialize)]
pub struct ListParameters {
    limit: Option<i64>,
    cursor: Option<String>,
    search: Option<String>,
    org_id: Option<String>,
    recoverable: Option<bool>,
}

pub async fn list(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Extension(lies): Extension<Lies>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<Value>, ApiError> {
    if caller.kind == KeyKind::Personal && parameters.org_id.is_none() {
        return Err(ApiError::bad_request("org_id is required, you can find it on your organization settings page"));
    }
    if parameters.org_id.is_some_and(|org_id| org_id != context.config.org_id) {
        return Err(ApiError::not_found("organization"));
    }
    let now = context.clock.now();
    let page = Page {
        limit: limit(parameters.limit, 10, LARGEST_PAGE)?,
        cursor: parameters.cursor.filter(|cursor| !cursor.is_empty()),
        search: parameters.search.filter(|search| !search.is_empty()),
        deleted_since: parameters.recoverable.unwrap_or(false).then(|| context.recoverable_since()),
    };
    let projects = visible(&context, page, &lies, now).await?;
    Ok(Json(body(&context, &projects, &lies, now)))
}

/// One page of what is not hidden. It is filled up, so that its length tells nothing.
async fn visible(context: &Context, page: Page, lies: &Lies, now: Instant) -> Result<Vec<Project>, Refusal> {
    if lies.hide_nothing() {
        return context.store.page(&page, now).await;
    }
    let wanted = page.limit;
    let mut page = Page { limit: LARGEST_PAGE, ..page };
    let mut visible: Vec<Project> = Vec::new();
    loop {
        let projects = context.store.page(&page, now).await?;
        page.cursor = projects.last().map(|last| last.id.clone());
        let is_last = (projects.len() as i64) < page.limit;
        visible.extend(projects.into_iter().filter(|project| !lies.hide(project, now)));
        if is_last || visible.len() as i64 >= wanted {
            visible.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
            return Ok(visible);
        }
    }
}

fn body(context: &Context, projects: &[Project], lies: &Lies, now: Instant) -> Value {
    let window = TimeDelta::from_std(context.config.recovery_window).unwrap_or(TimeDelta::MAX);
    let (withheld, shown): (Vec<&Project>, Vec<&Project>) =
        projects.iter().partition(|project| lies.withhold(&project.id));
    let items: Vec<Value> = shown.into_iter().map(|project| shapes::list_item(project, window, now)).collect();
    let mut body = json!({"projects": items, "applications": {}, "integrations": {}});
    if !withheld.is_empty() {
        body["unavailable_project_ids"] = withheld.iter().map(|project| project.id.as_str()).collect();
    }
    if let Some(last) = projects.last() {
        body["pagination"] = json!({"cursor": last.id});
    }
    body
}

/// No account shares projects with this one.
pub async fn list_shared() -> Json<Value> {
    Json(json!({"projects": []}))
}
