//! Repair: giving databases back to the owners that Neon knows of, in a ledger that has forgotten them.

use serde_json::json;
use uuid::Uuid;

use super::{
    By, Ledger, LedgerError, NewEvent,
    events::insert_event,
    givable::{end_findings, lock_givable},
    plans::{follow, keep_as_overrides},
    quota_events::QUOTA_DECISIONS,
    quotas::take_from_neon,
};
use crate::state::State;
use fleet_types::{DatabaseState, Quota, Time};

/// Withheld rows that are read at a time.
const ROWS: i64 = 10_000;

/// Whose a project is, as its name on Neon says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundOwner {
    pub id: String,
    pub email: String,
    pub plan: String,
}

/// The compute that a project has on Neon: its size in CU, and after how many seconds without a connection it stops.
#[derive(Clone, Copy, Debug)]
pub struct ComputeOnNeon {
    pub min_cu: f64,
    pub max_cu: f64,
    pub suspend_timeout_seconds: i32,
}

/// What Neon has of a project that the ledger lacks.
pub struct RebuiltProject {
    pub name: String,
    pub project_id: String,
    pub branch_id: String,
    pub endpoint_id: String,
    pub host: String,
    pub database_name: String,
    pub role_name: String,
    pub sealed_credentials: Vec<u8>,
    pub region_id: String,
    pub pg_version: i32,
    /// `None` where Neon does not tell it.
    pub compute: Option<ComputeOnNeon>,
}

/// A row as a repair finds it.
#[derive(Clone, Debug)]
pub struct KnownRow {
    pub id: Uuid,
    pub state: DatabaseState,
    pub owner_id: Option<String>,
    pub has_credentials: bool,
    pub knows_its_project: bool,
    /// It belongs to the installation from which this ledger was copied.
    pub is_copied: bool,
    /// Its owner had given it up before this ledger was found to be old.
    pub may_be_held_again: bool,
    /// Neon has confirmed everything that is wanted of it: so its name there says what the ledger said then.
    pub is_settled: bool,
}

impl KnownRow {
    /// Theirs, or given up by them and deleted when safe mode is over.
    #[must_use]
    pub fn is_held_by(&self, owner: &str) -> bool {
        matches!(self.state, DatabaseState::Claimed | DatabaseState::Releasing)
            && self.owner_id.as_deref() == Some(owner)
    }
}

/// A database that nobody gets by itself.
#[derive(Clone, Debug)]
pub struct Withheld {
    pub id: Uuid,
    pub project_id: Option<String>,
    pub last_active_at: Option<Time>,
    /// When it came to the pool, or was last looked into and was new.
    pub proven_new_at: Option<Time>,
}

/// A database that somebody holds.
#[derive(Clone, Debug)]
pub struct Held {
    pub id: Uuid,
    pub project_id: String,
    pub owner_id: String,
    /// What the ledger wants.
    pub quota: Quota,
    /// Neon's may be the newer one ([`Ledger::may_have_forgotten_quota`]).
    pub may_have_forgotten: bool,
}

impl Ledger {
    /// The row of this project, or the one that was made for it.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn row_of_project(&self, project_id: &str, id: Uuid) -> Result<Option<KnownRow>, LedgerError> {
        Ok(sqlx::query_as!(
            KnownRow,
            r#"SELECT id, state AS "state: State", owner_id, sealed_credentials IS NOT NULL AND neon_project_id IS NOT NULL AS "has_credentials!",
                      neon_project_id IS NOT NULL AS "knows_its_project!", origin = 'copied' AS "is_copied!",
                      state = 'releasing' AND is_from_before(releasing_at) AS "may_be_held_again!", wanted_revision = applied_revision AS "is_settled!"
               FROM databases WHERE neon_project_id = $1 OR id = $2 AND neon_project_id IS NULL ORDER BY neon_project_id IS NULL LIMIT 1"#,
            project_id,
            id
        )
        .fetch_optional(&self.db)
        .await?)
    }

    /// The project of the database that has this id or gave its project this name, where it knows it.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn project_of_namesake(&self, id: Uuid, name: &str) -> Result<Option<String>, LedgerError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT neon_project_id AS "project_id!" FROM databases WHERE (id = $1 OR neon_project_name = $2) AND neon_project_id IS NOT NULL LIMIT 1"#,
            id,
            name
        )
        .fetch_optional(&self.db)
        .await?)
    }

    /// # Errors
    /// PostgreSQL's.
    pub async fn withheld(&self) -> Result<Vec<Withheld>, LedgerError> {
        Ok(sqlx::query_as!(
            Withheld,
            "SELECT id, neon_project_id AS project_id, last_active_at, coalesce(proven_new_at, available_at) AS proven_new_at FROM databases WHERE state = 'withheld' AND origin = 'pool'
             ORDER BY id LIMIT $1",
            ROWS
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// Claimed databases behind `after`.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn claimed_behind(&self, after: Uuid) -> Result<Vec<Held>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT id, neon_project_id AS "project_id!", owner_id AS "owner_id!", quota_logical_size_bytes, quota_active_seconds, quota_compute_seconds,
                      quota_written_bytes, quota_transfer_bytes, may_have_forgotten_quota(id, $3) AS "may_have_forgotten!" FROM databases
               WHERE state = 'claimed' AND origin = 'pool' AND id > $1 ORDER BY id LIMIT $2"#,
            after,
            ROWS,
            &QUOTA_DECISIONS.map(String::from)[..]
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Held {
                id: row.id,
                project_id: row.project_id,
                owner_id: row.owner_id,
                may_have_forgotten: row.may_have_forgotten,
                quota: Quota {
                    logical_size_bytes: row.quota_logical_size_bytes,
                    active_time_seconds: row.quota_active_seconds,
                    compute_time_seconds: row.quota_compute_seconds,
                    written_data_bytes: row.quota_written_bytes,
                    data_transfer_bytes: row.quota_transfer_bytes,
                },
            })
            .collect())
    }

    /// The plan of an owner whom the ledger knows.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn plan_of(&self, owner_id: &str) -> Result<Option<String>, LedgerError> {
        Ok(sqlx::query_scalar!("SELECT plan FROM owners WHERE id = $1", owner_id).fetch_optional(&self.db).await?)
    }

    /// The plan of an owner as this ledger had it when it was found to be old; `None` where somebody has given them another one since.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn plan_of_old(&self, owner_id: &str) -> Result<Option<String>, LedgerError> {
        Ok(sqlx::query_scalar!(
            "SELECT o.plan FROM owners AS o WHERE o.id = $1 AND NOT EXISTS (
               SELECT FROM databases AS d JOIN events AS e ON e.database_id = d.id
               WHERE d.owner_id = o.id AND e.kind = 'owner.changed' AND e.before ->> 'plan' <> e.after ->> 'plan' AND NOT is_from_before(e.at))",
            owner_id
        )
        .fetch_optional(&self.db)
        .await?)
    }

    /// Gives a database back to its owner: one that is withheld, being given up, or deleted here and alive on Neon. `project` is what the row lacks of it;
    /// `quota` is what the owner has on Neon, else they keep theirs here, or get their plan's; where it is not what their plan says by
    /// now, it is an override. What was found to be wrong with the project is over then.
    ///
    /// # Errors
    /// `Conflict` when it is not for them, Neon is being told to delete it, or the owner holds another one.
    pub async fn give_back(
        &self,
        id: Uuid,
        owner: &FoundOwner,
        project: Option<&RebuiltProject>,
        compute: Option<&ComputeOnNeon>,
        quota: Option<&Quota>,
        by: &By,
    ) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let plan = ensure_owner(&mut tx, owner).await?;
        let was = lock_givable(&mut tx, id, &owner.id, project.is_some()).await?;
        if let Some(project) = project {
            sqlx::query!(
                "UPDATE databases SET neon_project_id = $2, neon_branch_id = $3, neon_endpoint_id = $4, host = $5, database_name = $6, role_name = $7,
                        sealed_credentials = $8
                 WHERE id = $1 AND (neon_project_id IS NULL OR neon_project_id = $2)",
                id,
                project.project_id,
                project.branch_id,
                project.endpoint_id,
                project.host,
                project.database_name,
                project.role_name,
                project.sealed_credentials
            )
            .execute(&mut *tx)
            .await
            .map_err(holds_another)?;
        }
        end_findings(&mut tx, id, by).await?;
        sqlx::query!(
            "UPDATE databases AS d
             SET state = 'claimed', owner_id = $2, plan = p.name, claimed_at = coalesce(d.claimed_at, now()),
                 quota_logical_size_bytes = CASE WHEN d.owner_id IS NULL THEN p.quota_logical_size_bytes ELSE d.quota_logical_size_bytes END,
                 quota_active_seconds = CASE WHEN d.owner_id IS NULL THEN p.quota_active_seconds ELSE d.quota_active_seconds END,
                 quota_compute_seconds = CASE WHEN d.owner_id IS NULL THEN p.quota_compute_seconds ELSE d.quota_compute_seconds END,
                 quota_written_bytes = CASE WHEN d.owner_id IS NULL THEN p.quota_written_bytes ELSE d.quota_written_bytes END,
                 quota_transfer_bytes = CASE WHEN d.owner_id IS NULL THEN p.quota_transfer_bytes ELSE d.quota_transfer_bytes END,
                 releasing_at = NULL, deleted_at = NULL, recoverable_until = NULL, release_refused_at = NULL, deletion_cleared = false, attempts = 0,
                 next_attempt_at = now(), last_error = NULL, lease_until = NULL, leased_by = NULL
             FROM plans AS p WHERE d.id = $1 AND p.name = $3",
            id,
            owner.id,
            plan
        )
        .execute(&mut *tx)
        .await
        .map_err(holds_another)?;
        self.serve(&mut tx, id, was.pool_id, owner).await?;
        let event = given(id, was.pool_id, Some(json!({ "state": was.state.as_str() })), owner, &plan);
        insert_event(&mut *tx, &event, by).await?;
        if let Some(quota) = quota {
            take_from_neon(&mut tx, id, quota, by).await?;
        }
        keep_as_overrides(&mut tx, id, by).await?;
        follow(&mut tx, &[id], false, by).await?;
        keep_as_on_neon(&mut tx, id, compute, by).await?;
        Ok(tx.commit().await?)
    }

    /// Writes down a database that the ledger does not have at all, as its owner's. `quota` is as in [`Ledger::give_back`].
    ///
    /// # Errors
    /// `Conflict` when no pool has its region and version, or the owner holds another one.
    pub async fn rebuild_claimed(
        &self,
        id: Uuid,
        owner: &FoundOwner,
        project: &RebuiltProject,
        quota: Option<&Quota>,
        by: &By,
    ) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let plan = ensure_owner(&mut tx, owner).await?;
        let row = sqlx::query!(
            "INSERT INTO databases (id, pool_id, state, region_id, pg_version, neon_project_name, neon_project_id, neon_branch_id, neon_endpoint_id, host,
               database_name, role_name, sealed_credentials, owner_id, plan, claimed_at, available_at, quota_logical_size_bytes, quota_active_seconds,
               quota_compute_seconds, quota_written_bytes, quota_transfer_bytes, min_cu, max_cu, suspend_timeout_seconds, wanted_revision,
               compute_revision, retention_revision, template_revision, birth_plan, plan_version, history_retention_seconds)
             SELECT $1, p.id, 'claimed', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, q.name, now(), now(), q.quota_logical_size_bytes,
               q.quota_active_seconds, q.quota_compute_seconds, q.quota_written_bytes, q.quota_transfer_bytes, coalesce(q.min_cu, p.min_cu),
               coalesce(q.max_cu, p.max_cu), coalesce(q.suspend_timeout_seconds, p.suspend_timeout_seconds), 1, 1, 1, p.template_revision, p.birth_plan,
               q.version, q.history_retention_seconds
             FROM pools AS p, plans AS q WHERE p.region_id = $2 AND p.pg_version = $3 AND q.name = $13
             ORDER BY p.is_default DESC, p.id LIMIT 1
             RETURNING pool_id",
            id,
            project.region_id,
            project.pg_version,
            project.name,
            project.project_id,
            project.branch_id,
            project.endpoint_id,
            project.host,
            project.database_name,
            project.role_name,
            project.sealed_credentials,
            owner.id,
            plan
        )
        .fetch_optional(&mut *tx)
        .await
        .map_err(holds_another)?
        .ok_or_else(|| {
            LedgerError::Conflict(format!(
                "No pool has region {} and Postgres {}. Make one, and repair again.",
                project.region_id, project.pg_version
            ))
        })?;
        self.serve(&mut tx, id, row.pool_id, owner).await?;
        insert_event(&mut *tx, &given(id, row.pool_id, None, owner, &plan), by).await?;
        if let Some(quota) = quota {
            take_from_neon(&mut tx, id, quota, by).await?;
        }
        keep_as_on_neon(&mut tx, id, project.compute.as_ref(), by).await?;
        Ok(tx.commit().await?)
    }

    /// The claim behind it: the one with which they had it, or with which they wait, or a new one.
    async fn serve(
        &self,
        db: &mut sqlx::PgConnection,
        id: Uuid,
        pool_id: i32,
        owner: &FoundOwner,
    ) -> Result<(), LedgerError> {
        let had =
            sqlx::query!("UPDATE claims SET released_at = NULL WHERE database_id = $1 AND owner_id = $2", id, owner.id)
                .execute(&mut *db)
                .await
                .map_err(holds_another)?;
        if had.rows_affected() > 0 {
            return Ok(());
        }
        let waiting = sqlx::query!(
            "UPDATE claims SET status = 'served', database_id = $1, served_at = now() WHERE owner_id = $2 AND pool_id = $3 AND status = 'waiting'",
            id,
            owner.id,
            pool_id
        )
        .execute(&mut *db)
        .await
        .map_err(holds_another)?;
        if waiting.rows_affected() == 0 {
            sqlx::query!(
                "INSERT INTO claims (id, pool_id, owner_id, database_id, status, kind, request_hash, served_at)
                 VALUES ($1, $2, $3, $4, 'served', 'warm', '', now())",
                Uuid::now_v7(),
                pool_id,
                owner.id,
                id
            )
            .execute(db)
            .await
            .map_err(holds_another)?;
        }
        Ok(())
    }
}

/// Neon's compute and history are the newer ones, whatever plan and template say here: neither is sent. The size and the suspend timeout are written down, the
/// timeout as an override where plan or template say something else. What the plan says is sent when it is rolled out next, or the owner gets another one.
async fn keep_as_on_neon(
    db: &mut sqlx::PgConnection,
    id: Uuid,
    on_neon: Option<&ComputeOnNeon>,
    by: &By,
) -> Result<(), LedgerError> {
    sqlx::query!(
        "WITH said AS (
           SELECT coalesce((f.plan).suspend_timeout_seconds, d.born_suspend_timeout_seconds, t.suspend_timeout_seconds) AS timeout
           FROM followed_plans AS f JOIN databases AS d ON d.id = f.id JOIN pools AS t ON t.id = d.pool_id WHERE d.id = $1),
         as_said AS (
           DELETE FROM database_overrides AS o USING said WHERE o.database_id = $1 AND o.field = 'suspend_timeout_seconds' AND said.timeout = $4),
         overridden AS (
           INSERT INTO database_overrides (database_id, field, value, actor, via, reason)
           SELECT $1, 'suspend_timeout_seconds', $4::integer, $5, $6, $7 FROM said WHERE timeout <> $4
           ON CONFLICT (database_id, field) DO UPDATE SET value = excluded.value, set_at = now(), until = NULL, actor = excluded.actor, via = excluded.via,
             reason = excluded.reason)
         UPDATE databases
         SET min_cu = coalesce($2, min_cu), max_cu = coalesce($3, max_cu), suspend_timeout_seconds = coalesce($4, suspend_timeout_seconds),
             compute_revision = least(compute_revision, applied_revision), retention_revision = least(retention_revision, applied_revision)
         WHERE id = $1",
        id,
        on_neon.map(|compute| compute.min_cu),
        on_neon.map(|compute| compute.max_cu),
        on_neon.map(|compute| compute.suspend_timeout_seconds),
        by.actor,
        by.via.as_str(),
        by.reason
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The plan of the owner, who is made if the ledger does not know them. One that is known stays as they are, and keeps it until the end of the transaction.
async fn ensure_owner(db: &mut sqlx::PgConnection, owner: &FoundOwner) -> Result<String, LedgerError> {
    let plan = sqlx::query_scalar!(
        "WITH given AS (SELECT coalesce((SELECT plan FROM owners WHERE id = $1), (SELECT name FROM plans WHERE name = $3)) AS plan)
         INSERT INTO owners (id, email, plan) SELECT $1, $2, plan FROM given WHERE plan IS NOT NULL
         ON CONFLICT (id) DO UPDATE SET plan = owners.plan RETURNING plan",
        owner.id,
        owner.email,
        owner.plan
    )
    .fetch_optional(db)
    .await?;
    plan.ok_or_else(|| LedgerError::Conflict(format!("There is no plan {}. Make it, and repair again.", owner.plan)))
}

fn holds_another(error: sqlx::Error) -> LedgerError {
    match error.as_database_error().and_then(|inner| inner.constraint()) {
        // Each that is unique to a database or its claim: which of them is violated first is PostgreSQL's to choose.
        Some(
            "databases_pkey"
            | "databases_neon_project_id_key"
            | "databases_neon_project_name_key"
            | "databases_neon_endpoint_id_key"
            | "claims_database_id_key",
        ) => LedgerError::Conflict(String::from(
            "Somebody has given it to its owner at the same moment. Look whose it is: run `flotilla ledger repair` again.",
        )),
        _ => LedgerError::if_holds_another(error, "Release the one that is not theirs, and repair again."),
    }
}

fn given<'a>(
    id: Uuid,
    pool_id: i32,
    before: Option<serde_json::Value>,
    owner: &FoundOwner,
    plan: &str,
) -> NewEvent<'a> {
    NewEvent {
        kind: "database.given_back",
        database_id: Some(id),
        pool_id: Some(pool_id),
        before,
        after: Some(json!({ "state": "claimed", "owner": owner.id, "plan": plan })),
    }
}
