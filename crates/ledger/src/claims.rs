//! Claiming: handing an available database to an owner, in one statement, which is one transaction and one round trip.
//!
//! An owner has one live claim per pool (a unique index), so claiming is safe to repeat and to race. An owner who is known stays as they
//! are, their plan too, unless the claim says that they are to be updated: that is a step of its own before it. The scan for an available database
//! starts behind the last one that this replica took (a watermark), because an old snapshot elsewhere keeps dead rows in front of it;
//! when nothing is found, the whole index is asked, three times, since rows locked by others are no proof of emptiness.
//! Claims that found nothing wait; `waiting.rs` serves them.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use uuid::Uuid;

use super::{
    Claim, ClaimKind, ClaimStatus, Claimant, ClaimedDatabase, Ledger, LedgerError, OwnerChange,
    claim_record::{CANCELLED, RELEASED},
    plans::no_such_plan,
};
use fleet_types::{DatabaseState, Owner};

/// What the signup service asks for.
pub struct NewClaim {
    pub owner: NewOwner,
    /// The default pool if `None`.
    pub pool: Option<String>,
    /// An owner who is known becomes what is asked for here; else they stay as they are.
    pub update_owner: bool,
    /// Unique for the client.
    pub idempotency_key: Option<String>,
    /// SHA-256 of everything asked for: the same key with another hash is refused.
    pub parameters_hash: [u8; 32],
}

pub struct NewOwner {
    pub id: String,
    pub email: String,
    pub organisation: Option<String>,
    /// The owner's own if `None`, and for a new owner the pool's birth plan.
    pub plan: Option<String>,
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
    /// `Invalid` when plan or pool do not exist or the idempotency key was used with other parameters, `ClaimEnded` when its claim was
    /// released or cancelled, `Forbidden` when the claimant may not use the pool.
    pub async fn claim(&self, new: &NewClaim, claimant: &Claimant) -> Result<Claim, LedgerError> {
        if new.update_owner {
            self.update_owner(new, claimant).await?;
        }
        if let Some(claim) = self.claim_available(new, claimant).await? {
            return Ok(claim);
        }
        // What there is now may not have been there to be handed out a moment ago: whoever waits although there is something makes all others wait.
        if self.until_proven(new.pool.as_deref()).await?
            && let Some(claim) = self.claim_available(new, claimant).await?
        {
            return Ok(claim);
        }
        self.queue(new, claimant).await
    }

    /// From the pool, or what an earlier call of this client was given.
    async fn claim_available(&self, new: &NewClaim, claimant: &Claimant) -> Result<Option<Claim>, LedgerError> {
        let key = new.pool.clone().unwrap_or_default();
        let mut watermark = self.watermarks.lock().map_or(0, |marks| marks.get(&key).copied().unwrap_or(0));
        for pause in ASK_AGAIN.iter().map(Some).chain([None]) {
            let taken = match self.take_available(new, watermark, claimant).await {
                Err(error) if was_deadlock(&error) => None,
                taken => taken?,
            };
            if let Some((claim, order)) = taken {
                if let Ok(mut marks) = self.watermarks.lock() {
                    marks.insert(key, order);
                }
                return Ok(Some(claim));
            }
            if let Some(claim) = self.earlier_claim(new, claimant).await? {
                return Ok(Some(claim));
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
        Ok(None)
    }

    /// A repetition by its key changes nothing: what it asked for was done, and the owner may have changed since.
    async fn update_owner(&self, new: &NewClaim, claimant: &Claimant) -> Result<(), LedgerError> {
        let is_repeated = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM claims WHERE client = $1 AND idempotency_key = $2) AS "is_repeated!""#,
            claimant.client,
            new.idempotency_key
        )
        .fetch_one(&self.db)
        .await?;
        if is_repeated {
            return Ok(());
        }
        if claimant.pools.is_some() {
            let message = "This token is bound to pools, and the owner may hold databases elsewhere. Leave update_owner out, or change the owner with a token of the scope manage: PATCH /api/v1/owners/{id}.";
            return Err(LedgerError::Forbidden(String::from(message)));
        }
        self.chosen_pool(new, claimant).await?;
        let NewOwner { id, email, organisation, plan } = &new.owner;
        // Another plan changes all that they hold, also what other clients have claimed. The one that they have needs nothing.
        let plan = match plan {
            Some(plan) if !claimant.may_manage => {
                if self.plan_of(id).await?.is_some_and(|has| has != *plan) {
                    let message = "Another plan changes all databases of this owner, which needs the scope manage too. Leave owner.plan out, or give them the plan with such a token: PATCH /api/v1/owners/{id}.";
                    return Err(LedgerError::Forbidden(String::from(message)));
                }
                None
            }
            plan => plan.clone(),
        };
        let change = OwnerChange { email: Some(email.clone()), organisation: organisation.clone(), plan };
        match self.change_owner(id, &change, false, &claimant.by).await {
            Ok(_) | Err(LedgerError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The claim in one statement. `None` when nothing available was seen, or when the owner or the key already has a claim.
    async fn take_available(
        &self,
        new: &NewClaim,
        watermark: i64,
        claimant: &Claimant,
    ) -> Result<Option<(Claim, i64)>, sqlx::Error> {
        let by = &claimant.by;
        let proof = self.proof();
        let taken = sqlx::query!(
            r#"WITH pool AS (
                 SELECT id, name, birth_plan FROM pools
                 WHERE CASE WHEN $5::text IS NULL THEN is_default ELSE name = $5 END AND ($14::text[] IS NULL OR name = ANY ($14))),
               known AS (SELECT email, organisation, plan FROM owners WHERE id = $1),
               plan AS (
                 SELECT plans.* FROM plans, pool
                 WHERE plans.name = coalesce((SELECT plan FROM known), $4, pool.birth_plan)
                   AND ($4::text IS NULL OR EXISTS (SELECT FROM plans AS named WHERE named.name = $4))),
               earlier AS (
                 SELECT FROM claims, pool WHERE owner_id = $1 AND pool_id = pool.id AND released_at IS NULL AND status <> 'cancelled'
                 UNION ALL SELECT FROM claims WHERE client = $15 AND idempotency_key = $7),
               proven AS (
                 SELECT behind FROM may_hand_out($17, $18, $19)),
               picked AS (
                 SELECT d.id FROM databases AS d
                 WHERE d.pool_id = (SELECT id FROM pool) AND d.state = 'available'
                   AND d.available_order > greatest($9, (SELECT behind FROM proven)) AND EXISTS (SELECT FROM proven)
                   AND EXISTS (SELECT FROM plan) AND NOT EXISTS (SELECT FROM earlier)
                   -- First come, first served: those who wait go before.
                   AND NOT EXISTS (SELECT FROM claims WHERE pool_id = (SELECT id FROM pool) AND status = 'waiting')
                 ORDER BY d.available_order LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED),
               owner AS (
                 INSERT INTO owners (id, email, organisation, plan)
                 SELECT $1, $2, $3, plan.name FROM picked, plan WHERE NOT EXISTS (SELECT FROM known)
                 -- Their first claim in another pool may have made them a moment ago: their plan is the one that it has brought.
                 ON CONFLICT (id) DO UPDATE SET plan = owners.plan
                 RETURNING email, organisation, plan),
               whose AS (SELECT email, organisation, plan FROM known UNION ALL SELECT email, organisation, plan FROM owner),
               made AS (
                 INSERT INTO claims (id, pool_id, owner_id, database_id, status, kind, client, idempotency_key, request_hash, served_at)
                 SELECT $6, pool.id, $1, picked.id, 'served', 'warm', $15, $7, $8, now() FROM picked, pool
                 ON CONFLICT DO NOTHING
                 RETURNING id, database_id, requested_at, served_at),
               taken AS (
                 UPDATE databases AS d
                 SET state = 'claimed', owner_id = $1, plan = whose.plan, claimed_at = now(),
                     quota_logical_size_bytes = plan.quota_logical_size_bytes, quota_active_seconds = plan.quota_active_seconds,
                     quota_compute_seconds = plan.quota_compute_seconds, quota_written_bytes = plan.quota_written_bytes,
                     quota_transfer_bytes = plan.quota_transfer_bytes,
                     -- With another plan than these are the limits of, it follows that one soon.
                     plan_version = CASE WHEN whose.plan = plan.name THEN plan.version ELSE 0 END, min_cu = coalesce(plan.min_cu, d.min_cu),
                     max_cu = coalesce(plan.max_cu, d.max_cu),
                     suspend_timeout_seconds = coalesce(plan.suspend_timeout_seconds, d.suspend_timeout_seconds),
                     history_retention_seconds = plan.history_retention_seconds
                 FROM made, plan, whose WHERE d.id = made.database_id
                 RETURNING d.id, d.pool_id, d.available_order, d.region_id, d.neon_project_id, d.sealed_credentials, d.plan),
               told AS (
                 INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after, request_id)
                 SELECT 'database.claimed', taken.id, taken.pool_id, $10, $11, $12, '{"state": "available"}',
                        jsonb_build_object('state', 'claimed', 'owner', $1::text, 'plan', taken.plan, 'client', $15::text, 'address', $16::text), $13
                 FROM taken)
               SELECT made.id, made.requested_at, made.served_at, taken.id AS database_id, taken.available_order AS "available_order!", taken.region_id,
                      taken.neon_project_id AS "neon_project_id!", taken.sealed_credentials AS "sealed_credentials!", taken.plan AS "plan!",
                      pool.name AS pool, whose.email AS "email!", whose.organisation
               FROM taken CROSS JOIN made CROSS JOIN pool CROSS JOIN whose"#,
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
            claimant.pools.as_deref(),
            claimant.client,
            claimant.address,
            proof.replica,
            proof.nonce,
            proof.last_claim,
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(taken.map(|row| {
            self.proof_served(row.id, proof);
            let database = ClaimedDatabase {
                id: row.database_id,
                region: row.region_id,
                state: DatabaseState::Claimed,
                neon_project_id: row.neon_project_id,
                sealed_credentials: Ok(row.sealed_credentials),
            };
            let owner =
                Owner { id: new.owner.id.clone(), email: row.email, organisation: row.organisation, plan: row.plan };
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
    pub(super) async fn earlier_claim(
        &self,
        new: &NewClaim,
        claimant: &Claimant,
    ) -> Result<Option<Claim>, LedgerError> {
        let earlier = sqlx::query!(
            r#"SELECT c.id, c.request_hash, c.status AS "status: ClaimStatus", c.released_at IS NOT NULL AS "is_released!",
                      (c.client = $3 AND c.idempotency_key = $4) IS TRUE AS "by_key!"
               FROM claims AS c JOIN pools AS p ON p.id = c.pool_id
               WHERE (c.client = $3 AND c.idempotency_key = $4)
                  OR (c.owner_id = $1 AND CASE WHEN $2::text IS NULL THEN p.is_default ELSE p.name = $2 END
                      AND ($5::text[] IS NULL OR p.name = ANY ($5)) AND c.released_at IS NULL AND c.status <> 'cancelled')
               ORDER BY 5 DESC LIMIT 1"#,
            new.owner.id,
            new.pool,
            claimant.client,
            new.idempotency_key,
            claimant.pools.as_deref(),
        )
        .fetch_optional(&self.db)
        .await?;
        match earlier {
            None => Ok(None),
            Some(row) if row.by_key && row.request_hash != new.parameters_hash.as_slice() => {
                Err(LedgerError::Invalid {
                    field: "Idempotency-Key",
                    message: String::from("This key was used with other parameters. Use a new key for a new claim."),
                })
            }
            Some(row) if row.is_released => Err(RELEASED),
            Some(row) if row.status == ClaimStatus::Cancelled => Err(CANCELLED),
            Some(row) => Ok(Some(self.claim_by_id(row.id, claimant).await?)),
        }
    }

    /// Locked rows count as available here: somebody else may give them back. What is not trusted yet does not.
    async fn pool_has_available(&self, pool: Option<&str>) -> Result<bool, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM databases AS d JOIN pools AS p ON p.id = d.pool_id
                              WHERE d.state = 'available' AND d.available_order > (SELECT doubtful_up_to FROM installation)
                                AND CASE WHEN $1::text IS NULL THEN p.is_default ELSE p.name = $1 END) AS "found!""#,
            pool
        )
        .fetch_one(&self.db)
        .await?;
        Ok(found)
    }

    /// The pool that the claim is for, by id and birth plan.
    pub(super) async fn chosen_pool(&self, new: &NewClaim, claimant: &Claimant) -> Result<(i32, String), LedgerError> {
        let pool = sqlx::query!(
            r#"SELECT id, name, birth_plan, ($2::text IS NULL OR EXISTS (SELECT FROM plans WHERE plans.name = $2)) AS "has_plan!"
               FROM pools WHERE CASE WHEN $1::text IS NULL THEN is_default ELSE name = $1 END"#,
            new.pool,
            new.owner.plan,
        )
        .fetch_optional(&self.db)
        .await?
        .ok_or_else(|| no_such_pool(new.pool.as_deref()))?;
        if !claimant.may_use_pool(&pool.name) {
            let message =
                format!("This token may not claim from the pool {}. Name one that it is bound to.", pool.name);
            return Err(LedgerError::Forbidden(message));
        }
        if !pool.has_plan {
            return Err(no_such_plan("owner.plan", new.owner.plan.as_deref().unwrap_or_default()));
        }
        Ok((pool.id, pool.birth_plan))
    }
}

/// PostgreSQL ended a circle of waiting by refusing this statement. Nothing of it was done.
fn was_deadlock(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|inner| inner.code()).is_some_and(|code| code == "40P01")
}

fn no_such_pool(name: Option<&str>) -> LedgerError {
    let message = match name {
        Some(_) => String::from("There is no pool of this name."),
        None => String::from(
            "There is no default pool. Name one, or make one: flotilla plan create, then flotilla pool create with --default.",
        ),
    };
    LedgerError::Invalid { field: "pool", message }
}
