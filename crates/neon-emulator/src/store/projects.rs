//! Reading projects: one, or a page of a list, newest first.

use std::collections::HashMap;

use sqlx::{FromRow, Postgres, QueryBuilder};

use super::Store;
use crate::clock::Instant;
use crate::model::{Project, Quota, Refusal};

/// What a page of the list of projects is asked for with.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub org_id: String,
    pub limit: i64,
    /// Id of the last project of the page before.
    pub cursor: Option<String>,
    /// Part of a name or id, in any case.
    pub search: Option<String>,
    /// Projects that were deleted since then, instead of live ones.
    pub deleted_since: Option<Instant>,
}

/// A project, live or deleted, in as few words as an oracle needs.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ProjectRecord {
    pub id: String,
    pub org_id: String,
    pub name: String,
    pub created_at: Instant,
    /// Still recoverable; what is gone for good is in no list.
    pub deleted_at: Option<Instant>,
    #[sqlx(json(nullable))]
    pub quota: Option<Quota>,
}

impl Store {
    /// A live project, brought to the present.
    pub async fn project(&self, id: &str, now: Instant) -> Result<Project, Refusal> {
        let found: Option<Project> = sqlx::query_as("SELECT * FROM projects WHERE id = $1 AND deleted_at IS NULL")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        let mut project = found.ok_or(Refusal::NotFound("project"))?;
        project.settle(now, &self.timing);
        self.look_at_branches(std::slice::from_mut(&mut project)).await?;
        Ok(project)
    }

    /// A project that was deleted, also one that is gone for good.
    pub async fn deleted_project(&self, id: &str) -> Result<Option<Project>, Refusal> {
        Ok(sqlx::query_as("SELECT * FROM projects WHERE id = $1 AND deleted_at IS NOT NULL")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?)
    }

    /// Adds what only their further branches tell.
    async fn look_at_branches(&self, projects: &mut [Project]) -> Result<(), Refusal> {
        let ids: Vec<&str> = projects.iter().map(|project| project.id.as_str()).collect();
        let largest: Vec<(String, i64)> = sqlx::query_as(
            "SELECT project_id, max(logical_size) FROM branches WHERE project_id = ANY ($1) AND deleted_at IS NULL GROUP BY project_id",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        let largest: HashMap<String, i64> = largest.into_iter().collect();
        for project in projects {
            project.largest_further_branch = largest.get(&project.id).copied().unwrap_or(0);
        }
        Ok(())
    }

    /// One page, found by index however deep it lies. The place of a deleted project is still a place.
    pub async fn page(&self, page: &Page, now: Instant) -> Result<Vec<Project>, Refusal> {
        let mut query = QueryBuilder::<Postgres>::new("SELECT * FROM projects WHERE org_id = ");
        query.push_bind(&page.org_id).push(" AND ");
        match page.deleted_since {
            Some(since) => {
                query.push("deleted_at IS NOT NULL AND purged_at IS NULL AND deleted_at >= ").push_bind(since)
            }
            None => query.push("deleted_at IS NULL"),
        };
        if let Some(cursor) = &page.cursor {
            let (created_at, id) = self.place(cursor).await?;
            query.push(" AND (created_at, id) < (").push_bind(created_at).push(", ").push_bind(id).push(")");
        }
        if let Some(search) = &page.search {
            let pattern = format!("%{}%", search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
            query
                .push(" AND (name ILIKE ")
                .push_bind(pattern.clone())
                .push(" OR id ILIKE ")
                .push_bind(pattern)
                .push(")");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(page.limit);
        let mut projects: Vec<Project> = query.build_query_as().fetch_all(&self.pool).await?;
        for project in &mut projects {
            project.settle(now, &self.timing);
        }
        self.look_at_branches(&mut projects).await?;
        Ok(projects)
    }

    pub(super) async fn place(&self, cursor: &str) -> Result<(Instant, String), Refusal> {
        sqlx::query_as("SELECT created_at, id FROM projects WHERE id = $1")
            .bind(cursor)
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(|| Refusal::Invalid("invalid cursor".into()))
    }

    /// The next few thousand projects in the order of their ids, deleted ones included, purged ones not.
    pub async fn projects_after(&self, id: &str, now: Instant) -> Result<Vec<Project>, Refusal> {
        let mut projects: Vec<Project> =
            sqlx::query_as("SELECT * FROM projects WHERE purged_at IS NULL AND id > $1 ORDER BY id LIMIT 5000")
                .bind(id)
                .fetch_all(&self.pool)
                .await?;
        for project in &mut projects {
            project.settle(now, &self.timing);
        }
        self.look_at_branches(&mut projects).await?;
        Ok(projects)
    }

    /// Every live project, and those that were deleted since then.
    pub async fn inventory(&self, deleted_since: Instant) -> Result<Vec<ProjectRecord>, Refusal> {
        let records = sqlx::query_as(
            "SELECT id, org_id, name, created_at, deleted_at, quota FROM projects
             WHERE deleted_at IS NULL OR (purged_at IS NULL AND deleted_at >= $1) ORDER BY created_at, id",
        )
        .bind(deleted_since)
        .fetch_all(&self.pool)
        .await?;
        Ok(records)
    }

    /// Live projects by the ids of their organisations.
    pub async fn counts(&self) -> Result<HashMap<String, i64>, Refusal> {
        let counts: Vec<(String, i64)> =
            sqlx::query_as("SELECT org_id, count(*) FROM projects WHERE deleted_at IS NULL GROUP BY org_id")
                .fetch_all(&self.pool)
                .await?;
        Ok(counts.into_iter().collect())
    }

    pub async fn count_live(&self) -> Result<i64, Refusal> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM projects WHERE deleted_at IS NULL").fetch_one(&self.pool).await?)
    }
}
