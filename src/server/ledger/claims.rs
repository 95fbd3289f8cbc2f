//! Claiming: handing an available database to an owner, in one statement, which is one transaction and one round trip.
//!
//! An owner has one live claim per pool (a unique index), so claiming is safe to repeat and to race. The scan for an available database
//! starts behind the last one that this replica took (a watermark), because an old snapshot elsewhere keeps dead rows in front of it;
//! when nothing is found, the whole index is asked, three times, since rows locked by others are no proof of emptiness.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use serde_json::json;
use uuid::Uuid;

use super::{By, Ledger, LedgerError, events::insert_event};
use crate::types::{DatabaseState, Owner, Time};

/// What the signup service asks for.
pub struct NewClaim {
    pub owner: NewOwner,
    /// The default pool if `None`.
    pub pool: Option<String>,
    pub idempotency_key: Option<String>,
    /// SHA-256 of everything asked for: the same key with another hash is refused.
    pub parameters_hash: [u8; 32],
}

pub struct NewOwner {
    pub id: String,
    pub email: String,
    pub organisation: Option<String>,
    /// The pool's birth plan if `None`.
    pub plan: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "claim_status", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum ClaimStatus {
    Waiting,
    Served,
    Cancelled,
}

/// `warm`: out of the pool at once. `cold`: had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClaimKind {
    Warm,
    Cold,
}

#[derive(Clone, Debug)]
pub struct Claim {
    pub id: Uuid,
    pub status: ClaimStatus,
    pub kind: ClaimKind,
    pub requested_at: Time,
    pub served_at: Option<Time>,
    pub released_at: Option<Time>,
    pub owner: Owner,
    pub pool: String,
    pub database: Option<ClaimedDatabase>,
    /// Made by this very request, and not a repetition of an earlier one.
    pub is_new: bool,
}

#[derive(Clone, Debug)]
pub struct ClaimedDatabase {
    pub id: Uuid,
    pub region: String,
    pub state: DatabaseState,
    pub neon_project_id: String,
    pub sealed_credentials: Vec<u8>,
}

/// A claim that had to wait and has its database now.
#[derive(Clone, Debug)]
pub struct ServedClaim {
    pub id: Uuid,
    pub database_id: Uuid,
    /// Of the request that it came with.
    pub request_id: Option<String>,
    pub waited_seconds: f64,
}

/// Per pool name (empty: the default pool), the `available_order` that this replica took last.
pub(super) type Watermarks = Mutex<HashMap<String, i64>>;

/// How long to wait before asking again whether the pool is really empty.
const ASK_AGAIN: [Duration; 3] = [Duration::from_millis(5), Duration::from_millis(15), Duration::from_millis(45)];

impl Ledger {
    /// Hands a database to this owner; the same one again if the owner already holds one in this pool. From an empty pool the claim
    /// comes back waiting, and is served first come, first served.
    ///
    /// # Errors
    /// `Invalid` when plan or pool do not exist, `Conflict` when the idempotency key was used with other parameters.
    pub async fn claim(&self, new: &NewClaim, by: &By) -> Result<Claim, LedgerError> {
        let key = new.pool.clone().unwrap_or_default();
        let mut watermark = self.watermarks.lock().map_or(0, |marks| marks.get(&key).copied().unwrap_or(0));
        for pause in ASK_AGAIN.iter().map(Some).chain([None]) {
            let taken = match self.take_available(new, watermark, by).await {
                Err(error) if was_deadlock(&error) => None,
                taken => taken.map_err(refusal)?,
            };
            if let Some((claim, order)) = taken {
                if let Ok(mut marks) = self.watermarks.lock() {
                    marks.insert(key, order);
                }
                return Ok(claim);
            }
            if let Some(claim) = self.earlier_claim(new).await? {
                return Ok(claim);
            }
            if watermark > 0 {
                watermark = 0;
                continue;
            }
            match pause {
                Some(pause) if self.pool_has_available(new.pool.as_deref()).await? => tokio::time::sleep(*pause).await,
                _ => break,
            }
        }
        self.queue(new, by).await
    }

    /// One claim, with the database if it has been served.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn claim_by_id(&self, id: Uuid) -> Result<Claim, LedgerError> {
        let record = sqlx::query_as!(
            ClaimRecord,
            r#"SELECT c.id, c.status AS "status: ClaimStatus", c.kind, c.requested_at, c.served_at, c.released_at, p.name AS pool,
                      o.id AS owner_id, o.email, o.organisation, o.plan, d.id AS "database_id?", d.region_id AS "region_id?",
                      d.state AS "state?: DatabaseState", d.neon_project_id, d.sealed_credentials
               FROM claims AS c JOIN owners AS o ON o.id = c.owner_id JOIN pools AS p ON p.id = c.pool_id
               LEFT JOIN databases AS d ON d.id = c.database_id
               WHERE c.id = $1"#,
            id
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(record.ok_or_else(|| LedgerError::NotFound(format!("The claim {id}")))?.into_claim(false))
    }

    /// The claim in one statement. `None` when nothing available was seen, or when the owner or the key already has a claim.
    async fn take_available(
        &self,
        new: &NewClaim,
        watermark: i64,
        by: &By,
    ) -> Result<Option<(Claim, i64)>, sqlx::Error> {
        let taken = sqlx::query!(
            r#"WITH pool AS (
                 SELECT id, name, birth_plan FROM pools WHERE CASE WHEN $5::text IS NULL THEN is_default ELSE name = $5 END),
               plan AS (
                 SELECT plans.* FROM plans, pool WHERE plans.name = coalesce($4, pool.birth_plan)),
               earlier AS (
                 SELECT FROM claims, pool WHERE owner_id = $1 AND pool_id = pool.id AND released_at IS NULL AND status <> 'cancelled'
                 UNION ALL SELECT FROM claims WHERE idempotency_key = $7),
               owner AS (
                 INSERT INTO owners (id, email, organisation, plan)
                 SELECT $1, $2, $3, coalesce($4, pool.birth_plan) FROM pool WHERE NOT EXISTS (SELECT FROM earlier)
                 ON CONFLICT (id) DO UPDATE SET email = excluded.email, organisation = coalesce(excluded.organisation, owners.organisation), plan = excluded.plan
                 WHERE (owners.email, owners.organisation, owners.plan)
                       IS DISTINCT FROM (excluded.email, coalesce(excluded.organisation, owners.organisation), excluded.plan)),
               picked AS (
                 SELECT d.id FROM databases AS d
                 WHERE d.pool_id = (SELECT id FROM pool) AND d.state = 'available' AND d.available_order > $9
                   AND EXISTS (SELECT FROM plan) AND NOT EXISTS (SELECT FROM earlier)
                   -- First come, first served: those who wait go before.
                   AND NOT EXISTS (SELECT FROM claims WHERE pool_id = (SELECT id FROM pool) AND status = 'waiting')
                 ORDER BY d.available_order LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED),
               made AS (
                 INSERT INTO claims (id, pool_id, owner_id, database_id, status, kind, idempotency_key, request_hash, served_at)
                 SELECT $6, pool.id, $1, picked.id, 'served', 'warm', $7, $8, now() FROM picked, pool
                 ON CONFLICT DO NOTHING
                 RETURNING id, database_id, requested_at, served_at),
               taken AS (
                 UPDATE databases AS d
                 SET state = 'claimed', owner_id = $1, plan = plan.name, claimed_at = now(),
                     quota_logical_size_bytes = plan.quota_logical_size_bytes, quota_active_seconds = plan.quota_active_seconds,
                     quota_compute_seconds = plan.quota_compute_seconds, quota_written_bytes = plan.quota_written_bytes,
                     quota_transfer_bytes = plan.quota_transfer_bytes,
                     wanted_revision = d.wanted_revision + (plan.name <> pool.birth_plan)::integer
                 FROM made, plan, pool WHERE d.id = made.database_id
                 RETURNING d.id, d.pool_id, d.available_order, d.region_id, d.neon_project_id, d.sealed_credentials, d.plan),
               told AS (
                 INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after, request_id)
                 SELECT 'database.claimed', taken.id, taken.pool_id, $10, $11, $12, '{"state": "available"}',
                        jsonb_build_object('state', 'claimed', 'owner', $1::text, 'plan', taken.plan), $13
                 FROM taken)
               SELECT made.id, made.requested_at, made.served_at, taken.id AS database_id, taken.available_order AS "available_order!", taken.region_id,
                      taken.neon_project_id AS "neon_project_id!", taken.sealed_credentials AS "sealed_credentials!", taken.plan AS "plan!",
                      pool.name AS pool
               FROM taken, made, pool"#,
            new.owner.id,
            new.owner.email,
            new.owner.organisation,
            new.owner.plan,
            new.pool,
            Uuid::now_v7(),
            new.idempotency_key,
            new.parameters_hash.as_slice(),
            watermark,
            by.actor,
            by.via.as_str(),
            by.reason,
            by.request_id,
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(taken.map(|row| {
            let database = ClaimedDatabase {
                id: row.database_id,
                region: row.region_id,
                state: DatabaseState::Claimed,
                neon_project_id: row.neon_project_id,
                sealed_credentials: row.sealed_credentials,
            };
            let owner = Owner {
                id: new.owner.id.clone(),
                email: new.owner.email.clone(),
                organisation: new.owner.organisation.clone(),
                plan: row.plan,
            };
            let claim = Claim {
                id: row.id,
                status: ClaimStatus::Served,
                kind: ClaimKind::Warm,
                requested_at: row.requested_at,
                served_at: row.served_at,
                released_at: None,
                owner,
                pool: row.pool,
                database: Some(database),
                is_new: true,
            };
            (claim, row.available_order)
        }))
    }

    /// What this key or this owner was given before.
    async fn earlier_claim(&self, new: &NewClaim) -> Result<Option<Claim>, LedgerError> {
        let earlier = sqlx::query!(
            r#"SELECT c.id, c.request_hash, (c.idempotency_key IS NOT DISTINCT FROM $3 AND $3::text IS NOT NULL) AS "by_key!"
               FROM claims AS c JOIN pools AS p ON p.id = c.pool_id
               WHERE c.idempotency_key = $3
                  OR (c.owner_id = $1 AND CASE WHEN $2::text IS NULL THEN p.is_default ELSE p.name = $2 END
                      AND c.released_at IS NULL AND c.status <> 'cancelled')
               ORDER BY 3 DESC LIMIT 1"#,
            new.owner.id,
            new.pool,
            new.idempotency_key,
        )
        .fetch_optional(&self.db)
        .await?;
        match earlier {
            None => Ok(None),
            Some(row) if row.by_key && row.request_hash != new.parameters_hash.as_slice() => {
                Err(LedgerError::Conflict(String::from(
                    "This Idempotency-Key was used with other parameters. Use a new key for a new claim.",
                )))
            }
            Some(row) => Ok(Some(self.claim_by_id(row.id).await?)),
        }
    }

    /// Locked rows count as available here: somebody else may give them back.
    async fn pool_has_available(&self, pool: Option<&str>) -> Result<bool, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM databases AS d JOIN pools AS p ON p.id = d.pool_id
                              WHERE d.state = 'available' AND CASE WHEN $1::text IS NULL THEN p.is_default ELSE p.name = $1 END) AS "found!""#,
            pool
        )
        .fetch_one(&self.db)
        .await?;
        Ok(found)
    }

    /// Writes the claim down as waiting.
    async fn queue(&self, new: &NewClaim, by: &By) -> Result<Claim, LedgerError> {
        let mut tx = self.db.begin().await?;
        let pool = sqlx::query!(
            "SELECT id, birth_plan FROM pools WHERE CASE WHEN $1::text IS NULL THEN is_default ELSE name = $1 END",
            new.pool
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| no_such_pool(new.pool.as_deref()))?;
        sqlx::query!(
            "INSERT INTO owners (id, email, organisation, plan) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO UPDATE SET email = excluded.email, organisation = coalesce(excluded.organisation, owners.organisation), plan = excluded.plan",
            new.owner.id,
            new.owner.email,
            new.owner.organisation,
            new.owner.plan.as_ref().unwrap_or(&pool.birth_plan),
        )
        .execute(&mut *tx)
        .await
        .map_err(refusal)?;
        let queued = sqlx::query_scalar!(
            "INSERT INTO claims (id, pool_id, owner_id, status, kind, idempotency_key, request_hash, request_id)
             VALUES ($1, $2, $3, 'waiting', 'cold', $4, $5, $6)
             ON CONFLICT DO NOTHING RETURNING id",
            Uuid::now_v7(),
            pool.id,
            new.owner.id,
            new.idempotency_key,
            new.parameters_hash.as_slice(),
            by.request_id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(id) = queued else {
            tx.rollback().await?;
            return self
                .earlier_claim(new)
                .await?
                .ok_or_else(|| LedgerError::Conflict(String::from("The claim changed meanwhile. Send it again.")));
        };
        let event = super::NewEvent {
            kind: "claim.waiting",
            database_id: None,
            pool_id: Some(pool.id),
            before: None,
            after: Some(json!({ "claim": id, "owner": new.owner.id })),
        };
        insert_event(&mut *tx, &event, by).await?;
        tx.commit().await?;
        let mut claim = self.claim_by_id(id).await?;
        claim.is_new = true;
        Ok(claim)
    }

    /// Gives an available database to the claim that has waited longest in this pool. `None` when there is no claim or no database.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn serve_waiting(&self, pool_id: i32, by: &By) -> Result<Option<ServedClaim>, LedgerError> {
        let served = sqlx::query_as!(
            ServedClaim,
            r#"WITH next AS (
                 SELECT c.id, c.owner_id, c.request_id FROM claims AS c WHERE c.pool_id = $1 AND c.status = 'waiting'
                 ORDER BY c.requested_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED),
               picked AS (
                 SELECT id FROM databases WHERE pool_id = $1 AND state = 'available' AND EXISTS (SELECT FROM next)
                 ORDER BY available_order LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED),
               taken AS (
                 UPDATE databases AS d
                 SET state = 'claimed', owner_id = o.id, plan = plan.name, claimed_at = now(),
                     quota_logical_size_bytes = plan.quota_logical_size_bytes, quota_active_seconds = plan.quota_active_seconds,
                     quota_compute_seconds = plan.quota_compute_seconds, quota_written_bytes = plan.quota_written_bytes,
                     quota_transfer_bytes = plan.quota_transfer_bytes,
                     wanted_revision = d.wanted_revision + (plan.name <> pool.birth_plan)::integer
                 FROM picked, next, owners AS o, plans AS plan, pools AS pool
                 WHERE d.id = picked.id AND o.id = next.owner_id AND plan.name = o.plan AND pool.id = $1
                 RETURNING d.id, d.owner_id, d.plan),
               served AS (
                 UPDATE claims AS c SET status = 'served', database_id = taken.id, served_at = now() FROM next, taken WHERE c.id = next.id
                 RETURNING c.id, c.database_id, c.request_id, extract(epoch FROM c.served_at - c.requested_at)::float8 AS waited_seconds),
               told AS (
                 INSERT INTO events (kind, database_id, pool_id, actor, via, before, after, request_id)
                 SELECT 'database.claimed', taken.id, $1, $2, $3, '{"state": "available"}',
                        jsonb_build_object('state', 'claimed', 'owner', taken.owner_id, 'plan', taken.plan), coalesce(next.request_id, $4)
                 FROM taken, next)
               SELECT id, database_id AS "database_id!", request_id, waited_seconds AS "waited_seconds!" FROM served"#,
            pool_id,
            by.actor,
            by.via.as_str(),
            by.request_id,
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(served)
    }

    /// Pools in which somebody waits.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn pools_with_waiting(&self) -> Result<Vec<i32>, LedgerError> {
        Ok(sqlx::query_scalar!("SELECT DISTINCT pool_id FROM claims WHERE status = 'waiting'")
            .fetch_all(&self.db)
            .await?)
    }
}

struct ClaimRecord {
    id: Uuid,
    status: ClaimStatus,
    kind: String,
    requested_at: Time,
    served_at: Option<Time>,
    released_at: Option<Time>,
    pool: String,
    owner_id: String,
    email: String,
    organisation: Option<String>,
    plan: String,
    database_id: Option<Uuid>,
    region_id: Option<String>,
    state: Option<DatabaseState>,
    neon_project_id: Option<String>,
    sealed_credentials: Option<Vec<u8>>,
}

impl ClaimRecord {
    fn into_claim(self, is_new: bool) -> Claim {
        let database = (|| {
            Some(ClaimedDatabase {
                id: self.database_id?,
                region: self.region_id?,
                state: self.state?,
                neon_project_id: self.neon_project_id?,
                sealed_credentials: self.sealed_credentials?,
            })
        })();
        Claim {
            id: self.id,
            status: self.status,
            kind: if self.kind == "warm" { ClaimKind::Warm } else { ClaimKind::Cold },
            requested_at: self.requested_at,
            served_at: self.served_at,
            released_at: self.released_at,
            owner: Owner { id: self.owner_id, email: self.email, organisation: self.organisation, plan: self.plan },
            pool: self.pool,
            database,
            is_new,
        }
    }
}

/// The one foreign key that a request can break is the plan's.
fn refusal(error: sqlx::Error) -> LedgerError {
    match &error {
        sqlx::Error::Database(inner) if inner.constraint() == Some("owners_plan_fkey") => {
            LedgerError::Invalid { field: "owner.plan", message: String::from("There is no plan of this name.") }
        }
        _ => LedgerError::Sql(error),
    }
}

/// PostgreSQL ended a circle of waiting by refusing this statement. Nothing of it was done.
fn was_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|inner| inner.code()).is_some_and(|code| code == "40P01")
}

fn no_such_pool(name: Option<&str>) -> LedgerError {
    let message = match name {
        Some(_) => String::from("There is no pool of this name."),
        None => String::from("There is no default pool. Name one, or make one the default."),
    };
    LedgerError::Invalid { field: "pool", message }
}
