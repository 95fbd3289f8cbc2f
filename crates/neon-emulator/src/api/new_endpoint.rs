//! `POST …/endpoints` and `DELETE …/endpoints/{endpoint_id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::Body;
use super::projects::checks;
use super::{ApiError, Context, shapes};
use crate::model::{NewEndpoint, Operation, Project, Refusal};
use crate::store::Place;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointType {
    ReadWrite,
    ReadOnly,
}

/// What a new endpoint may be asked to be, also with its branch.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointOptions {
    name: Option<String>,
    autoscaling_limit_min_cu: Option<f64>,
    autoscaling_limit_max_cu: Option<f64>,
    suspend_timeout_seconds: Option<i64>,
    settings: Option<Value>,
    disabled: bool,
}

impl EndpointOptions {
    pub fn into_new(self, kind: EndpointType) -> Result<NewEndpoint, Refusal> {
        if kind == EndpointType::ReadOnly {
            return Err(Refusal::Unprocessable("the emulator has no read replicas".into()));
        }
        checks::endpoint_name(self.name.as_deref())?;
        checks::suspend_timeout(self.suspend_timeout_seconds)?;
        if let (Some(min_cu), max_cu) = (self.autoscaling_limit_min_cu, self.autoscaling_limit_max_cu) {
            checks::autoscaling(min_cu, max_cu.unwrap_or(min_cu))?;
        }
        if self.settings.as_ref().is_some_and(|settings| settings.get("pg_settings").is_none_or(Value::is_null)) {
            return Err(Refusal::Invalid("settings must not be nil".into()));
        }
        Ok(NewEndpoint {
            name: self.name,
            min_cu: self.autoscaling_limit_min_cu,
            max_cu: self.autoscaling_limit_max_cu,
            suspend_seconds: self.suspend_timeout_seconds,
            settings: self.settings,
            disabled: self.disabled,
        })
    }
}

#[derive(Debug, Deserialize)]
pub struct CreateRequest {
    endpoint: EndpointRequest,
}

#[derive(Debug, Deserialize)]
struct EndpointRequest {
    branch_id: String,
    #[serde(rename = "type")]
    kind: EndpointType,
    #[serde(flatten)]
    options: EndpointOptions,
}

pub async fn create(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
    Body(request): Body<CreateRequest>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let EndpointRequest { branch_id, kind, options } = request.endpoint;
    let endpoint = options.into_new(kind)?;
    let timing = context.timing;
    let change = |project: &mut Project, now| {
        endpoint_of_plan(&context, project, &endpoint)?;
        let operations = project.create_endpoint(endpoint, now, &timing)?;
        project.settle(now, &timing);
        Ok(operations)
    };
    let (project, operations) = context.store.change_in(&project_id, Place::Branch(&branch_id), change).await?;
    Ok((StatusCode::CREATED, answer(&context, &project, &operations)))
}

/// Whether the plan of a project's organisation allows what a new endpoint would have.
pub fn endpoint_of_plan(context: &Context, project: &Project, endpoint: &NewEndpoint) -> Result<(), Refusal> {
    let plan = context.organizations.plan_of(&project.org_id);
    checks::endpoint_of_plan(endpoint.suspend_seconds, endpoint.max_cu, plan, &context.config)
}

/// 204 if there is no such endpoint.
pub async fn delete(
    State(context): State<Arc<Context>>,
    Path((project_id, endpoint_id)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let timing = context.timing;
    let change = |project: &mut Project, now| {
        let operations = project.delete_endpoint(now, &timing)?;
        project.settle(now, &timing);
        Ok(operations)
    };
    let changed = context.store.change_in(&project_id, Place::Endpoint(&endpoint_id), change).await;
    let (project, operations) = match changed {
        Err(Refusal::NotFound("endpoint")) => return Ok(StatusCode::NO_CONTENT.into_response()),
        changed => changed.map_err(|refusal| ApiError::refused(refusal, &context.config.unknowns))?,
    };
    context.cut_connections(&project).await;
    Ok(answer(&context, &project, &operations).into_response())
}

fn answer(context: &Context, project: &Project, operations: &[Operation]) -> Json<Value> {
    let now = context.clock.now();
    Json(json!({
        "endpoint": shapes::endpoint(project, now),
        "operations": shapes::operations(operations, now),
    }))
}
