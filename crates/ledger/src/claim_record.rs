//! One claim as it stands: what it was given, to whom its connection is told, and its end while it waits.
//!
//! A connection is told to the client that made the claim, for a day after it was served; each time it is told is an event, which the
//! statement that reads it writes. (That of a claim served at once is `database.claimed` itself.)

use uuid::Uuid;

use super::{By, Ledger, LedgerError};
use crate::state::State;
use fleet_types::{DatabaseState, Owner, Time};

/// Hours after serving for which the client that made a claim is told its connection again.
const TOLD_FOR_HOURS: i32 = 24;

/// Who claims, or asks about a claim: a token, as far as that matters to claims.
#[derive(Clone, Debug)]
pub struct Claimant {
    /// The program that it speaks for, whatever token that has at the moment.
    pub client: String,
    /// The only pools that it may use; all if `None`.
    pub pools: Option<Vec<String>>,
    /// It may change what owners hold.
    pub may_manage: bool,
    /// From where it calls.
    pub address: String,
    pub by: By,
}

impl Claimant {
    pub fn may_use_pool(&self, pool: &str) -> bool {
        self.pools.as_ref().is_none_or(|pools| pools.iter().any(|allowed| allowed == pool))
    }
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

/// Why the connection of a served claim is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionOmitted {
    /// It was served more than a day ago.
    Expired,
    /// Another client made the claim.
    OtherClient,
    /// The database was given up.
    Released,
    /// The database belongs to the installation from which this ledger was copied.
    Copied,
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
    /// Only for whom it is to be told.
    pub sealed_credentials: Result<Vec<u8>, ConnectionOmitted>,
}

impl Ledger {
    /// One claim, with the database if it has been served. Where the credentials are in it, that they were told is in the history.
    ///
    /// # Errors
    /// `NotFound`, also for a claim in a pool that the claimant may not use.
    pub async fn claim_by_id(&self, id: Uuid, claimant: &Claimant) -> Result<Claim, LedgerError> {
        let record = sqlx::query_as!(
            ClaimRecord,
            r#"WITH claim AS (
                 SELECT c.*, p.name AS pool,
                        CASE WHEN c.released_at IS NOT NULL THEN 'released'
                             WHEN EXISTS (SELECT FROM databases WHERE id = c.database_id AND origin = 'copied') THEN 'copied'
                             WHEN c.client IS DISTINCT FROM $2 THEN 'other_client'
                             WHEN c.served_at <= now() - make_interval(hours => $3) THEN 'expired' END AS omitted
                 FROM claims AS c JOIN pools AS p ON p.id = c.pool_id
                 WHERE c.id = $1 AND ($4::text[] IS NULL OR p.name = ANY ($4))),
               told AS (
                 INSERT INTO events (kind, database_id, pool_id, actor, via, after, request_id)
                 SELECT 'database.credentials_disclosed', claim.database_id, claim.pool_id, $5, $6,
                        jsonb_build_object('way', 'claim', 'claim', claim.id, 'client', $2::text, 'address', $7::text), $8
                 FROM claim WHERE claim.database_id IS NOT NULL AND claim.omitted IS NULL)
               SELECT c.id, c.status AS "status: ClaimStatus", c.kind, c.requested_at, c.served_at, c.released_at, c.pool,
                      o.id AS owner_id, o.email, o.organisation, o.plan, d.id AS "database_id?", d.region_id AS "region_id?",
                      d.state AS "state?: State", d.neon_project_id, c.omitted, CASE WHEN c.omitted IS NULL THEN d.sealed_credentials END AS sealed_credentials
               FROM claim AS c JOIN owners AS o ON o.id = c.owner_id LEFT JOIN databases AS d ON d.id = c.database_id"#,
            id,
            claimant.client,
            TOLD_FOR_HOURS,
            claimant.pools.as_deref(),
            claimant.by.actor,
            claimant.by.via.as_str(),
            claimant.address,
            claimant.by.request_id,
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(record.ok_or_else(|| not_found(id))?.into())
    }

    /// Whether a claim still waits.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn claim_status(&self, id: Uuid) -> Result<ClaimStatus, LedgerError> {
        let status = sqlx::query_scalar!(r#"SELECT status AS "status: ClaimStatus" FROM claims WHERE id = $1"#, id)
            .fetch_optional(&self.db)
            .await?;
        status.ok_or_else(|| not_found(id))
    }

    /// Ends a claim that waits; ended so already counts as done. Whether it is served or cancelled is decided by whichever statement
    /// has its row first.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` when another client made it, `ClaimEnded` when it has been served.
    pub async fn cancel_claim(&self, id: Uuid, claimant: &Claimant) -> Result<Claim, LedgerError> {
        sqlx::query!(
            r#"WITH cancelled AS (
                 UPDATE claims SET status = 'cancelled' WHERE id = $1 AND status = 'waiting' AND client = $2
                   AND ($6::text[] IS NULL OR pool_id IN (SELECT pools.id FROM pools WHERE pools.name = ANY ($6)))
                 RETURNING id, pool_id, owner_id)
               INSERT INTO events (kind, pool_id, actor, via, before, after, request_id)
               SELECT 'claim.cancelled', pool_id, $3, $4, '{"status": "waiting"}',
                      jsonb_build_object('status', 'cancelled', 'claim', id, 'owner', owner_id), $5
               FROM cancelled"#,
            id,
            claimant.client,
            claimant.by.actor,
            claimant.by.via.as_str(),
            claimant.by.request_id,
            claimant.pools.as_deref(),
        )
        .execute(&self.db)
        .await?;
        let found = sqlx::query!(
            r#"SELECT c.status AS "status: ClaimStatus", c.released_at IS NOT NULL AS "is_released!", (c.client = $2) IS TRUE AS "is_own!"
               FROM claims AS c JOIN pools AS p ON p.id = c.pool_id WHERE c.id = $1 AND ($3::text[] IS NULL OR p.name = ANY ($3))"#,
            id,
            claimant.client,
            claimant.pools.as_deref(),
        )
        .fetch_optional(&self.db)
        .await?
        .ok_or_else(|| not_found(id))?;
        match found.status {
            _ if !found.is_own => Err(LedgerError::Forbidden(String::from(
                "Another client made this claim. Only that client can cancel it.",
            ))),
            ClaimStatus::Cancelled => self.claim_by_id(id, claimant).await,
            ClaimStatus::Served if found.is_released => Err(RELEASED),
            ClaimStatus::Served => Err(SERVED),
            ClaimStatus::Waiting => {
                Err(LedgerError::Conflict(String::from("The claim changed meanwhile. Send this again.")))
            }
        }
    }
}

const SERVED: LedgerError = LedgerError::ClaimEnded {
    code: "served",
    message: "This claim has been served and cannot be cancelled. To give its database up, release it.",
};
pub(super) const RELEASED: LedgerError = LedgerError::ClaimEnded {
    code: "released",
    message: "The database of this claim was released. For another one, claim again with a new Idempotency-Key.",
};
pub(super) const CANCELLED: LedgerError = LedgerError::ClaimEnded {
    code: "cancelled",
    message: "This claim was cancelled. To claim again, use a new Idempotency-Key.",
};

fn not_found(id: Uuid) -> LedgerError {
    LedgerError::NotFound(format!("The claim {id}"))
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
    state: Option<State>,
    neon_project_id: Option<String>,
    omitted: Option<String>,
    sealed_credentials: Option<Vec<u8>>,
}

impl From<ClaimRecord> for Claim {
    fn from(record: ClaimRecord) -> Self {
        let sealed_credentials = match (record.omitted.as_deref(), record.sealed_credentials) {
            (None, Some(sealed)) => Ok(sealed),
            (Some("copied"), _) => Err(ConnectionOmitted::Copied),
            (Some("released"), _) => Err(ConnectionOmitted::Released),
            (Some("other_client"), _) => Err(ConnectionOmitted::OtherClient),
            _ => Err(ConnectionOmitted::Expired),
        };
        let database = (|| {
            Some(ClaimedDatabase {
                id: record.database_id?,
                region: record.region_id?,
                state: record.state?.into(),
                neon_project_id: record.neon_project_id?,
                sealed_credentials,
            })
        })();
        Self {
            id: record.id,
            status: record.status,
            kind: if record.kind == "warm" { ClaimKind::Warm } else { ClaimKind::Cold },
            requested_at: record.requested_at,
            served_at: record.served_at,
            released_at: record.released_at,
            owner: Owner {
                id: record.owner_id,
                email: record.email,
                organisation: record.organisation,
                plan: record.plan,
            },
            pool: record.pool,
            database,
            is_new: false,
        }
    }
}
