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
    update.settings.as_ref().map_or(Ok(()), Settings::check)?;
    let merges_quota = context.config.unknowns.quota_patch_merges;
    let timing = context.timing;
    let change = |project: &mut Project, now| {
        let is_in_plan = update.check_plan(&context, project);
        let operations = update.apply(project, merges_quota, now, &timing)?;
        is_in_plan.map(|()| operations)
    };
    let (project, operations) = context.store.change(&project_id, Which::Live, change).await?;
    quotas::enforce_size(&context, &project).await;
    let now = context.clock.now();
    Ok(Json(json!({
        "project": shapes::project(&project, Detail::Changed, now),
        "operations": shapes::operations(&operations, now),
    })))
}

impl ProjectUpdate {
    fn check_plan(&self, context: &Context, project: &Project) -> Result<(), Refusal> {
        let plan = context.organizations.plan_of(&project.org_id);
        let defaults = self.default_endpoint_settings.as_ref();
        let suspend_seconds = defaults.and_then(|defaults| defaults.suspend_timeout_seconds);
        let max_cu = defaults.and_then(|defaults| defaults.autoscaling_limit_max_cu);
        checks::endpoint_of_plan(suspend_seconds, max_cu, plan, &context.config)?;
        checks::retention_of_plan(self.history_retention_seconds, plan)
    }

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
