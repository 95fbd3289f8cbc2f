//! Looking into what is withheld for activity alone: what nobody has used goes back to the pool, everything else waits for a person.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event};
use fleet_types::Time;

/// A withheld database to be looked into, leased to the caller.
#[derive(Clone, Debug)]
pub struct DueLook {
    pub id: Uuid,
    pub lease: Uuid,
    pub pool_id: i32,
    pub project_id: String,
    pub project_name: String,
    pub endpoint_id: String,
    pub sealed_credentials: Vec<u8>,
    /// Activity until then is accounted for.
    pub proven_new_at: Time,
    /// When the engine connected to it since then.
    pub probed_at: Vec<Time>,
    pub attempts: i32,
}

impl Ledger {
    /// Leases withheld rows that are due, no more than `per_hour` within an hour. None before this process has seen that the ledger is the
    /// current one: its start may find that none of them goes back by itself.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_due_looks(
        &self,
        limit: i64,
        per_hour: i64,
        lease_seconds: f64,
    ) -> Result<Vec<DueLook>, LedgerError> {
        let (lease, proof) = (Uuid::now_v7(), self.proof());
        Ok(sqlx::query_as!(
            DueLook,
            r#"WITH due AS (
                 SELECT id FROM databases
                 WHERE awaits_look AND origin = 'pool' AND next_attempt_at <= now() AND (lease_until IS NULL OR lease_until < now())
                   AND may_return_to_pool($5, $6, $7)
                 ORDER BY next_attempt_at
                 LIMIT greatest(least($1, $2 - (SELECT count(*) FROM databases WHERE looked_into_at > now() - interval '1 hour')), 0)
                 FOR NO KEY UPDATE SKIP LOCKED)
               UPDATE databases AS d SET lease_until = now() + make_interval(secs => $3), leased_by = $4, looked_into_at = now()
               FROM due WHERE d.id = due.id
               RETURNING d.id, d.leased_by AS "lease!", d.pool_id, d.neon_project_id AS "project_id!", d.neon_project_name AS project_name,
                         coalesce(d.neon_endpoint_id, '') AS "endpoint_id!", d.sealed_credentials AS "sealed_credentials!",
                         coalesce(d.proven_new_at, d.available_at) AS "proven_new_at!", d.probed_at, d.attempts"#,
            limit,
            per_hour,
            lease_seconds,
            lease,
            proof.replica,
            proof.nonce,
            proof.last_claim,
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// The engine is about to connect to it. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn note_probe_of(&self, row: &DueLook) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE databases SET probed_at = probed_at || now() WHERE id = $1 AND leased_by = $2 AND awaits_look",
            row.id,
            row.lease
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Nobody has used it: back to the pool, at the end of its queue. `false` when the lease was lost, or this ledger may not be the current one any more.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_proven_new(&self, row: &DueLook, why: &str, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let proof = self.proof();
        let done = sqlx::query!(
            "UPDATE databases
             SET state = 'available', withheld_reason = NULL, proven_new_at = now(), probed_at = '{}', available_order = nextval('available_order'),
                 lease_until = NULL, leased_by = NULL, attempts = 0, next_attempt_at = now(), last_error = NULL, last_error_at = NULL
             WHERE id = $1 AND leased_by = $2 AND state = 'withheld' AND awaits_look
               AND may_return_to_pool($3, $4, $5)",
            row.id,
            row.lease,
            proof.replica,
            proof.nonce,
            proof.last_claim,
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let (before, after) = (json!({ "state": "withheld" }), json!({ "state": "available", "why": why }));
        insert_event(&mut *tx, &looked_into(row, Some(before), after), by).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// It is not proven that nobody has used it: it stays withheld until a person decides. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_kept(&self, row: &DueLook, why: &str, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE databases
             SET awaits_look = false, withheld_reason = $3, lease_until = NULL, leased_by = NULL, attempts = 0, last_error = NULL, last_error_at = NULL
             WHERE id = $1 AND leased_by = $2 AND state = 'withheld' AND awaits_look",
            row.id,
            row.lease,
            why
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        insert_event(&mut *tx, &looked_into(row, None, json!({ "kept": why })), by).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn looked_into(row: &DueLook, before: Option<Value>, after: Value) -> NewEvent<'static> {
    NewEvent {
        kind: "database.looked_into",
        database_id: Some(row.id),
        pool_id: Some(row.pool_id),
        before,
        after: Some(after),
    }
}
