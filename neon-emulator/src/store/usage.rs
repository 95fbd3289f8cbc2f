//! Use by the hour and the spans without modelled use: written with the projects, read for the history.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::Store;
use super::changes::records;
use crate::clock::Instant;
use crate::model::{HourOfUse, Project, Refusal, Silence};

/// Writes what the changes of these projects left in their journals.
pub(super) async fn write_journals(connection: &mut PgConnection, projects: &[Project]) -> sqlx::Result<()> {
    let hours: Vec<&HourOfUse> = projects.iter().flat_map(|project| project.journal.hours.values()).collect();
    let silences: Vec<&Silence> = projects.iter().flat_map(|project| &project.journal.silences).collect();
    if !hours.is_empty() {
        add_hours(connection, &hours).await?;
    }
    if !silences.is_empty() {
        sqlx::query(
            "INSERT INTO usage_silences SELECT * FROM json_populate_recordset(NULL::usage_silences, $1::text::json)",
        )
        .bind(records(&silences)?)
        .execute(connection)
        .await?;
    }
    Ok(())
}

async fn add_hours(connection: &mut PgConnection, hours: &[&HourOfUse]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO usage_hours AS h
         SELECT * FROM json_populate_recordset(NULL::usage_hours, $1::text::json)
         ON CONFLICT (project_id, hour) DO UPDATE SET
             active_seconds = h.active_seconds + EXCLUDED.active_seconds,
             compute_seconds = h.compute_seconds + EXCLUDED.compute_seconds,
             written_bytes = h.written_bytes + EXCLUDED.written_bytes,
             transfer_bytes = h.transfer_bytes + EXCLUDED.transfer_bytes",
    )
    .bind(records(hours)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// A page of live projects, newest first, brought to the present; of these ids alone if there are any.
    pub async fn consumers(
        &self,
        limit: i64,
        cursor: Option<&str>,
        ids: Option<&[String]>,
        now: Instant,
    ) -> Result<Vec<Project>, Refusal> {
        let mut query = QueryBuilder::<Postgres>::new("SELECT * FROM projects WHERE deleted_at IS NULL");
        if let Some(cursor) = cursor {
            let (created_at, id) = self.place(cursor).await?;
            query.push(" AND (created_at, id) < (").push_bind(created_at).push(", ").push_bind(id).push(")");
        }
        if let Some(ids) = ids {
            query.push(" AND id = ANY (").push_bind(ids).push(")");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(limit);
        let mut projects: Vec<Project> = query.build_query_as().fetch_all(&self.pool).await?;
        for project in &mut projects {
            project.settle(now, &self.timing);
        }
        Ok(projects)
    }

    /// Real use of these projects from a moment on, in the order of time.
    pub async fn hours_of_use(&self, project_ids: &[String], from: Instant) -> Result<Vec<HourOfUse>, Refusal> {
        let hours =
            sqlx::query_as("SELECT * FROM usage_hours WHERE project_id = ANY ($1) AND hour >= $2 ORDER BY hour")
                .bind(project_ids)
                .bind(from)
                .fetch_all(&self.pool)
                .await?;
        Ok(hours)
    }

    /// Spans of these projects without modelled use that end after a moment.
    pub async fn silences(&self, project_ids: &[String], after: Instant) -> Result<Vec<Silence>, Refusal> {
        let silences = sqlx::query_as("SELECT * FROM usage_silences WHERE project_id = ANY ($1) AND until > $2")
            .bind(project_ids)
            .bind(after)
            .fetch_all(&self.pool)
            .await?;
        Ok(silences)
    }

    /// The history reaches back a year. Removes at most 10,000 hours at a time.
    pub async fn forget_old_usage(&self) -> Result<u64, Refusal> {
        let done = sqlx::query(
            "DELETE FROM usage_hours WHERE (project_id, hour) IN
                 (SELECT project_id, hour FROM usage_hours WHERE hour < $1 - interval '13 months' ORDER BY hour LIMIT 10000)",
        )
        .bind(self.clock.now())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}
