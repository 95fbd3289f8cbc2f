//! `GET /consumption_history/v2/projects` and its legacy form: what projects consumed, by hour, day or month.
//!
//! The numbers are those of the counters of `GET /projects/{project_id}`, as of the last refresh.

mod frames;
mod granularity;
mod metrics;
mod periods;
mod query;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use chrono::{DurationRound, TimeDelta};
use serde_json::{Value, json};

use super::{ApiError, Context};
use crate::clock::Instant;
use crate::model::History;
use crate::store::{Consumer, Consumers};
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
    let page =
        Consumers { limit: request.limit, cursor: request.cursor.as_deref(), ids: request.project_ids.as_deref() };
    let consumers = context.store.pasts(&page, request.from, now).await?;
    let as_of = last_refresh(context, now);
    let items: Vec<Value> = consumers
        .iter()
        .map(|Consumer { project, hours, silences }| {
            let history = History { project, hours, silences, as_of };
            json!({"project_id": project.id, "periods": periods::periods(&history, &request, now)})
        })
        .collect();
    let mut body = json!({ "projects": items });
    if let Some(last) = consumers.last() {
        body["pagination"] = json!({"cursor": last.project.id});
    }
    Ok(Json(body))
}

/// Neon renews these data every so often.
fn last_refresh(context: &Context, now: Instant) -> Instant {
    let every = TimeDelta::from_std(context.config.consumption_refresh).unwrap_or_default();
    now.duration_trunc(every).unwrap_or(now)
}
