//! Projects on their way to another organisation. The answer to a transfer comes when it is written down; each project
//! arrives at a time of its own.

use chrono::TimeDelta;
use sqlx::{PgConnection, Postgres, Transaction};

use super::Store;
use super::changes::{insert_operations, save};
use super::room::{has_room, lock_organization};
use crate::clock::Instant;
use crate::model::{Batch, Facts, Move, Obstacle, Organization, Project, Refusal, Rules};

#[derive(sqlx::FromRow)]
struct Due {
    id: i64,
    project_id: String,
    source_org_id: String,
    destination_org_id: String,
    due_at: Instant,
}

impl Store {
    /// Decides about a batch and writes down what goes, each project after the one before it. Other transfers to the
    /// same destination wait.
    pub async fn begin_transfers(
        &self,
        batch: &Batch<'_>,
        rules: Rules,
        lag: TimeDelta,
    ) -> Result<Option<Obstacle>, Refusal> {
        let mut transaction = self.pool.begin().await?;
        lock_organization(&mut transaction, &batch.destination.id).await?;
        let now = self.clock.now();
        let facts = self.facts(&mut transaction, batch).await?;
        let (going, obstacle) = batch.decide(&facts, rules, now);
        let mut due_at = now;
        let due: Vec<Instant> = going
            .iter()
            .map(|_| {
                due_at += lag;
                due_at
            })
            .collect();
        sqlx::query(
            "INSERT INTO transfers (project_id, source_org_id, destination_org_id, due_at)
             SELECT t.project_id, $2, $3, t.due_at FROM unnest($1::text[], $4::timestamptz[]) AS t (project_id, due_at)",
        )
        .bind(&going)
        .bind(&batch.source.id)
        .bind(&batch.destination.id)
        .bind(due)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(obstacle)
    }

    async fn facts(&self, connection: &mut PgConnection, batch: &Batch<'_>) -> sqlx::Result<Facts> {
        let projects =
            sqlx::query_as("SELECT * FROM projects WHERE id = ANY ($1) AND deleted_at IS NULL ORDER BY id FOR UPDATE")
                .bind(batch.ids)
                .fetch_all(&mut *connection)
                .await?;
        let under_way =
            sqlx::query_scalar("SELECT project_id FROM transfers WHERE project_id = ANY ($1) AND ended_at IS NULL")
                .bind(batch.ids)
                .fetch_all(&mut *connection)
                .await?;
        let integrations =
            sqlx::query_as("SELECT project_id, integration FROM integrations WHERE project_id = ANY ($1) ORDER BY 1")
                .bind(batch.ids)
                .fetch_all(&mut *connection)
                .await?;
        let in_destination: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM projects WHERE org_id = $1 AND deleted_at IS NULL)
                  + (SELECT count(*) FROM transfers WHERE destination_org_id = $1 AND ended_at IS NULL)",
        )
        .bind(&batch.destination.id)
        .fetch_one(connection)
        .await?;
        Ok(Facts { projects, under_way, integrations, in_destination })
    }

    /// When the next project arrives, if any is on its way.
    pub async fn next_arrival(&self) -> Result<Option<Instant>, Refusal> {
        let next = sqlx::query_scalar("SELECT min(due_at) FROM transfers WHERE ended_at IS NULL");
        Ok(next.fetch_one(&self.pool).await?)
    }

    /// Whether a project is on its way.
    pub async fn is_under_way(&self, project_id: &str) -> Result<bool, Refusal> {
        let found =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM transfers WHERE project_id = $1 AND ended_at IS NULL)");
        Ok(found.bind(project_id).fetch_one(&self.pool).await?)
    }

    /// Ends the next transfer that is due: its project arrives, with what `settle_in` makes of it, and keys of it alone
    /// end. It stays where it is if it was deleted meanwhile or there is no place left. Returns its id, and whether it
    /// has moved; nothing if no transfer is due.
    pub async fn arrive<F>(
        &self,
        destinations: &[Organization],
        settle_in: F,
    ) -> Result<Option<(String, bool)>, Refusal>
    where
        F: FnOnce(&mut Project, &Organization, Instant) + Send,
    {
        let mut transaction = self.pool.begin().await?;
        let now = self.clock.now();
        let due: Option<Due> = sqlx::query_as(
            "SELECT id, project_id, source_org_id, destination_org_id, due_at FROM transfers
             WHERE ended_at IS NULL AND due_at <= $1 ORDER BY due_at, id LIMIT 1 FOR UPDATE",
        )
        .bind(now)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(due) = due else { return Ok(None) };
        let destination = destinations.iter().find(|organization| organization.id == due.destination_org_id);
        let has_moved = match destination {
            Some(destination) => self.take_in(&mut transaction, &due, destination, settle_in).await?,
            None => false,
        };
        sqlx::query("UPDATE transfers SET ended_at = $2, has_moved = $3 WHERE id = $1")
            .bind(due.id)
            .bind(due.due_at)
            .bind(has_moved)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some((due.project_id, has_moved)))
    }

    async fn take_in<F>(
        &self,
        transaction: &mut Transaction<'_, Postgres>,
        due: &Due,
        destination: &Organization,
        settle_in: F,
    ) -> Result<bool, Refusal>
    where
        F: FnOnce(&mut Project, &Organization, Instant) + Send,
    {
        if !has_room(transaction, destination, false).await? {
            return Ok(false);
        }
        let project: Option<Project> =
            sqlx::query_as("SELECT * FROM projects WHERE id = $1 AND org_id = $2 AND deleted_at IS NULL FOR UPDATE")
                .bind(&due.project_id)
                .bind(&due.source_org_id)
                .fetch_optional(&mut **transaction)
                .await?;
        let Some(mut project) = project else { return Ok(false) };
        let now = self.clock.now();
        let suspension = project.settle(now, &self.timing);
        project.org_id.clone_from(&destination.id);
        project.updated_at = now;
        settle_in(&mut project, destination, now);
        project.plan_quota(now, &self.timing);
        save(transaction, std::slice::from_ref(&project)).await?;
        insert_operations(transaction, &suspension.iter().collect::<Vec<_>>()).await?;
        revoke_keys(transaction, &project.id, now).await?;
        Ok(true)
    }

    /// A project is in another organisation from now on, whatever its limits say.
    pub async fn move_at_once(&self, project_id: &str, destination: &Organization) -> Result<(), Refusal> {
        let mut transaction = self.pool.begin().await?;
        let now = self.clock.now();
        let source: Option<String> = sqlx::query_scalar(
            "UPDATE projects p SET org_id = $2, updated_at = $3
             FROM (SELECT id, org_id FROM projects WHERE id = $1 AND deleted_at IS NULL FOR UPDATE) old
             WHERE p.id = old.id RETURNING old.org_id",
        )
        .bind(project_id)
        .bind(&destination.id)
        .bind(now)
        .fetch_optional(&mut *transaction)
        .await?;
        let source = source.ok_or(Refusal::NotFound("project"))?;
        sqlx::query(
            "INSERT INTO transfers (project_id, source_org_id, destination_org_id, due_at, ended_at, has_moved)
             VALUES ($1, $2, $3, $4, $4, true)",
        )
        .bind(project_id)
        .bind(source)
        .bind(&destination.id)
        .bind(now)
        .execute(&mut *transaction)
        .await?;
        revoke_keys(&mut transaction, project_id, now).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The moves of these projects, in the order of time.
    pub(super) async fn moves(&self, connection: &mut PgConnection, ids: &[&str]) -> sqlx::Result<Vec<Move>> {
        sqlx::query_as(
            "SELECT project_id, source_org_id, destination_org_id, ended_at FROM transfers
             WHERE project_id = ANY ($1) AND has_moved ORDER BY ended_at, id",
        )
        .bind(ids)
        .fetch_all(connection)
        .await
    }
}

/// Keys of a project alone end when it leaves its organisation.
async fn revoke_keys(transaction: &mut Transaction<'_, Postgres>, project_id: &str, now: Instant) -> sqlx::Result<()> {
    sqlx::query("UPDATE api_keys SET revoked_at = $2 WHERE project_id = $1 AND revoked_at IS NULL")
        .bind(project_id)
        .bind(now)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
