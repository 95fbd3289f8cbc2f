//! Rebuild: what a row lacks of a project that lives on Neon, as its creation would have answered it, the credentials among it.

use uuid::Uuid;

use ledger::{ComputeOnNeon, RebuiltProject};
use neon_client::{Endpoint, NeonClient, NeonError, Project, ProjectItem, project};
use probe::uri;
use secrets::Secrets;

/// Whose creation, and of which project.
pub(super) struct Lacking<'a> {
    /// The credentials are sealed for it.
    id: Uuid,
    name: &'a str,
    project_id: &'a str,
    region_id: &'a str,
    pg_version: i32,
}

impl<'a> Lacking<'a> {
    pub(super) fn of(id: Uuid, project: &'a Project) -> Self {
        let Project { id: project_id, name, region_id, pg_version, .. } = project;
        Self { id, name, project_id, region_id, pg_version: *pg_version }
    }

    /// `name` is the project's without its owner.
    pub(super) fn of_item(id: Uuid, name: &'a str, item: &'a ProjectItem) -> Self {
        Self { id, name, project_id: &item.id, region_id: &item.region_id, pg_version: item.pg_version }
    }
}

/// Asks Neon. The inner error is why what it answers is of no use.
pub(super) async fn rebuild(
    neon: &NeonClient,
    secrets: &Secrets,
    lacking: &Lacking<'_>,
) -> Result<Result<RebuiltProject, String>, NeonError> {
    let id = lacking.project_id;
    let Some(endpoint) = endpoint_of(neon, id).await? else {
        return Ok(Err(String::from("It has no writable endpoint.")));
    };
    let (database, role) = (project::DATABASE_NAME, project::ROLE_NAME);
    let text = neon.connection_uri(id, &endpoint.branch_id, &endpoint.id, database, role, false).await?;
    let sealed = uri::connection(&text, &endpoint.id)
        .map_err(|error| error.to_string())
        .and_then(|connection| secrets.seal(lacking.id, &connection).map_err(|error| error.to_string()));
    let compute = compute(&endpoint);
    Ok(sealed.map(|sealed_credentials| RebuiltProject {
        compute,
        name: lacking.name.to_owned(),
        project_id: id.to_owned(),
        branch_id: endpoint.branch_id,
        endpoint_id: endpoint.id,
        host: endpoint.host,
        database_name: database.to_owned(),
        role_name: role.to_owned(),
        sealed_credentials,
        region_id: lacking.region_id.to_owned(),
        pg_version: lacking.pg_version,
    }))
}

/// The one that its owner connects to.
async fn endpoint_of(neon: &NeonClient, project_id: &str) -> Result<Option<Endpoint>, NeonError> {
    Ok(neon.endpoints(project_id).await?.into_iter().find(Endpoint::is_writable))
}

/// The compute that a project has; `None` where Neon does not tell it.
pub(super) async fn compute_of(neon: &NeonClient, project_id: &str) -> Result<Option<ComputeOnNeon>, NeonError> {
    Ok(endpoint_of(neon, project_id).await?.as_ref().and_then(compute))
}

fn compute(endpoint: &Endpoint) -> Option<ComputeOnNeon> {
    let Endpoint { min_cu, max_cu, suspend_timeout_seconds, .. } = *endpoint;
    (min_cu > 0.0 && max_cu >= min_cu).then_some(ComputeOnNeon { min_cu, max_cu, suspend_timeout_seconds })
}
