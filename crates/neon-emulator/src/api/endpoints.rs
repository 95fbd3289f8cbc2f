//! Endpoints: list, get, update, start, suspend, restart; creation and deletion are in `new_endpoint`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::Body;
use super::projects::checks;
use super::{ApiError, Context, shapes};
use crate::clock::Instant;
use crate::model::{ComputeState, Operation, Project, Refusal, Timing};
use crate::store::Place;

type Ids = Path<(String, String)>;

pub async fn list(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let now = context.clock.now();
    let views = context.store.views(&project_id, now).await?;
    let endpoints: Vec<Value> =
        views.iter().filter(|view| view.has_endpoint).map(|view| shapes::endpoint(view, now)).collect();
    Ok(Json(json!({ "endpoints": endpoints })))
}

pub async fn read(
    State(context): State<Arc<Context>>,
    Path((project_id, endpoint_id)): Ids,
) -> Result<Json<Value>, ApiError> {
    let now = context.clock.now();
    let project = context.store.view(&project_id, Place::Endpoint(&endpoint_id), now).await?;
    Ok(Json(json!({"endpoint": shapes::endpoint(&project, now)})))
}

pub async fn start(State(context): State<Arc<Context>>, Path(ids): Ids) -> Result<Json<Value>, ApiError> {
    change(&context, &ids, Project::start).await
}

pub async fn suspend(State(context): State<Arc<Context>>, Path(ids): Ids) -> Result<Json<Value>, ApiError> {
    change(&context, &ids, Project::suspend).await
}

pub async fn restart(State(context): State<Arc<Context>>, Path(ids): Ids) -> Result<Json<Value>, ApiError> {
    change(&context, &ids, Project::restart).await
}

#[derive(Debug, Deserialize)]
pub struct UpdateRequest {
    endpoint: EndpointUpdate,
}

/// What is absent stays as it is.
#[derive(Debug, Deserialize)]
pub struct EndpointUpdate {
    name: Option<String>,
    autoscaling_limit_min_cu: Option<f64>,
    autoscaling_limit_max_cu: Option<f64>,
    suspend_timeout_seconds: Option<i64>,
    disabled: Option<bool>,
    settings: Option<Value>,
}

pub async fn update(
    State(context): State<Arc<Context>>,
    Path(ids): Ids,
    Body(request): Body<UpdateRequest>,
) -> Result<Json<Value>, ApiError> {
    let update = request.endpoint;
    checks::endpoint_name(update.name.as_deref())?;
    checks::suspend_timeout(update.suspend_timeout_seconds)?;
    change(&context, &ids, |project, now, timing| {
        let plan = context.organizations.plan_of(&project.org_id);
        let (suspend_seconds, max_cu) = (update.suspend_timeout_seconds, update.autoscaling_limit_max_cu);
        let operations = update.apply(project, now, timing)?;
        checks::endpoint_of_plan(suspend_seconds, max_cu, plan, &context.config).map(|()| operations)
    })
    .await
}

impl EndpointUpdate {
    fn apply(self, project: &mut Project, now: Instant, timing: &Timing) -> Result<Vec<Operation>, Refusal> {
        project.must_be_unlocked(now)?;
        let min_cu = self.autoscaling_limit_min_cu.unwrap_or(project.endpoint_min_cu);
        let max_cu = self.autoscaling_limit_max_cu.unwrap_or(project.endpoint_max_cu);
        checks::autoscaling(min_cu, max_cu)?;
        project.resize_compute(min_cu, max_cu, now);
        project.endpoint_suspend_seconds = self.suspend_timeout_seconds.unwrap_or(project.endpoint_suspend_seconds);
        project.endpoint_name = self.name.or(project.endpoint_name.take());
        project.endpoint_settings = self.settings.or(project.endpoint_settings.take());
        project.endpoint_updated_at = now;
        match self.disabled {
            Some(true) if !project.endpoint_disabled => project.disable(now, timing),
            Some(disabled) => {
                if project.endpoint_disabled && !disabled {
                    project.enable(now);
                }
                Ok(project.apply_endpoint_settings(now, timing))
            }
            None => Ok(project.apply_endpoint_settings(now, timing)),
        }
    }
}

/// Changes the endpoint's project and answers with endpoint and operations. A compute that stops loses its connections.
async fn change<F>(
    context: &Context,
    (project_id, endpoint_id): &(String, String),
    change: F,
) -> Result<Json<Value>, ApiError>
where
    F: FnOnce(&mut Project, Instant, &Timing) -> Result<Vec<Operation>, Refusal> + Send,
{
    let timing = context.timing;
    let mut stops = false;
    let (project, operations) = context
        .store
        .change_in(project_id, Place::Endpoint(endpoint_id), |project, now| {
            let ran = project.compute_state == ComputeState::Active;
            let operations = change(project, now, &timing)?;
            stops = ran && operations.iter().any(|operation| operation.action == "suspend_compute");
            project.settle(now, &timing);
            Ok(operations)
        })
        .await
        .map_err(|refusal| ApiError::refused(refusal, &context.config.unknowns))?;
    if stops {
        context.cut_connections(&project).await;
    }
    let now = context.clock.now();
    Ok(Json(json!({
        "endpoint": shapes::endpoint(&project, now),
        "operations": shapes::operations(&operations, now),
    })))
}
