//! `POST /projects`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::checks;
use super::settings::{EndpointDefaults, Settings};
use crate::api::access::organization_meant;
use crate::api::extract::Body;
use crate::api::shapes::{self, Detail};
use crate::api::{ApiError, Context};
use crate::clock::Instant;
use crate::connection_string::Login;
use crate::keys::Caller;
use crate::model::{Objects, Operation, Organization, Project, Refusal};
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
    Extension(caller): Extension<Caller>,
    Body(request): Body<CreateRequest>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let organization = organization_meant(&context, &caller, request.project.org_id.as_deref())?;
    let now = context.clock.now();
    let mut project = request.project.into_row(&context, &organization, now)?;
    project.database_id = context.store.next_database_ids(1).await?.pop().unwrap_or_default();
    let operations = project.create(now, &context.timing);
    project.settle(now, &context.timing);
    let deleted_count = context.config.unknowns.deleted_count_towards_limit;
    context.store.insert(&project, &operations, &organization, deleted_count).await?;
    Ok((StatusCode::CREATED, Json(created(&context, &project, &operations, now))))
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

    fn check_plan(&self, context: &Context, organization: &Organization) -> Result<(), Refusal> {
        let plan = organization.plan;
        let defaults = self.default_endpoint_settings.as_ref();
        let suspend_seconds = defaults.and_then(|defaults| defaults.suspend_timeout_seconds);
        let max_cu = defaults.and_then(|defaults| defaults.autoscaling_limit_max_cu).or(self.autoscaling_limit_max_cu);
        checks::endpoint_of_plan(suspend_seconds, max_cu, plan, &context.config)?;
        checks::retention_of_plan(self.history_retention_seconds, plan)
    }

    fn into_row(self, context: &Context, organization: &Organization, now: Instant) -> Result<Project, Refusal> {
        self.check()?;
        let is_in_plan = self.check_plan(context, organization);
        let region_id = self.region_id.unwrap_or_else(|| context.config.default_region.clone());
        regions::must_be_known(&region_id)?;
        if !organization.allows_region(&region_id) {
            return Err(Refusal::Invalid(format!("region {region_id} is not supported")));
        }
        let mut project = Project::virgin(&organization.id, region_id, now);
        project.name = self.name.unwrap_or_else(|| project.id.clone());
        project.pg_version = self.pg_version.unwrap_or(project.pg_version);
        checks::pg_version(project.pg_version)?;
        project.store_passwords = self.store_passwords.unwrap_or(true);
        let usual_retention = project.history_retention_seconds.min(organization.plan.longest_history());
        project.history_retention_seconds = self.history_retention_seconds.unwrap_or(usual_retention);
        let branch = self.branch.unwrap_or_default();
        project.branch_name = branch.name.unwrap_or(project.branch_name);
        project.role_name = branch.role_name.unwrap_or(project.role_name);
        project.database_name = branch.database_name.unwrap_or(project.database_name);
        let mut defaults = self.default_endpoint_settings.unwrap_or_default();
        defaults.autoscaling_limit_min_cu = defaults.autoscaling_limit_min_cu.or(self.autoscaling_limit_min_cu);
        defaults.autoscaling_limit_max_cu = defaults.autoscaling_limit_max_cu.or(self.autoscaling_limit_max_cu);
        defaults.apply(&mut project)?;
        is_in_plan?;
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
