//! Operations of a project: list and get.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chrono::SecondsFormat;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::extract::{Parameters, limit};
use super::{ApiError, Context, shapes};
use crate::clock::Instant;

#[derive(Debug, Deserialize)]
pub struct ListParameters {
    limit: Option<i64>,
    cursor: Option<String>,
}

pub async fn list(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<Value>, ApiError> {
    let limit = limit(parameters.limit, 100, 1_000)?;
    let before = parameters.cursor.as_deref().map(parse_cursor).transpose()?;
    let now = context.clock.now();
    let project = context.store.project(&project_id, now).await?;
    let operations = context.store.operations(&project.id, before, limit).await?;
    let mut body = json!({"operations": shapes::operations(&operations, now)});
    if let Some(last) = operations.last() {
        body["pagination"] = json!({"cursor": last.created_at.to_rfc3339_opts(SecondsFormat::Micros, true)});
    }
    Ok(Json(body))
}

fn parse_cursor(cursor: &str) -> Result<Instant, ApiError> {
    cursor.parse().map_err(|_| ApiError::bad_request("invalid cursor"))
}

pub async fn read(
    State(context): State<Arc<Context>>,
    Path((project_id, operation_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let id: Uuid = operation_id.parse().map_err(|_| ApiError::bad_request("operation_id must be a UUID"))?;
    let now = context.clock.now();
    let project = context.store.project(&project_id, now).await?;
    let operation = context.store.operation(&project.id, id).await?;
    Ok(Json(json!({"operation": shapes::operation(&operation, now)})))
}
