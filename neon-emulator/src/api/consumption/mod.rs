//! `GET /consumption_history/v2/projects` and its legacy form: what projects consumed, by hour, day or month.
//!
//! The numbers are those of the counters of `GET /projects/{project_id}`, as of the last refresh.

mod frames;
mod metrics;
mod query;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use chrono::DurationRound;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ApiError, Context};
use crate::clock::Instant;
use crate::model::{History, HourOfUse, Project, Silence};
use metrics::Version;
use query::Request;

type Pairs = Query<Vec<(String, String)>>;

pub async fn current(State(context): State<Arc<Context>>, Query(pairs): Pairs) -> Result<Json<Value>, ApiError> {
    answer(&context, &pairs, Version::V2).await
}

pub async fn legacy(State(context): State<Arc<Context>>, Query(pairs): Pairs) -> Result<Json<Value>, ApiError> {
    answer(&context, &pairs, Version::Legacy).await
}

async fn answer(context: &Context, pairs: &[(String, String)], version: Version) -> Result<Json<Value>, ApiError> {
    let now = context.clock.now();
    let request = Request::parse(pairs, version, context, now)?;
    let store = &context.store;
    let projects =
        store.consumers(request.limit, request.cursor.as_deref(), request.project_ids.as_deref(), now).await?;
    let ids: Vec<String> = projects.iter().map(|project| project.id.clone()).collect();
    let hours = store.hours_of_use(&ids, request.from).await?;
    let silences = store.silences(&ids, request.from).await?;
    let as_of = last_refresh(context, now);
    let items: Vec<Value> = projects
        .iter()
        .map(|project| {
            let (hours, silences) = of_project(project, &hours, &silences);
            let history = History { project, hours: &hours, silences: &silences, as_of };
            json!({"project_id": project.id, "periods": frames::periods(&history, &request, now)})
        })
        .collect();
    let mut body = json!({ "projects": items });
    if let Some(last) = projects.last() {
        body["pagination"] = json!({"cursor": last.id});
    }
    Ok(Json(body))
}

fn of_project(project: &Project, hours: &[HourOfUse], silences: &[Silence]) -> (Vec<HourOfUse>, Vec<Silence>) {
    (
        hours.iter().filter(|hour| hour.project_id == project.id).cloned().collect(),
        silences.iter().filter(|silence| silence.project_id == project.id).cloned().collect(),
    )
}

/// Neon renews these data every so often.
fn last_refresh(context: &Context, now: Instant) -> Instant {
    let every = TimeDelta::from_std(context.config.consumption_refresh).unwrap_or_default();
    now.duration_trunc(every).unwrap_or(now)
}
