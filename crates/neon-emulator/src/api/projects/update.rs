//! `PATCH /projects/{project_id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::checks;
use super::settings::{EndpointDefaults, Settings};
use crate::api::extract::Body;
use crate::api::shapes::{self, Detail};
use crate::api::{ApiError, Context};
use crate::clock::Instant;
use crate::model::{Operation, Project, Refusal, Timing};
use crate::quotas;
use crate::store::Which;

#[derive(Debug, Deserialize)]
pub struct UpdateRequest {
    project: ProjectUpdate,
}

/// What is absent stays as it is. Region and version cannot be changed.
#[derive(Debug, Deserialize)]
struct ProjectUpdate {
    name: Option<String>,
    settings: Option<Settings>,
    default_endpoint_settings: Option<EndpointDefaults>,
    history_retention_seconds: Option<i32>,
}

pub async fn update(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
    Body(request): Body<UpdateRequest>,
) -> Result<Json<Value>, ApiError> {
    let update = request.project;
    checks::project_name(update.name.as_deref())?;
    checks::retention(update.history_retention_seconds)?;
    let timeout = update.default_endpoint_settings.as_ref().and_then(|settings| settings.suspend_timeout_seconds);
    checks::suspend_timeout_of_plan(timeout, &context.config)?;
    update.settings.as_ref().map_or(Ok(()), Settings::check)?;
    let merges_quota = context.config.unknowns.quota_patch_merges;
    let timing = context.timing;
    let change = |project: &mut Project, now| update.apply(project, merges_quota, now, &timing);
    let (project, operations) = context.store.change(&project_id, Which::Live, change).await?;
    quotas::enforce_size(&context, &project).await;
    let now = context.clock.now();
    Ok(Json(json!({
        "project": shapes::project(&project, Detail::Changed, now),
        "operations": shapes::operations(&operations, now),
    })))
}

impl ProjectUpdate {
    fn apply(
        self,
        project: &mut Project,
        merges_quota: bool,
        now: Instant,
        timing: &Timing,
    ) -> Result<Vec<Operation>, Refusal> {
        project.must_be_unlocked(now)?;
        project.name = self.name.unwrap_or_else(|| project.name.clone());
        self.settings.unwrap_or_default().apply(project, merges_quota);
        self.default_endpoint_settings.unwrap_or_default().apply(project)?;
        project.updated_at = now;
        match self.history_retention_seconds.filter(|seconds| *seconds != project.history_retention_seconds) {
            Some(seconds) => {
                project.history_retention_seconds = seconds;
                Ok(project.apply_storage_settings(now, timing))
            }
            None => Ok(Vec::new()),
        }
    }
}
