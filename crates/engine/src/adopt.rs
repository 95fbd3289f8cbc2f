//! Adoption: an unanswered call may have made the project all the same; then it is found by its name, which is ours alone.

use super::{Inner, crash, crash::CrashPoint};
use neon_client::{Created, NeonClient, NeonError, project};

impl Inner {
    /// The project of this name with all that its creation would have answered. `None` when Neon has none.
    pub(super) async fn adopt(&self, neon: &NeonClient, name: &str) -> Result<Option<Created>, NeonError> {
        let Some(found) = neon.find_project_by_name(name).await? else { return Ok(None) };
        crash::here(CrashPoint::ProjectFound);
        let endpoints = neon.endpoints(&found.id).await?;
        let endpoint = endpoints
            .into_iter()
            .find(|endpoint| endpoint.is_writable())
            .ok_or_else(|| NeonError::Garbled { detail: String::from("the project has no writable endpoint yet") })?;
        crash::here(CrashPoint::EndpointFound);
        let (database, role) = (project::DATABASE_NAME, project::ROLE_NAME);
        let connection_uri =
            neon.connection_uri(&found.id, &endpoint.branch_id, &endpoint.id, database, role, false).await?;
        crash::here(CrashPoint::ConnectionRead);
        tracing::info!(
            neon.project_id = found.id,
            neon.project_name = name,
            "adopted a project whose creation was never answered"
        );
        Ok(Some(Created {
            project_id: found.id,
            branch_id: endpoint.branch_id,
            endpoint_id: endpoint.id,
            endpoint_host: endpoint.host,
            connection_uri,
            database: database.to_owned(),
            role: role.to_owned(),
        }))
    }
}
