//! `GET /consumption_history/v2/projects` and its legacy form: what projects consumed, by hour, day or month.
//!
//! The numbers are those of the counters of `GET /projects/{project_id}`, as of the last refresh.

mod frames;
mod granularity;
mod metrics;
mod periods;
mod query;

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::{Extension, Json};
use chrono::{DurationRound, TimeDelta};
use serde_json::{Value, json};

use super::{ApiError, Context};
use crate::clock::Instant;
use crate::keys::Caller;
use crate::model::{History, time_in};
use crate::store::{Consumer, Consumers};
use metrics::Version;
use query::Request;

type Pairs = Query<Vec<(String, String)>>;

pub async fn current(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Query(pairs): Pairs,
) -> Result<Json<Value>, ApiError> {
    let request = Request::parse(&pairs, Version::V2, &context, &caller, context.clock.now())?;
    answer(&context, &request).await
}

pub async fn legacy(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Query(pairs): Pairs,
) -> Result<Json<Value>, ApiError> {
    let request = Request::parse(&pairs, Version::Legacy, &context, &caller, context.clock.now())?;
    answer(&context, &request).await
}

async fn answer(context: &Context, request: &Request) -> Result<Json<Value>, ApiError> {
    let now = context.clock.now();
    let takes_past_along = context.config.unknowns.transfer_takes_past_along;
    let page = Consumers {
        org_id: Some(&request.organization.id),
        left_since: (!takes_past_along).then_some(request.from),
        with_deleted: context.config.unknowns.consumption_shows_deleted,
        limit: request.limit,
        cursor: request.cursor.as_deref(),
        ids: request.project_ids.as_deref(),
    };
    let consumers = context.store.pasts(&page, request.from, now).await?;
    let as_of = last_refresh(context, now);
    let items: Vec<Value> = consumers
        .iter()
        .map(|Consumer { project, hours, silences, moves }| {
            let moves = if takes_past_along { &[] } else { moves.as_slice() };
            let spans = time_in(&request.organization.id, project, moves);
            let history = History { project, hours, silences, spans, as_of };
            json!({"project_id": project.id, "periods": periods::periods(&history, request, now)})
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
