//! Further branches of a project: made, counted, deleted, recovered, removed for good.

use sqlx::AssertSqlSafe;

use super::Store;
use super::changes::insert_operations;
use super::objects::{forget, insert};
use super::places::{Place, find, save_view};
use super::records::records;
use crate::clock::Instant;
use crate::model::{Objects, Operation, Project, Refusal};

impl Store {
    /// Writes a new branch that `make` has made out of its settled parent, under the lock of the project.
    pub async fn insert_branch<F>(
        &self,
        project_id: &str,
        parent_id: &str,
        make: F,
    ) -> Result<(Project, Objects, Vec<Operation>), Refusal>
    where
        F: FnOnce(&mut Project, Instant) -> Result<(Project, Objects, Vec<Operation>), Refusal> + Send,
    {
        let mut transaction = self.pool.begin().await?;
        let mut parent = find(&mut transaction, project_id, Place::Branch(parent_id), true).await?;
        let now = self.clock.now();
        let suspension = parent.settle(now, &self.timing);
        let (branch, objects, operations) = make(&mut parent, now)?;
        parent.busy_until = branch.busy_until;
        save_view(&mut transaction, &parent).await?;
        sqlx::query(
            "INSERT INTO branches SELECT b.* FROM json_array_elements($1::text::json) r,
                 json_populate_record(NULL::branches, (r::jsonb || jsonb_build_object('project_id', $2::text))::json) b",
        )
        .bind(records(std::slice::from_ref(&branch))?)
        .bind(project_id)
        .execute(&mut *transaction)
        .await?;
        insert(&mut transaction, &objects).await?;
        let all: Vec<&Operation> = suspension.iter().chain(&operations).collect();
        insert_operations(&mut transaction, &all).await?;
        transaction.commit().await?;
        Ok((branch, objects, operations))
    }

    /// Ids of the live branches that were made from this one.
    pub async fn children(&self, branch_id: &str) -> Result<Vec<String>, Refusal> {
        let ids = sqlx::query_scalar(
            "SELECT branch_id FROM branches WHERE parent_id = $1 AND deleted_at IS NULL ORDER BY branch_id LIMIT 100",
        )
        .bind(branch_id)
        .fetch_all(&self.pool)
        .await?;
        Ok(ids)
    }

    /// Whether any live branch of a project is protected, the root branch included.
    pub async fn has_protected_branch(&self, project_id: &str) -> Result<bool, Refusal> {
        Ok(sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM projects WHERE id = $1 AND branch_protected)
                 OR EXISTS (SELECT FROM branches WHERE project_id = $1 AND branch_protected AND deleted_at IS NULL)",
        )
        .bind(project_id)
        .fetch_one(&self.pool)
        .await?)
    }

    /// Branches of a live project that were deleted since then; their `deleted_at` is set.
    pub async fn deleted_branches(&self, project_id: &str, since: Instant) -> Result<Vec<Project>, Refusal> {
        let branches = sqlx::query_as(
            "SELECT v.* FROM projects p JOIN branches b ON b.project_id = p.id, json_populate_record(p, to_json(b)) v
             WHERE p.id = $1 AND p.deleted_at IS NULL AND b.deleted_at >= $2 ORDER BY b.deleted_at",
        )
        .bind(project_id)
        .bind(since)
        .fetch_all(&self.pool)
        .await?;
        Ok(branches)
    }

    /// Further branches of a project that has just been deleted.
    pub async fn branches_of_deleted(&self, project_id: &str) -> Result<Vec<Project>, Refusal> {
        let branches = sqlx::query_as(
            "SELECT v.* FROM projects p JOIN branches b ON b.project_id = p.id, json_populate_record(p, to_json(b)) v
             WHERE p.id = $1 AND p.deleted_at IS NOT NULL",
        )
        .bind(project_id)
        .fetch_all(&self.pool)
        .await?;
        Ok(branches)
    }

    /// Brings a deleted branch back. Returns whether there was one that was deleted after this moment.
    pub async fn recover_branch(
        &self,
        project_id: &str,
        branch_id: &str,
        deleted_after: Instant,
    ) -> Result<bool, Refusal> {
        let done = sqlx::query(
            "UPDATE branches SET deleted_at = NULL, updated_at = $4
             WHERE project_id = $1 AND branch_id = $2 AND deleted_at >= $3",
        )
        .bind(project_id)
        .bind(branch_id)
        .bind(deleted_after)
        .bind(self.clock.now())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// The computes of all further branches stop, as their project is deleted.
    pub async fn stop_branches(&self, project_id: &str) -> Result<(), Refusal> {
        sqlx::query(
            "UPDATE branches SET compute_state = 'idle', compute_pending = NULL, compute_pending_due = NULL,
                 compute_idle_due = NULL, compute_held = false, compute_suspended_at = $2
             WHERE project_id = $1 AND (compute_state <> 'idle' OR compute_pending IS NOT NULL OR compute_held)",
        )
        .bind(project_id)
        .bind(self.clock.now())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Branches to remove for good: they or their projects were deleted before this moment. A few at a time.
    pub async fn branches_to_purge(&self, deleted_before: Instant) -> Result<Vec<Project>, Refusal> {
        let branches = sqlx::query_as(
            "SELECT v.* FROM branches b JOIN projects p ON p.id = b.project_id, json_populate_record(p, to_json(b)) v
             WHERE b.deleted_at < $1 OR p.deleted_at < $1 LIMIT 20",
        )
        .bind(deleted_before)
        .fetch_all(&self.pool)
        .await?;
        Ok(branches)
    }

    /// A further branch is gone for good.
    pub async fn remove_branch(&self, branch_id: &str) -> Result<(), Refusal> {
        let mut transaction = self.pool.begin().await?;
        forget(&mut transaction, branch_id).await?;
        sqlx::query("DELETE FROM branches WHERE branch_id = $1").bind(branch_id).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Writes down the changes of further branches' computes that have fallen due, one by one: branches of a project
    /// share its counters. Returns how many there were.
    pub async fn settle_due_branches(&self) -> Result<usize, Refusal> {
        let due = self.places_where("LEAST(b.compute_pending_due, b.compute_idle_due) <= $1").await?;
        for (project_id, branch_id) in &due {
            self.write_down(project_id, branch_id, |_, _| {}).await?;
        }
        Ok(due.len())
    }

    /// After a restart no connection is open: branches are let go, and nobody is left to be cut.
    pub async fn release_held_branches(&self) -> Result<(), Refusal> {
        for table in ["projects", "branches"] {
            let statement = format!("UPDATE {table} SET apply_cuts = false WHERE apply_cuts");
            sqlx::query(AssertSqlSafe(statement)).execute(&self.pool).await?;
        }
        loop {
            let held = self.places_where("b.compute_held AND $1 IS NOT NULL").await?;
            for (project_id, branch_id) in &held {
                let timing = self.timing;
                self.write_down(project_id, branch_id, |project, now| project.release_connections(now, &timing))
                    .await?;
            }
            if held.is_empty() {
                return Ok(());
            }
        }
    }

    async fn places_where(&self, condition: &str) -> Result<Vec<(String, String)>, Refusal> {
        let query = format!(
            "SELECT p.id, b.branch_id FROM branches b JOIN projects p ON p.id = b.project_id
             WHERE b.deleted_at IS NULL AND p.deleted_at IS NULL AND {condition} LIMIT 100"
        );
        let places = sqlx::query_as(AssertSqlSafe(query)).bind(self.clock.now()).fetch_all(&self.pool).await?;
        Ok(places)
    }

    async fn write_down<F>(&self, project_id: &str, branch_id: &str, change: F) -> Result<(), Refusal>
    where
        F: FnOnce(&mut Project, Instant) + Send,
    {
        let change = |project: &mut Project, now| {
            change(project, now);
            Ok(Vec::new())
        };
        match self.change_in(project_id, Place::Branch(branch_id), change).await {
            Ok(_) | Err(Refusal::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
