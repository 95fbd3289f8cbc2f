//! Organisations, and what is connected to their projects.

use super::Store;
use crate::model::{Organization, Refusal};

impl Store {
    /// Takes in the configured ones and returns all, those first, in their order.
    pub async fn open_organizations(&self, configured: &[Organization]) -> Result<Vec<Organization>, Refusal> {
        for organization in configured {
            self.put_organization(organization).await?;
        }
        let ids: Vec<&str> = configured.iter().map(|organization| organization.id.as_str()).collect();
        let all = sqlx::query_as(
            "SELECT id, name, plan, projects_limit, regions, created_at FROM organizations
             ORDER BY array_position($1::text[], id) NULLS LAST, place",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        Ok(all)
    }

    /// A new one, or another setting for a known one. Returns it with its age.
    pub async fn put_organization(&self, organization: &Organization) -> Result<Organization, Refusal> {
        let put = sqlx::query_as(
            "INSERT INTO organizations (id, name, plan, projects_limit, regions, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET (name, plan, projects_limit, regions)
                 = (excluded.name, excluded.plan, excluded.projects_limit, excluded.regions)
             RETURNING id, name, plan, projects_limit, regions, created_at",
        )
        .bind(&organization.id)
        .bind(&organization.name)
        .bind(organization.plan)
        .bind(organization.projects_limit)
        .bind(&organization.regions)
        .bind(self.clock.now())
        .fetch_one(&self.pool)
        .await?;
        Ok(put)
    }

    /// Which organisation a project is in, live or deleted.
    pub async fn org_of_project(&self, project_id: &str) -> Result<Option<String>, Refusal> {
        Ok(sqlx::query_scalar("SELECT org_id FROM projects WHERE id = $1")
            .bind(project_id)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// Connects a project to something that keeps it from being transferred, or to nothing any more.
    pub async fn set_integration(&self, project_id: &str, integration: Option<&str>) -> Result<(), Refusal> {
        let statement = match integration {
            Some(_) => {
                "INSERT INTO integrations (project_id, integration) VALUES ($1, $2)
                 ON CONFLICT (project_id) DO UPDATE SET integration = excluded.integration"
            }
            None => "DELETE FROM integrations WHERE project_id = $1 AND $2::text IS NULL",
        };
        sqlx::query(statement).bind(project_id).bind(integration).execute(&self.pool).await?;
        Ok(())
    }

    /// What is connected to which of these projects.
    pub async fn integrations(&self, project_ids: &[String]) -> Result<Vec<(String, String)>, Refusal> {
        Ok(sqlx::query_as(
            "SELECT project_id, integration FROM integrations WHERE project_id = ANY ($1) ORDER BY project_id",
        )
        .bind(project_ids)
        .fetch_all(&self.pool)
        .await?)
    }
}
