//! Use by the hour and the spans without modelled use: written with the projects, read for the history.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::Store;
use super::records::records;
use crate::clock::Instant;
use crate::model::{HourOfUse, Move, Project, Refusal, Silence};

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

/// A project with its past.
#[derive(Debug)]
pub struct Consumer {
    pub project: Project,
    /// In the order of time.
    pub hours: Vec<HourOfUse>,
    pub silences: Vec<Silence>,
    /// In the order of time.
    pub moves: Vec<Move>,
}

/// Which projects a page of the consumption history is about.
#[derive(Debug, Default)]
pub struct Consumers<'a> {
    /// Those of this organisation; of all, if absent.
    pub org_id: Option<&'a str>,
    /// And those that were in it later than this.
    pub left_since: Option<Instant>,
    /// Deleted ones too.
    pub with_deleted: bool,
    pub limit: i64,
    /// Id of the last project of the page before.
    pub cursor: Option<&'a str>,
    /// These alone.
    pub ids: Option<&'a [String]>,
}

impl Store {
    /// A page of projects, newest first, brought to the present.
    pub async fn consumers(&self, page: &Consumers<'_>, now: Instant) -> Result<Vec<Project>, Refusal> {
        let mut connection = self.pool.acquire().await?;
        self.consumers_within(&mut connection, page, now).await
    }

    /// The same with their past from a moment on, all of one snapshot: what one part no longer has another part has.
    pub async fn pasts(&self, page: &Consumers<'_>, from: Instant, now: Instant) -> Result<Vec<Consumer>, Refusal> {
        let mut snapshot = self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let projects = self.consumers_within(&mut snapshot, page, now).await?;
        let ids: Vec<&str> = projects.iter().map(|project| project.id.as_str()).collect();
        let mut hours = hours_of_use(&mut snapshot, &ids, from).await?;
        let mut silences = silences(&mut snapshot, &ids, from).await?;
        let moves = self.moves(&mut snapshot, &ids).await?;
        snapshot.commit().await?;
        // What bringing them to the present has found is not written yet.
        hours.extend(projects.iter().flat_map(|project| project.journal.hours.values().cloned()));
        silences.extend(projects.iter().flat_map(|project| project.journal.silences.iter().cloned()));
        hours.sort_by_key(|hour| hour.hour);
        let of = |project: Project| Consumer {
            hours: hours.iter().filter(|hour| hour.project_id == project.id).cloned().collect(),
            silences: silences.iter().filter(|silence| silence.project_id == project.id).cloned().collect(),
            moves: moves.iter().filter(|step| step.project_id == project.id).cloned().collect(),
            project,
        };
        Ok(projects.into_iter().map(of).collect())
    }

    async fn consumers_within(
        &self,
        connection: &mut PgConnection,
        page: &Consumers<'_>,
        now: Instant,
    ) -> Result<Vec<Project>, Refusal> {
        let place = match page.cursor {
            Some(cursor) => Some(self.place(cursor).await?),
            None => None,
        };
        let left = left_since(connection, page).await?;
        let mut query = QueryBuilder::<Postgres>::new("SELECT * FROM ((");
        push_page(&mut query, page, place.as_ref());
        if let Some(org_id) = page.org_id {
            query.push(" AND org_id = ").push_bind(org_id);
        }
        push_order(&mut query, page);
        // By themselves, so that the others are found by index.
        if !left.is_empty() {
            query.push(") UNION ALL (");
            push_page(&mut query, page, place.as_ref());
            query.push(" AND org_id IS DISTINCT FROM ").push_bind(page.org_id);
            query.push(" AND id = ANY (").push_bind(left).push(")");
            push_order(&mut query, page);
        }
        query.push(")) p");
        push_order(&mut query, page);
        let mut projects: Vec<Project> = query.build_query_as().fetch_all(connection).await?;
        for project in &mut projects {
            project.settle(now, &self.timing);
        }
        Ok(projects)
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

/// Projects that have left the organisation since the page's moment.
async fn left_since(connection: &mut PgConnection, page: &Consumers<'_>) -> sqlx::Result<Vec<String>> {
    let (Some(org_id), Some(since)) = (page.org_id, page.left_since) else { return Ok(Vec::new()) };
    sqlx::query_scalar(
        "SELECT DISTINCT project_id FROM transfers WHERE source_org_id = $1 AND has_moved AND ended_at >= $2",
    )
    .bind(org_id)
    .bind(since)
    .fetch_all(connection)
    .await
}

fn push_page(query: &mut QueryBuilder<Postgres>, page: &Consumers<'_>, place: Option<&(Instant, String)>) {
    query.push("SELECT * FROM projects WHERE purged_at IS NULL");
    if !page.with_deleted {
        query.push(" AND deleted_at IS NULL");
    }
    if let Some((created_at, id)) = place {
        query.push(" AND (created_at, id) < (").push_bind(*created_at).push(", ").push_bind(id.clone()).push(")");
    }
    if let Some(ids) = page.ids {
        query.push(" AND id = ANY (").push_bind(ids).push(")");
    }
}

fn push_order(query: &mut QueryBuilder<Postgres>, page: &Consumers<'_>) {
    query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(page.limit);
}

async fn hours_of_use(connection: &mut PgConnection, ids: &[&str], from: Instant) -> sqlx::Result<Vec<HourOfUse>> {
    sqlx::query_as("SELECT * FROM usage_hours WHERE project_id = ANY ($1) AND hour >= $2")
        .bind(ids)
        .bind(from)
        .fetch_all(connection)
        .await
}

/// Spans that end after a moment.
async fn silences(connection: &mut PgConnection, ids: &[&str], after: Instant) -> sqlx::Result<Vec<Silence>> {
    sqlx::query_as("SELECT * FROM usage_silences WHERE project_id = ANY ($1) AND until > $2")
        .bind(ids)
        .bind(after)
        .fetch_all(connection)
        .await
}
