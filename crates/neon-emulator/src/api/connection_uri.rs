//! `GET /projects/{project_id}/connection_uri`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::Parameters;
use super::{ApiError, Context};
use crate::connection_string::{self, Login};
use crate::store::Place;

#[derive(Debug, Deserialize)]
pub struct UriParameters {
    database_name: Option<String>,
    role_name: Option<String>,
    branch_id: Option<String>,
    endpoint_id: Option<String>,
    pooled: Option<bool>,
}

pub async fn read(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
    Parameters(parameters): Parameters<UriParameters>,
) -> Result<Json<Value>, ApiError> {
    let required = |name| ApiError::bad_request(format!("the query parameter {name} is required"));
    let database = parameters.database_name.ok_or_else(|| required("database_name"))?;
    let role = parameters.role_name.ok_or_else(|| required("role_name"))?;
    let place = match (&parameters.branch_id, &parameters.endpoint_id) {
        (_, Some(id)) => Place::Endpoint(id),
        (Some(id), None) => Place::Branch(id),
        (None, None) => Place::DefaultBranch,
    };
    let project = context.store.view(&project_id, place, context.clock.now()).await?;
    if parameters.branch_id.as_ref().is_some_and(|id| *id != project.branch_id) {
        return Err(ApiError::not_found("branch"));
    }
    if !project.has_endpoint {
        return Err(ApiError::not_found("endpoint"));
    }
    let objects = context.store.objects(&project).await?;
    objects.database(&database)?;
    let login = Login { role: objects.role(&role)?, database: &database };
    let pooled = parameters.pooled.unwrap_or(context.config.unknowns.pooled_by_default);
    Ok(Json(json!({"uri": connection_string::uri(&project, &login, &context.proxy_address, pooled)})))
}
