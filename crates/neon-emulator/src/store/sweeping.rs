//! What falls due by itself, in bounded batches.

use super::Store;
use super::changes::{insert_operations, save};
use crate::clock::Instant;
use crate::model::{Operation, Project, Refusal};

/// Rows of one round.
pub const BATCH: usize = 500;

impl Store {
    /// Writes down the changes of computes that have fallen due. Returns how many rows there were: a full batch
    /// means that there may be more.
    pub async fn settle_due(&self) -> Result<usize, Refusal> {
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await?;
        let mut projects: Vec<Project> = sqlx::query_as(
            "SELECT * FROM projects WHERE LEAST(compute_pending_due, compute_idle_due, quota_due) <= $1
             ORDER BY LEAST(compute_pending_due, compute_idle_due, quota_due) LIMIT $2 FOR UPDATE SKIP LOCKED",
        )
        .bind(now)
        .bind(BATCH as i64)
        .fetch_all(&mut *transaction)
        .await?;
        let suspensions: Vec<Operation> = projects.iter_mut().filter_map(|p| p.settle(now, &self.timing)).collect();
        if !projects.is_empty() {
            save(&mut transaction, &projects).await?;
            insert_operations(&mut transaction, &suspensions.iter().collect::<Vec<_>>()).await?;
        }
        transaction.commit().await?;
        Ok(projects.len())
    }

    /// Checks the availability of computes that have been idle since `idle_since`, a batch at a time. Those that follow a pattern of use are left alone:
    /// their past is worked out from it.
    pub async fn check_availability_due(&self, idle_since: Instant) -> Result<usize, Refusal> {
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await?;
        let mut projects: Vec<Project> = sqlx::query_as(
            "SELECT * FROM projects
             WHERE compute_state = 'idle' AND compute_pending IS NULL AND NOT compute_modeled AND has_endpoint AND deleted_at IS NULL
               AND compute_last_active < $1 AND (busy_until IS NULL OR busy_until <= $2) AND quota_blocked_at IS NULL
             ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED",
        )
        .bind(idle_since)
        .bind(now)
        .bind(BATCH as i64)
        .fetch_all(&mut *transaction)
        .await?;
        let operations: Vec<Operation> =
            projects.iter_mut().flat_map(|project| project.check_availability(now, &self.timing)).collect();
        if !projects.is_empty() {
            save(&mut transaction, &projects).await?;
            insert_operations(&mut transaction, &operations.iter().collect::<Vec<_>>()).await?;
        }
        transaction.commit().await?;
        Ok(projects.len())
    }

    /// After a restart no connection is open: whatever was held is let go.
    pub async fn release_all_held(&self) -> Result<(), Refusal> {
        let now = self.clock.now();
        loop {
            let mut transaction = self.pool.begin().await?;
            let mut held: Vec<Project> =
                sqlx::query_as("SELECT * FROM projects WHERE compute_held ORDER BY id LIMIT $1 FOR UPDATE")
                    .bind(BATCH as i64)
                    .fetch_all(&mut *transaction)
                    .await?;
            if held.is_empty() {
                return Ok(());
            }
            for project in &mut held {
                project.settle(now, &self.timing);
                project.release_connections(now, &self.timing);
                project.plan_quota(now, &self.timing);
            }
            save(&mut transaction, &held).await?;
            transaction.commit().await?;
        }
    }

    /// Projects and their branches whose size limit is in force, a few hundred at a time.
    pub async fn branches_with_refused_writes(&self) -> Result<Vec<(String, String)>, Refusal> {
        let branches = sqlx::query_as(
            "SELECT id, branch_id FROM (
                 SELECT id, branch_id FROM projects WHERE writes_refused AND deleted_at IS NULL
                 UNION ALL SELECT project_id, branch_id FROM branches WHERE writes_refused AND deleted_at IS NULL) refused
             ORDER BY random() LIMIT 200",
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(branches)
    }

    /// Deleted projects whose recovery window ended before `deleted_before`, a few at a time.
    pub async fn purge_due(&self, deleted_before: Instant) -> Result<Vec<Project>, Refusal> {
        let projects = sqlx::query_as(
            "SELECT * FROM projects WHERE deleted_at < $1 AND purged_at IS NULL ORDER BY deleted_at LIMIT 20",
        )
        .bind(deleted_before)
        .fetch_all(&self.pool)
        .await?;
        Ok(projects)
    }

    /// The project is gone for good. Its row stays, as a cursor may still name it; its secret does not.
    pub async fn mark_purged(&self, id: &str) -> Result<(), Refusal> {
        sqlx::query("UPDATE projects SET purged_at = $2, role_password = '', materialized_at = NULL WHERE id = $1")
            .bind(id)
            .bind(self.clock.now())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
