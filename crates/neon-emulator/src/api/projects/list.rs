//! `GET /projects`: pages by cursor, newest first, and what faults make of them.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::access::organization_meant;
use crate::api::extract::{Parameters, limit};
use crate::api::shapes;
use crate::api::{ApiError, Context};
use crate::clock::Instant;
use crate::faults::Lies;
use crate::keys::Caller;
use crate::model::{Organization, Project, Refusal};
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
    let organization = organization_meant(&context, &caller, parameters.org_id.as_deref())?;
    let now = context.clock.now();
    let page = Page {
        org_id: organization.id.clone(),
        limit: limit(parameters.limit, 10, LARGEST_PAGE)?,
        cursor: parameters.cursor.filter(|cursor| !cursor.is_empty()),
        search: parameters.search.filter(|search| !search.is_empty()),
        deleted_since: parameters.recoverable.unwrap_or(false).then(|| context.recoverable_since()),
    };
    let projects = visible(&context, page, &lies, now).await?;
    let ids: Vec<String> = projects.iter().map(|project| project.id.clone()).collect();
    let mut body = body(&context, &projects, &organization, &lies, now);
    let integrations: Map<String, Value> =
        context.store.integrations(&ids).await?.into_iter().map(|(id, one)| (id, json!([one]))).collect();
    body["applications"] = integrations.clone().into();
    body["integrations"] = integrations.into();
    Ok(Json(body))
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

fn body(context: &Context, projects: &[Project], organization: &Organization, lies: &Lies, now: Instant) -> Value {
    let window = TimeDelta::from_std(context.config.recovery_window).unwrap_or(TimeDelta::MAX);
    let (withheld, shown): (Vec<&Project>, Vec<&Project>) =
        projects.iter().partition(|project| lies.withhold(&project.id));
    let item = |project: &Project| {
        let mut item = shapes::list_item(project, window, now);
        item["org_name"] = organization.name.as_str().into();
        item
    };
    let items: Vec<Value> = shown.into_iter().map(item).collect();
    let mut body = json!({ "projects": items });
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
