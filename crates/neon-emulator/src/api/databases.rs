//! Databases of a branch.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::branches::of_branch;
use super::extract::Body;
use super::projects::checks;
use super::{ApiError, Context, shapes};
use crate::apply;
use crate::clock::Instant;
use crate::model::{Database, Operation, Refusal};

pub async fn list(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    let objects = context.store.objects(&project).await?;
    let databases: Vec<Value> = objects.databases.iter().map(shapes::database).collect();
    Ok(Json(json!({ "databases": databases })))
}

pub async fn read(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id, name)): Path<(String, String, String)>,
) -> Result<Json<Value>, ApiError> {
    let project = of_branch(&context, &project_id, &branch_id).await?;
    let objects = context.store.objects(&project).await?;
    Ok(Json(json!({"database": shapes::database(objects.database(&name)?)})))
}

#[derive(Debug, Deserialize)]
pub struct CreateRequest {
    database: NewDatabase,
}

#[derive(Debug, Deserialize)]
struct NewDatabase {
    name: String,
    owner_name: String,
}

pub async fn create(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id)): Path<(String, String)>,
    Body(request): Body<CreateRequest>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let NewDatabase { name, owner_name } = request.database;
    checks::identifier("database name", Some(&name))?;
    let id = context.store.next_database_ids(1).await?.pop().unwrap_or_default();
    let timing = context.timing;
    let changed = context
        .store
        .change_objects(&project_id, &branch_id, |project, objects, now| {
            let operations = project.apply_objects(false, now, &timing)?;
            Ok((objects.add_database(id, &branch_id, &name, &owner_name, now)?, operations))
        })
        .await?;
    apply::when_due(&context, &changed.0).await;
    Ok((StatusCode::CREATED, answer(&changed.1, &changed.2, context.clock.now())))
}

#[derive(Debug, Deserialize)]
pub struct UpdateRequest {
    database: DatabaseUpdate,
}

/// What is absent stays as it is.
#[derive(Debug, Deserialize)]
struct DatabaseUpdate {
    name: Option<String>,
    owner_name: Option<String>,
}

pub async fn update(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id, name)): Path<(String, String, String)>,
    Body(request): Body<UpdateRequest>,
) -> Result<Json<Value>, ApiError> {
    let DatabaseUpdate { name: new_name, owner_name } = request.database;
    checks::identifier("database name", new_name.as_deref())?;
    let timing = context.timing;
    let changed = context
        .store
        .change_objects(&project_id, &branch_id, |project, objects, now| {
            let operations = project.apply_objects(true, now, &timing)?;
            Ok((objects.update_database(&name, new_name, owner_name, now)?, operations))
        })
        .await?;
    apply::when_due(&context, &changed.0).await;
    Ok(answer(&changed.1, &changed.2, context.clock.now()))
}

/// 204 if there is no such database.
pub async fn delete(
    State(context): State<Arc<Context>>,
    Path((project_id, branch_id, name)): Path<(String, String, String)>,
) -> Result<Response, ApiError> {
    let timing = context.timing;
    let changed = context
        .store
        .change_objects(&project_id, &branch_id, |project, objects, now| {
            let database = objects.remove_database(&name)?;
            Ok((database, project.apply_objects(true, now, &timing)?))
        })
        .await;
    let (project, database, operations) = match changed {
        Err(Refusal::NotFound("database")) => return Ok(StatusCode::NO_CONTENT.into_response()),
        changed => changed?,
    };
    apply::when_due(&context, &project).await;
    Ok(answer(&database, &operations, context.clock.now()).into_response())
}

fn answer(database: &Database, operations: &[Operation], now: Instant) -> Json<Value> {
    Json(json!({"database": shapes::database(database), "operations": shapes::operations(operations, now)}))
}
