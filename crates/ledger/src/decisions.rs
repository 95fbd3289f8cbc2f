//! Decisions: what a policy made of a pool, written with what it was made from, in the transaction that changes the target.

use serde_json::json;

use super::{By, Ledger, LedgerError, pool_events::tell, refill::cancel_surplus_of};
use fleet_types::{
    Policy, PolicyDraft, PolicyInForce, PolicyPage, PolicyTrial, PoolSizing, Rates, Schedule, SizingDecision,
    SizingInputs, Time,
};
use sizing::{Candidate, Observed, Verdict};

/// Decisions shown on a pool's page.
const SHOWN: i64 = 15;
/// Decisions kept per pool.
const KEPT: i64 = 1_000;

/// A pool that finds its own target, with what it is to be decided from.
#[derive(Clone, Debug)]
pub struct SelfSized {
    pub pool_id: i32,
    pub pool: String,
    pub target: i32,
    pub available: i64,
    pub in_flight: i64,
    pub rates: Rates,
    pub policy: PolicyInForce,
    pub schedules: Vec<Schedule>,
    /// By its policy.
    pub last_changed_at: Option<Time>,
}

impl Ledger {
    /// Every pool that has a policy.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn self_sized_pools(&self) -> Result<Vec<SelfSized>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT p.id, p.name, p.target,
                      coalesce((SELECT sum(count) FROM fleet_counts WHERE pool_id = p.id AND state = 'available'), 0)::bigint AS "available!",
                      coalesce((SELECT sum(count) FROM fleet_counts
                                WHERE pool_id = p.id AND state IN ('requested', 'creating', 'verifying')), 0)::bigint AS "in_flight!",
                      (SELECT count(*) FROM claims WHERE pool_id = p.id AND requested_at > now() - interval '1 hour') AS "claims_last_hour!",
                      (SELECT max(at) FROM sizing_decisions WHERE pool_id = p.id AND before <> after) AS last_changed_at
               FROM pools AS p JOIN pool_policies AS q ON q.pool_id = p.id ORDER BY p.id LIMIT 1000"#
        )
        .fetch_all(&self.db)
        .await?;
        let mut pools = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(policy) = self.policy(row.id).await? else { continue };
            pools.push(SelfSized {
                pool_id: row.id,
                pool: row.name,
                target: row.target,
                available: row.available,
                in_flight: row.in_flight,
                rates: sizing::rates(row.claims_last_hour, &self.window_claims(row.id).await?),
                policy,
                schedules: self.schedules(row.id).await?,
                last_changed_at: row.last_changed_at,
            });
        }
        Ok(pools)
    }

    /// Sets the target that was decided on, with the decision and its event. Deciding the same again only moves the time of the last decision. `false` when
    /// nothing changed, or when policy or target were changed meanwhile.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_decision(
        &self,
        pool: &SelfSized,
        verdict: &Verdict,
        inputs: &SizingInputs,
        by: &By,
    ) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let now = sqlx::query!(
            "SELECT p.target, q.set_at FROM pools AS p JOIN pool_policies AS q ON q.pool_id = p.id WHERE p.id = $1 FOR NO KEY UPDATE OF p",
            pool.pool_id
        )
        .fetch_optional(&mut *tx)
        .await?;
        if now.is_none_or(|now| now.target != pool.target || now.set_at != pool.policy.set_at) {
            return Ok(false);
        }
        let changes = verdict.target != pool.target;
        if !changes && touch_last(&mut tx, pool, verdict).await? {
            tx.commit().await?;
            return Ok(false);
        }
        sqlx::query!(
            "INSERT INTO sizing_decisions (pool_id, before, wanted, after, reason, inputs) VALUES ($1, $2, $3, $4, $5, $6)",
            pool.pool_id,
            pool.target,
            verdict.wanted,
            verdict.target,
            verdict.reason,
            json!(inputs)
        )
        .execute(&mut *tx)
        .await?;
        if changes {
            sqlx::query!("UPDATE pools SET target = $2 WHERE id = $1", pool.pool_id, verdict.target)
                .execute(&mut *tx)
                .await?;
            let (before, after) = (json!({ "target": pool.target }), json!({ "target": verdict.target }));
            let by = By { reason: Some(verdict.reason.clone()), ..by.clone() };
            tell(&mut tx, "pool.target", pool.pool_id, before, after, &by).await?;
            cancel_surplus_of(&mut tx, Some(pool.pool_id), &by).await?;
        }
        tx.commit().await?;
        Ok(changes)
    }

    /// Forgets decisions beyond the newest thousand of each pool, breaker trips beyond the newest hundred, and hours older than 400 days.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn forget_old_sizing(&self) -> Result<(), LedgerError> {
        sqlx::query!(
            "DELETE FROM sizing_decisions AS d USING pools AS p
             WHERE d.pool_id = p.id AND d.id < (SELECT min(id) FROM (SELECT id FROM sizing_decisions WHERE pool_id = p.id ORDER BY id DESC LIMIT $1) AS kept)",
            KEPT
        )
        .execute(&self.db)
        .await?;
        sqlx::query!(
            "DELETE FROM breaker_trips AS t USING pools AS p
             WHERE t.pool_id = p.id AND t.id < (SELECT min(id) FROM (SELECT id FROM breaker_trips WHERE pool_id = p.id ORDER BY id DESC LIMIT 100) AS kept)"
        )
        .execute(&self.db)
        .await?;
        sqlx::query!("DELETE FROM pool_hours WHERE hour < now() - interval '400 days'").execute(&self.db).await?;
        Ok(())
    }

    /// How a pool is sized, for its page.
    pub(super) async fn sizing(&self, pool_id: i32, claims_last_hour: i64) -> Result<PoolSizing, LedgerError> {
        Ok(PoolSizing {
            rates: sizing::rates(claims_last_hour, &self.window_claims(pool_id).await?),
            policy: self.policy(pool_id).await?,
            schedules: self.schedules(pool_id).await?,
            decisions: self.decisions(pool_id, SHOWN).await?,
        })
    }

    /// Newest first.
    async fn decisions(&self, pool_id: i32, limit: i64) -> Result<Vec<SizingDecision>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT id, at, last_checked_at, before, wanted, after, reason, inputs FROM sizing_decisions WHERE pool_id = $1 ORDER BY id DESC LIMIT $2",
            pool_id,
            limit
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| SizingDecision {
                id: row.id,
                at: row.at,
                last_checked_at: row.last_checked_at,
                before: row.before,
                wanted: row.wanted,
                after: row.after,
                reason: row.reason,
                inputs: serde_json::from_value(row.inputs).ok(),
            })
            .collect())
    }

    /// The page on which a policy is tried and set.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn policy_page(&self, name: &str) -> Result<PolicyPage, LedgerError> {
        let (id, target) = self.pool_target(name).await?;
        let in_force = self.policy(id).await?;
        let draft = match &in_force {
            Some(in_force) => PolicyDraft::from(&in_force.policy),
            None => PolicyDraft::suggested(target),
        };
        let schedules = self.schedules(id).await?;
        Ok(PolicyPage { pool: name.to_owned(), target, in_force, schedules, draft, as_of: chrono::Utc::now() })
    }

    /// Replays the pool's history with the draft, or with what the form begins with where the draft is empty.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn try_policy(&self, name: &str, draft: PolicyDraft) -> Result<PolicyTrial, LedgerError> {
        let page = self.policy_page(name).await?;
        let summary = self.pool_summary(name).await?;
        let (id, target) = self.pool_target(name).await?;
        let draft = if draft.is_empty() { page.draft } else { draft };
        let rates = sizing::rates(summary.claims_last_hour, &self.window_claims(id).await?);
        let has_policy = page.in_force.is_some();
        let outcome = match draft.parse() {
            Err(error) => Err(error.to_string()),
            Ok(proposed) => {
                let in_force = page.in_force.map(|in_force| in_force.policy);
                let candidate = self.candidate(id, target, in_force, page.schedules, rates).await?;
                sizing::compare(&candidate, &proposed)
            }
        };
        Ok(PolicyTrial { target, has_policy, outcome, as_of: chrono::Utc::now() })
    }

    async fn pool_target(&self, name: &str) -> Result<(i32, i32), LedgerError> {
        let row = sqlx::query!("SELECT id, target FROM pools WHERE name = $1", name).fetch_optional(&self.db).await?;
        row.map(|row| (row.id, row.target)).ok_or_else(|| LedgerError::NotFound(format!("The pool {name}")))
    }

    async fn candidate(
        &self,
        pool_id: i32,
        target: i32,
        in_force: Option<Policy>,
        schedules: Vec<Schedule>,
        rates: Rates,
    ) -> Result<Candidate, LedgerError> {
        Ok(Candidate {
            now: chrono::Utc::now(),
            target,
            in_force,
            schedules,
            rates,
            hours: self.demand_hours(pool_id).await?,
            minutes: self.demand_minutes(pool_id).await?,
            stops: self.creation_stops(pool_id).await?,
            refill: sizing::refill_model(&self.observed_creations(pool_id).await?),
        })
    }

    /// The newest thousand creations, and how many failed in the last 30 days.
    async fn observed_creations(&self, pool_id: i32) -> Result<Observed, LedgerError> {
        let observed = sqlx::query_as!(
            Observed,
            r#"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50_seconds, percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95_seconds,
                      (SELECT coalesce(sum(created), 0) FROM pool_hours WHERE pool_id = $1 AND hour > now() - interval '30 days') AS "created!",
                      (SELECT coalesce(sum(failed), 0) FROM pool_hours WHERE pool_id = $1 AND hour > now() - interval '30 days') AS "failed!"
               FROM (SELECT extract(epoch FROM available_at - requested_at)::float8 AS seconds FROM databases
                     WHERE pool_id = $1 AND requested_at > now() - interval '30 days' AND available_at IS NOT NULL AND origin = 'pool'
                     ORDER BY requested_at DESC LIMIT 1000) AS recent"#,
            pool_id
        )
        .fetch_one(&self.db)
        .await?;
        Ok(observed)
    }
}

/// Whether the last decision said the same: the target stays, and what is wanted is above it, below it or met, as before.
async fn touch_last(
    tx: &mut sqlx::PgTransaction<'_>,
    pool: &SelfSized,
    verdict: &Verdict,
) -> Result<bool, LedgerError> {
    let done = sqlx::query!(
        "UPDATE sizing_decisions SET last_checked_at = now()
         WHERE id = (SELECT id FROM sizing_decisions WHERE pool_id = $1 ORDER BY id DESC LIMIT 1)
           AND after = $2 AND (wanted > after) = ($3::integer > $2) AND (wanted < after) = ($3 < $2) AND at >= $4",
        pool.pool_id,
        verdict.target,
        verdict.wanted,
        pool.policy.set_at
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}
