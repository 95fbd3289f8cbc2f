//! Claims that wait because their pool is empty: written down, and served first come, first served.

use serde_json::json;
use uuid::Uuid;

use super::{By, Claim, Claimant, Ledger, LedgerError, NewClaim, NewEvent, events::insert_event};

/// A claim that had to wait and has its database now.
#[derive(Clone, Debug)]
pub struct ServedClaim {
    pub id: Uuid,
    pub database_id: Uuid,
    /// Of the request that it came with.
    pub request_id: Option<String>,
    pub waited_seconds: f64,
}

impl Ledger {
    /// Writes the claim down as waiting.
    pub(super) async fn queue(&self, new: &NewClaim, claimant: &Claimant) -> Result<Claim, LedgerError> {
        let by = &claimant.by;
        let (pool_id, birth_plan) = self.chosen_pool(new, claimant).await?;
        let mut tx = self.db.begin().await?;
        sqlx::query!(
            "INSERT INTO owners (id, email, organisation, plan) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
            new.owner.id,
            new.owner.email,
            new.owner.organisation,
            new.owner.plan.as_ref().unwrap_or(&birth_plan),
        )
        .execute(&mut *tx)
        .await?;
        let queued = sqlx::query_scalar!(
            "INSERT INTO claims (id, pool_id, owner_id, status, kind, client, idempotency_key, request_hash, request_id)
             VALUES ($1, $2, $3, 'waiting', 'cold', $4, $5, $6, $7)
             ON CONFLICT DO NOTHING RETURNING id",
            Uuid::now_v7(),
            pool_id,
            new.owner.id,
            claimant.client,
            new.idempotency_key,
            new.parameters_hash.as_slice(),
            by.request_id,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(id) = queued else {
            tx.rollback().await?;
            return self
                .earlier_claim(new, claimant)
                .await?
                .ok_or_else(|| LedgerError::Conflict(String::from("The claim changed meanwhile. Send it again.")));
        };
        let event = NewEvent {
            kind: "claim.waiting",
            database_id: None,
            pool_id: Some(pool_id),
            before: None,
            after: Some(
                json!({ "claim": id, "owner": new.owner.id, "client": claimant.client, "address": claimant.address }),
            ),
        };
        insert_event(&mut *tx, &event, by).await?;
        tx.commit().await?;
        let mut claim = self.claim_by_id(id, claimant).await?;
        claim.is_new = true;
        Ok(claim)
    }

    /// Gives an available database to the claim that has waited longest in this pool. `None` when there is no claim or no database. In safe mode, a claim
    /// from before it may have been served after this ledger's time, and waits until somebody has ended it. The owner is locked before their claim, as by
    /// whoever gives them a database back.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn serve_waiting(&self, pool_id: i32, by: &By) -> Result<Option<ServedClaim>, LedgerError> {
        let proof = self.proof();
        let served = sqlx::query_as!(
            ServedClaim,
            r#"WITH next AS (
                 SELECT c.id, c.owner_id, c.request_id, o.plan FROM claims AS c JOIN owners AS o ON o.id = c.owner_id
                 WHERE c.pool_id = $1 AND c.status = 'waiting'
                   AND NOT (is_from_before(c.requested_at) AND (SELECT safe_mode_since IS NOT NULL FROM installation))
                 -- PostgreSQL locks in this order.
                 ORDER BY c.requested_at LIMIT 1 FOR SHARE OF o FOR NO KEY UPDATE OF c SKIP LOCKED),
               picked AS (
                 SELECT id FROM databases WHERE pool_id = $1 AND state = 'available' AND EXISTS (SELECT FROM next)
                   AND available_order > (SELECT behind FROM may_hand_out($5, $6, $7))
                 ORDER BY available_order LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED),
               taken AS (
                 UPDATE databases AS d
                 SET state = 'claimed', owner_id = next.owner_id, plan = plan.name, claimed_at = now(),
                     quota_logical_size_bytes = plan.quota_logical_size_bytes, quota_active_seconds = plan.quota_active_seconds,
                     quota_compute_seconds = plan.quota_compute_seconds, quota_written_bytes = plan.quota_written_bytes,
                     quota_transfer_bytes = plan.quota_transfer_bytes, plan_version = plan.version, min_cu = coalesce(plan.min_cu, d.min_cu),
                     max_cu = coalesce(plan.max_cu, d.max_cu),
                     suspend_timeout_seconds = coalesce(plan.suspend_timeout_seconds, d.suspend_timeout_seconds),
                     history_retention_seconds = plan.history_retention_seconds
                 FROM picked, next, plans AS plan WHERE d.id = picked.id AND plan.name = next.plan
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
            proof.replica,
            proof.nonce,
            proof.last_claim,
        )
        .fetch_optional(&self.db)
        .await?;
        if let Some(served) = &served {
            self.proof_served(served.id, proof);
        }
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
