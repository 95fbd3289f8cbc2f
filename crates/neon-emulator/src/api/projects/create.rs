//! `POST /projects`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::checks;
use super::settings::{EndpointDefaults, Settings};
use crate::api::extract::Body;
use crate::api::shapes::{self, Detail};
use crate::api::{ApiError, Context};
use crate::clock::Instant;
use crate::connection_string::Login;
use crate::model::{Objects, Operation, Project, Refusal};
use crate::regions;

#[derive(Debug, Deserialize)]
pub struct CreateRequest {
    project: NewProject,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NewProject {
    name: Option<String>,
    org_id: Option<String>,
    region_id: Option<String>,
    pg_version: Option<i16>,
    store_passwords: Option<bool>,
    history_retention_seconds: Option<i32>,
    branch: Option<NewBranch>,
    /// The older place of the autoscaling limits.
    autoscaling_limit_min_cu: Option<f64>,
    autoscaling_limit_max_cu: Option<f64>,
    default_endpoint_settings: Option<EndpointDefaults>,
    settings: Option<Settings>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NewBranch {
    name: Option<String>,
    role_name: Option<String>,
    database_name: Option<String>,
}

pub async fn create(
    State(context): State<Arc<Context>>,
    Body(request): Body<CreateRequest>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    if request.project.org_id.as_ref().is_some_and(|org_id| *org_id != context.config.org_id) {
        return Err(ApiError::not_found("organization"));
    }
    must_be_within_limit(&context).await?;
    let timeout =
        request.project.default_endpoint_settings.as_ref().and_then(|settings| settings.suspend_timeout_seconds);
    checks::suspend_timeout_of_plan(timeout, &context.config)?;
    let now = context.clock.now();
    let mut project = request.project.into_row(&context, now)?;
    project.database_id = context.store.next_database_ids(1).await?.pop().unwrap_or_default();
    let operations = project.create(now, &context.timing);
    project.settle(now, &context.timing);
    context.store.insert(&project, &operations).await?;
    Ok((StatusCode::CREATED, Json(created(&context, &project, &operations, now))))
}

async fn must_be_within_limit(context: &Context) -> Result<(), Refusal> {
    let Some(limit) = context.config.projects_limit else { return Ok(()) };
    let mut count = context.store.count_live().await?;
    if context.config.unknowns.deleted_count_towards_limit {
        count += context.store.count_deleted().await?;
    }
    if count < limit { Ok(()) } else { Err(Refusal::ProjectsLimit(limit)) }
}

impl NewProject {
    fn check(&self) -> Result<(), Refusal> {
        checks::project_name(self.name.as_deref())?;
        checks::retention(self.history_retention_seconds)?;
        self.settings.as_ref().map_or(Ok(()), Settings::check)?;
        let branch = self.branch.as_ref();
        checks::branch_name(branch.and_then(|b| b.name.as_deref()))?;
        checks::identifier("role name", branch.and_then(|b| b.role_name.as_deref()))?;
        checks::identifier("database name", branch.and_then(|b| b.database_name.as_deref()))
    }

    fn into_row(self, context: &Context, now: Instant) -> Result<Project, Refusal> {
        self.check()?;
        let region_id = self.region_id.unwrap_or_else(|| context.config.default_region.clone());
        regions::must_be_known(&region_id)?;
        let mut project = Project::virgin(&context.config.org_id, region_id, now);
        project.name = self.name.unwrap_or_else(|| project.id.clone());
        project.pg_version = self.pg_version.unwrap_or(project.pg_version);
        checks::pg_version(project.pg_version)?;
        project.store_passwords = self.store_passwords.unwrap_or(true);
        project.history_retention_seconds = self.history_retention_seconds.unwrap_or(project.history_retention_seconds);
        let branch = self.branch.unwrap_or_default();
        project.branch_name = branch.name.unwrap_or(project.branch_name);
        project.role_name = branch.role_name.unwrap_or(project.role_name);
        project.database_name = branch.database_name.unwrap_or(project.database_name);
        let mut defaults = self.default_endpoint_settings.unwrap_or_default();
        defaults.autoscaling_limit_min_cu = defaults.autoscaling_limit_min_cu.or(self.autoscaling_limit_min_cu);
        defaults.autoscaling_limit_max_cu = defaults.autoscaling_limit_max_cu.or(self.autoscaling_limit_max_cu);
        defaults.apply(&mut project)?;
        project.endpoint_takes_defaults();
        self.settings.unwrap_or_default().apply(&mut project, false);
        Ok(project)
    }
}

fn created(context: &Context, project: &Project, operations: &[Operation], now: Instant) -> Value {
    let born = Objects::born_with(project);
    let login = |role| Login { role, database: &project.database_name };
    let details = |role| shapes::connection_details(project, &login(role), &context.proxy_address);
    json!({
        "project": shapes::project(project, Detail::Changed, now),
        "connection_uris": born.roles.iter().map(details).collect::<Vec<_>>(),
        "roles": born.roles.iter().map(shapes::role_with_password).collect::<Vec<_>>(),
        "databases": born.databases.iter().map(shapes::database).collect::<Vec<_>>(),
        "operations": shapes::operations(operations, now),
        "branch": shapes::branch(project, now),
        "endpoints": [shapes::endpoint(project, now)],
    })
}
