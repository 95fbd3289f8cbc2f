//! `POST …/branches`: a branch with the data of its parent as it is now, and an endpoint if one is asked for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{name_must_be_free, not_emulated};
use crate::api::extract::Body;
use crate::api::new_endpoint::{EndpointOptions, EndpointType, endpoint_of_plan};
use crate::api::projects::checks;
use crate::api::{ApiError, Context, shapes};
use crate::clock::Instant;
use crate::connection_string::Login;
use crate::model::{Database, NewEndpoint, Objects, Operation, Project, Refusal};
use crate::sizes;
use crate::store::Place;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CreateRequest {
    branch: NewBranch,
    endpoints: Vec<EndpointRequest>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NewBranch {
    parent_id: Option<String>,
    name: Option<String>,
    protected: bool,
    parent_lsn: Option<String>,
    parent_timestamp: Option<String>,
    init_source: Option<String>,
    expires_at: Option<String>,
    archived: bool,
}

#[derive(Debug, Deserialize)]
struct EndpointRequest {
    #[serde(rename = "type")]
    kind: EndpointType,
    #[serde(flatten)]
    options: EndpointOptions,
}

impl CreateRequest {
    fn check(&self) -> Result<(), Refusal> {
        let branch = &self.branch;
        checks::branch_name(branch.name.as_deref())?;
        not_emulated(branch.parent_lsn.is_some() || branch.parent_timestamp.is_some(), "history of branches")?;
        not_emulated(branch.expires_at.is_some(), "expires_at of branches")?;
        not_emulated(branch.archived, "archived branches")?;
        match branch.init_source.as_deref() {
            None | Some("parent-data") => Ok(()),
            Some("schema-only") => not_emulated(true, "branches of the schema only"),
            Some(_) => Err(Refusal::Invalid("init_source must be parent-data or schema-only".into())),
        }
    }

    fn endpoint(&mut self) -> Result<Option<NewEndpoint>, Refusal> {
        if self.endpoints.len() > 1 {
            return Err(Refusal::Invalid("a branch has one read_write endpoint at most".into()));
        }
        let endpoint = self.endpoints.pop();
        endpoint.map(|endpoint| endpoint.options.into_new(endpoint.kind)).transpose()
    }
}

pub async fn create(
    State(context): State<Arc<Context>>,
    Path(project_id): Path<String>,
    Body(mut request): Body<CreateRequest>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    request.check()?;
    let endpoint = request.endpoint()?;
    must_be_within_plan(&context, &project_id, endpoint.as_ref()).await?;
    if let Some(name) = &request.branch.name {
        name_must_be_free(&context, &project_id, name, None).await?;
    }
    let place = request.branch.parent_id.as_deref().map_or(Place::DefaultBranch, Place::Branch);
    let parent = sizes::measured_in(&context, &project_id, place).await?;
    let now = context.clock.now();
    must_be_ready(&parent, now)?;
    let mut branch = parent.new_branch(request.branch.name, request.branch.protected, now);
    let objects = copied(&context, &parent, &mut branch).await?;
    let timing = context.timing;
    let made = context
        .store
        .insert_branch(&project_id, &parent.branch_id, |parent, now| {
            must_be_ready(parent, now)?;
            let mut branch = branch.clone();
            let operations = branch.create_branch(endpoint, now, &timing);
            branch.settle(now, &timing);
            Ok((branch, objects, operations))
        })
        .await;
    if made.is_err() {
        context.drop_databases(&branch).await;
    }
    let (branch, objects, operations) = made?;
    Ok((StatusCode::CREATED, Json(created(&context, &branch, &objects, &operations))))
}

/// The plan's limit of branches, the root branch included, and what it allows an endpoint.
async fn must_be_within_plan(
    context: &Context,
    project_id: &str,
    endpoint: Option<&NewEndpoint>,
) -> Result<(), Refusal> {
    let branches = context.store.views(project_id, context.clock.now()).await?;
    let Some(root) = branches.first() else { return Ok(()) };
    if let Some(endpoint) = endpoint {
        endpoint_of_plan(context, root, endpoint)?;
    }
    let of_plan = || context.organizations.plan_of(&root.org_id).most_branches();
    if branches.len() < context.config.branches_limit.unwrap_or_else(of_plan) {
        return Ok(());
    }
    Err(Refusal::LimitExceeded("BRANCHES_LIMIT_EXCEEDED", "branches limit exceeded".into()))
}

fn must_be_ready(parent: &Project, now: Instant) -> Result<(), Refusal> {
    parent.must_be_unlocked(now)?;
    if parent.branch_is_ready_at(now) { Ok(()) } else { Err(Refusal::Unprocessable("branch not ready yet".into())) }
}

/// Roles and databases of the parent for a branch, with their data if there is any.
pub(super) async fn copied(context: &Context, parent: &Project, branch: &mut Project) -> Result<Objects, ApiError> {
    let sources = context.store.objects(parent).await?;
    let count = i64::try_from(sources.databases.len()).unwrap_or(i64::MAX);
    let now = context.clock.now();
    let ids = context.store.next_database_ids(count).await?;
    let objects = sources.copied_to(&branch.branch_id, ids, now);
    if parent.materialized_at.is_some() {
        let copied = context.backing.copy((parent, &sources), (branch, &objects), now).await;
        copied.map_err(|error| {
            tracing::error!(error = %format!("{error:#}"), project.id = %parent.id, "a branch could not be copied");
            ApiError::internal()
        })?;
        branch.materialized_at = Some(now);
    }
    Ok(objects)
}

fn created(context: &Context, branch: &Project, objects: &Objects, operations: &[Operation]) -> Value {
    let now = context.clock.now();
    let endpoints: Vec<Value> = branch.has_endpoint.then(|| shapes::endpoint(branch, now)).into_iter().collect();
    let mut body = json!({
        "branch": shapes::branch(branch, now),
        "endpoints": endpoints,
        "operations": shapes::operations(operations, now),
        "roles": objects.roles.iter().map(shapes::role_with_password).collect::<Vec<_>>(),
        "databases": objects.databases.iter().map(shapes::database).collect::<Vec<_>>(),
    });
    if branch.has_endpoint {
        let details = |database: &Database| {
            let role = objects.role(&database.owner_name).ok()?;
            let login = Login { role, database: &database.name };
            Some(shapes::connection_details(branch, &login, &context.proxy_address))
        };
        body["connection_uris"] = objects.databases.iter().filter_map(details).collect();
    }
    body
}
