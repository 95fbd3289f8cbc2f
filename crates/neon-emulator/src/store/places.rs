//! Projects seen from their branches. A branch laid over its project's row is a row of projects; what it changes is
//! written back to the branch, and what all branches share (the lock, the counters) to the project.

use sqlx::{AssertSqlSafe, PgConnection};

use super::Store;
use super::changes::{insert_operations, save};
use super::records::records;
use super::usage::write_journals;
use crate::clock::Instant;
use crate::model::{Operation, Project, Refusal};

/// Where in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    DefaultBranch,
    Branch(&'a str),
    Endpoint(&'a str),
}

/// Live branches over their live projects; `$1` is the project.
const OVERLAY: &str = "SELECT v.* FROM projects p JOIN branches b ON b.project_id = p.id,
    json_populate_record(p, to_json(b)) v
    WHERE p.id = $1 AND p.deleted_at IS NULL AND b.deleted_at IS NULL";

/// Everything about a branch that can change.
const OF_BRANCH: &str = "parent_id, branch_name, branch_protected, updated_at, deleted_at, has_endpoint, endpoint_id,
    endpoint_created_at, endpoint_name, endpoint_min_cu, endpoint_max_cu, endpoint_suspend_seconds, endpoint_disabled,
    endpoint_settings, endpoint_updated_at, compute_state, compute_pending, compute_pending_due, compute_started_at,
    compute_suspended_at, compute_last_active, compute_idle_due, compute_held, objects_apart, apply_due, apply_cuts,
    materialized_at, empty_size, base_size, logical_size, charged_until, writes_refused";

/// What branches share with their project.
const SHARED: &str = "busy_until, used_since, used_active_seconds, used_compute_seconds, used_written_bytes,
    used_transfer_bytes, used_storage_byte_hours, quota_due";

impl Place<'_> {
    fn refusal(self) -> Refusal {
        Refusal::NotFound(if matches!(self, Self::Endpoint(_)) { "endpoint" } else { "branch" })
    }

    fn is_on(self, root: &Project) -> bool {
        match self {
            Self::DefaultBranch => root.is_default_branch(),
            Self::Branch(id) => root.branch_id == id,
            Self::Endpoint(id) => root.has_endpoint && root.endpoint_id == id,
        }
    }
}

impl Store {
    /// A live project seen from one of its live branches, brought to the present.
    pub async fn view(&self, project_id: &str, place: Place<'_>, now: Instant) -> Result<Project, Refusal> {
        let mut connection = self.pool.acquire().await?;
        let mut view = find(&mut connection, project_id, place, false).await?;
        view.settle(now, &self.timing);
        Ok(view)
    }

    /// A live project seen from each of its live branches, the root first, then as they were made.
    pub async fn views(&self, project_id: &str, now: Instant) -> Result<Vec<Project>, Refusal> {
        let mut views = vec![self.project(project_id, now).await?];
        let further: Vec<Project> =
            sqlx::query_as(AssertSqlSafe(format!("{OVERLAY} ORDER BY b.created_at, b.branch_id")))
                .bind(project_id)
                .fetch_all(&self.pool)
                .await?;
        views.extend(further);
        for view in &mut views {
            view.settle(now, &self.timing);
        }
        Ok(views)
    }

    /// The live project with this endpoint, seen from the endpoint's branch.
    pub async fn view_of_endpoint(&self, endpoint_id: &str, now: Instant) -> Result<Option<Project>, Refusal> {
        let project_id: Option<String> = sqlx::query_scalar(
            "SELECT id FROM projects WHERE endpoint_id = $1
             UNION ALL SELECT project_id FROM branches WHERE endpoint_id = $1",
        )
        .bind(endpoint_id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(project_id) = project_id else { return Ok(None) };
        match self.view(&project_id, Place::Endpoint(endpoint_id), now).await {
            Err(Refusal::NotFound(_)) => Ok(None),
            found => found.map(Some),
        }
    }

    /// As `change`, for a project seen from one of its branches.
    pub async fn change_in<F>(
        &self,
        project_id: &str,
        place: Place<'_>,
        change: F,
    ) -> Result<(Project, Vec<Operation>), Refusal>
    where
        F: FnOnce(&mut Project, Instant) -> Result<Vec<Operation>, Refusal> + Send,
    {
        let mut transaction = self.pool.begin().await?;
        let mut view = find(&mut transaction, project_id, place, true).await?;
        let now = self.clock.now();
        let suspension = view.settle(now, &self.timing);
        let operations = change(&mut view, now)?;
        view.plan_quota(now, &self.timing);
        save_view(&mut transaction, &view).await?;
        let all: Vec<&Operation> = suspension.iter().chain(&operations).collect();
        insert_operations(&mut transaction, &all).await?;
        transaction.commit().await?;
        Ok((view, operations))
    }
}

/// Locks the project's row if asked to, and with it all of its branches.
pub(super) async fn find(
    connection: &mut PgConnection,
    project_id: &str,
    place: Place<'_>,
    locks: bool,
) -> Result<Project, Refusal> {
    let lock = if locks { " FOR UPDATE" } else { "" };
    let root: Option<Project> =
        sqlx::query_as(AssertSqlSafe(format!("SELECT * FROM projects WHERE id = $1 AND deleted_at IS NULL{lock}")))
            .bind(project_id)
            .fetch_optional(&mut *connection)
            .await?;
    let root = root.ok_or(Refusal::NotFound("project"))?;
    if place.is_on(&root) {
        return Ok(root);
    }
    let (condition, id) = match place {
        Place::DefaultBranch => ("b.branch_id = $2", root.default_branch_id.as_deref().unwrap_or_default()),
        Place::Branch(id) => ("b.branch_id = $2", id),
        Place::Endpoint(id) => ("b.endpoint_id = $2 AND b.has_endpoint", id),
    };
    sqlx::query_as(AssertSqlSafe(format!("{OVERLAY} AND {condition}")))
        .bind(project_id)
        .bind(id)
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| place.refusal())
}

/// Writes back a project as it was seen and changed from one of its branches.
pub(super) async fn save_view(connection: &mut PgConnection, view: &Project) -> sqlx::Result<()> {
    if view.is_root_branch() {
        return save(connection, std::slice::from_ref(view)).await;
    }
    let record = records(std::slice::from_ref(view))?;
    for (table, key, columns) in [("branches", "branch_id", OF_BRANCH), ("projects", "id", SHARED)] {
        let statement = format!(
            "UPDATE {table} t SET ({columns}) =
                 (SELECT {columns} FROM json_populate_recordset(NULL::{table}, $1::text::json))
             WHERE t.{key} = $2"
        );
        let id = if table == "branches" { &view.branch_id } else { &view.id };
        sqlx::query(AssertSqlSafe(statement)).bind(&record).bind(id).execute(&mut *connection).await?;
    }
    write_journals(connection, std::slice::from_ref(view)).await
}
