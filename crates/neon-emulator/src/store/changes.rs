//! Changing a project: lock its row, bring it to the present, change it, write it back with its new operations, all
//! in one transaction. Nothing else writes projects, except the insertion of new ones.

use sqlx::{PgConnection, Postgres, Transaction};

use super::Store;
use super::records::records;
use super::room::must_have_room;
use super::usage::write_journals;
use crate::clock::Instant;
use crate::model::{Operation, Organization, Project, Refusal};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    Live,
    /// Deleted, and still within the recovery window; only if this organisation has room for it.
    Recoverable {
        room: Option<&'a Organization>,
    },
}

impl Store {
    /// Runs `change` on the settled project under the lock of its row. A refusal changes nothing.
    pub async fn change<F>(&self, id: &str, which: Which<'_>, change: F) -> Result<(Project, Vec<Operation>), Refusal>
    where
        F: FnOnce(&mut Project, Instant) -> Result<Vec<Operation>, Refusal> + Send,
    {
        let mut transaction = self.pool.begin().await?;
        let mut project = lock(&mut transaction, id, which).await?;
        if let Which::Recoverable { room: Some(organization) } = which {
            must_have_room(&mut transaction, organization, false).await?;
        }
        let now = self.clock.now();
        let suspension = project.settle(now, &self.timing);
        let operations = change(&mut project, now)?;
        project.plan_quota(now, &self.timing);
        save(&mut transaction, std::slice::from_ref(&project)).await?;
        let all: Vec<&Operation> = suspension.iter().chain(&operations).collect();
        insert_operations(&mut transaction, &all).await?;
        transaction.commit().await?;
        Ok((project, operations))
    }

    /// A new project with its first operations, if its organisation has room for it.
    pub async fn insert(
        &self,
        project: &Project,
        operations: &[Operation],
        organization: &Organization,
        deleted_count: bool,
    ) -> Result<(), Refusal> {
        let mut transaction = self.pool.begin().await?;
        must_have_room(&mut transaction, organization, deleted_count).await?;
        insert_projects(&mut transaction, std::slice::from_ref(project)).await?;
        write_journals(&mut transaction, std::slice::from_ref(project)).await?;
        insert_operations(&mut transaction, &operations.iter().collect::<Vec<_>>()).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// A new database id of Neon's kind.
    pub async fn next_database_ids(&self, count: i64) -> Result<Vec<i64>, Refusal> {
        let ids = sqlx::query_scalar("SELECT nextval('database_ids') FROM generate_series(1, $1)")
            .bind(count)
            .fetch_all(&self.pool)
            .await?;
        Ok(ids)
    }
}

async fn lock(transaction: &mut Transaction<'_, Postgres>, id: &str, which: Which<'_>) -> Result<Project, Refusal> {
    let query = match which {
        Which::Live => sqlx::query_as("SELECT * FROM projects WHERE id = $1 AND deleted_at IS NULL FOR UPDATE"),
        Which::Recoverable { .. } => sqlx::query_as(
            "SELECT * FROM projects WHERE id = $1 AND deleted_at IS NOT NULL AND purged_at IS NULL FOR UPDATE",
        ),
    };
    query.bind(id).fetch_optional(&mut **transaction).await?.ok_or(Refusal::NotFound("project"))
}

pub(super) async fn insert_projects(connection: &mut PgConnection, projects: &[Project]) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO projects SELECT * FROM json_populate_recordset(NULL::projects, $1::text::json)")
        .bind(records(projects)?)
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes back everything about projects that can change.
pub(super) async fn save(connection: &mut PgConnection, projects: &[Project]) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE projects p SET
             (org_id, name, updated_at, deleted_at, busy_until, history_retention_seconds, quota, settings,
              default_min_cu, default_max_cu, default_suspend_seconds, default_pg_settings,
              endpoint_name, endpoint_min_cu, endpoint_max_cu, endpoint_suspend_seconds, endpoint_disabled,
              endpoint_settings, endpoint_updated_at, compute_state, compute_pending, compute_pending_due,
              compute_started_at, compute_suspended_at, compute_last_active, compute_idle_due, compute_held,
              materialized_at, empty_size, base_size, logical_size, used_since, used_active_seconds,
              used_compute_seconds, used_written_bytes, used_transfer_bytes, used_storage_byte_hours, charged_until,
              modeled_from, compute_modeled, quota_due, quota_blocked_at, writes_refused, branch_name,
              branch_protected, default_branch_id, has_endpoint, endpoint_id, endpoint_created_at, objects_apart,
              apply_due, apply_cuts)
           = (n.org_id, n.name, n.updated_at, n.deleted_at, n.busy_until, n.history_retention_seconds, n.quota, n.settings,
              n.default_min_cu, n.default_max_cu, n.default_suspend_seconds, n.default_pg_settings,
              n.endpoint_name, n.endpoint_min_cu, n.endpoint_max_cu, n.endpoint_suspend_seconds, n.endpoint_disabled,
              n.endpoint_settings, n.endpoint_updated_at, n.compute_state, n.compute_pending, n.compute_pending_due,
              n.compute_started_at, n.compute_suspended_at, n.compute_last_active, n.compute_idle_due, n.compute_held,
              n.materialized_at, n.empty_size, n.base_size, n.logical_size, n.used_since, n.used_active_seconds,
              n.used_compute_seconds, n.used_written_bytes, n.used_transfer_bytes, n.used_storage_byte_hours,
              n.charged_until, n.modeled_from, n.compute_modeled, n.quota_due, n.quota_blocked_at, n.writes_refused,
              n.branch_name, n.branch_protected, n.default_branch_id, n.has_endpoint, n.endpoint_id,
              n.endpoint_created_at, n.objects_apart, n.apply_due, n.apply_cuts)
         FROM json_populate_recordset(NULL::projects, $1::text::json) n WHERE p.id = n.id",
    )
    .bind(records(projects)?)
    .execute(&mut *connection)
    .await?;
    write_journals(connection, projects).await
}

pub(super) async fn insert_operations(connection: &mut PgConnection, operations: &[&Operation]) -> sqlx::Result<()> {
    if operations.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO operations SELECT * FROM json_populate_recordset(NULL::operations, $1::text::json)")
        .bind(records(operations)?)
        .execute(connection)
        .await?;
    Ok(())
}
