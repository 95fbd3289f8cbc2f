//! Templates: what new databases are made of, and how a change of it reaches those that nobody has claimed yet.
//!
//! A claimed database is never touched: it has settings of its own. What Neon changes in place becomes desired state of the row, as any other change; what it cannot change
//! is released, oldest first, and replaced by the refill.

use serde_json::json;

use super::{By, Ledger, LedgerError, events::changed_meanwhile, plans::no_such_plan, pool_events::tell};
use fleet_types::{AppError, RollOut, Template, TemplateStatus, Time};

/// Rows that a roll-out rewrites in one statement before Neon knows of them.
const REWRITTEN_AT_ONCE: i64 = 500;

/// A pool whose template has not yet reached all that are unclaimed.
#[derive(Clone, Debug)]
pub struct Rolling {
    pub pool_id: i32,
    pub pool: String,
    pub revision: i32,
    pub target: i32,
    /// The policy's.
    pub floor: Option<i32>,
    pub available: i64,
    pub in_flight: i64,
    /// Available, of an older revision, to be changed in place.
    pub to_fit: i64,
    /// Available, of an older revision, to be replaced.
    pub to_replace: i64,
    /// On their way, of an older revision.
    pub older_in_flight: i64,
    /// Available, waiting for Neon to confirm a change.
    pub unconfirmed: i64,
    /// Nothing is created: paused, or the breaker is open.
    pub is_stopped: bool,
}

impl Ledger {
    /// Changes what databases of the pool are made of; the engine takes it to those that are unclaimed. Whoever says at which revision they have read the
    /// template is refused if it has been changed since.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Conflict` when nothing would change, or with who has changed it meanwhile.
    pub async fn set_template(
        &self,
        name: &str,
        template: &Template,
        read_at: Option<i32>,
        by: &By,
    ) -> Result<(), LedgerError> {
        template.check().map_err(refusal)?;
        let mut tx = self.db.begin().await?;
        let row = sqlx::query!(
            "SELECT id, pg_version, min_cu, max_cu, suspend_timeout_seconds, birth_plan, template_revision FROM pools WHERE name = $1 FOR NO KEY UPDATE",
            name
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The pool {name}")))?;
        if read_at.is_some_and(|revision| revision != row.template_revision) {
            return Err(changed_meanwhile(&mut *tx, row.id, "pool.template", "The template").await?);
        }
        let before = Template {
            pg_version: row.pg_version,
            min_cu: row.min_cu,
            max_cu: row.max_cu,
            suspend_timeout_seconds: row.suspend_timeout_seconds,
            birth_plan: row.birth_plan,
        };
        let differences = before.differences(template);
        if differences.is_empty() {
            return Err(LedgerError::Conflict(String::from("That is the template already: nothing would change.")));
        }
        sqlx::query!(
            "UPDATE pools SET pg_version = $2, min_cu = $3, max_cu = $4, suspend_timeout_seconds = $5, birth_plan = $6,
                    template_revision = template_revision + 1, template_changed_at = now()
             WHERE id = $1",
            row.id,
            template.pg_version,
            template.min_cu,
            template.max_cu,
            template.suspend_timeout_seconds,
            template.birth_plan
        )
        .execute(&mut *tx)
        .await
        .map_err(|error| plan_refused(error, &template.birth_plan))?;
        let mut sides =
            (json!({ "template": row.template_revision }), json!({ "template": row.template_revision + 1 }));
        for (field, before, after) in differences {
            let field = field.replace(' ', "_");
            sides.0[&field] = json!(before);
            sides.1[&field] = json!(after);
        }
        let (old, new) = sides;
        tell(&mut tx, "pool.template", row.id, old, new, by).await?;
        Ok(tx.commit().await?)
    }

    /// The template and its roll-out, for the pool's page. Counts rows only while one is under way.
    pub(super) async fn template(&self, pool_id: i32) -> Result<TemplateStatus, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT pg_version, min_cu, max_cu, suspend_timeout_seconds, birth_plan, template_revision, rolled_revision < template_revision AS "is_rolling!",
                      coalesce(template_changed_at, created_at) AS "since!"
               FROM pools WHERE id = $1"#,
            pool_id
        )
        .fetch_one(&self.db)
        .await?;
        let roll_out = match row.is_rolling {
            true => Some(self.roll_out(pool_id, row.template_revision, row.since).await?),
            false => None,
        };
        Ok(TemplateStatus {
            template: Template {
                pg_version: row.pg_version,
                min_cu: row.min_cu,
                max_cu: row.max_cu,
                suspend_timeout_seconds: row.suspend_timeout_seconds,
                birth_plan: row.birth_plan,
            },
            revision: row.template_revision,
            roll_out,
            plans: sqlx::query_scalar!("SELECT name FROM plans ORDER BY name LIMIT 1000").fetch_all(&self.db).await?,
        })
    }

    async fn roll_out(&self, pool_id: i32, revision: i32, since: Time) -> Result<RollOut, LedgerError> {
        let counts = sqlx::query!(
            r#"SELECT count(*) AS "of!", count(*) FILTER (WHERE template_revision = $2 AND wanted_revision = applied_revision) AS "done!"
               FROM databases WHERE pool_id = $1 AND state = 'available'"#,
            pool_id,
            revision
        )
        .fetch_one(&self.db)
        .await?;
        Ok(RollOut { since, done: counts.done, of: counts.of })
    }

    /// Pools with a roll-out under way. Cheap while there is none.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn rolling_pools(&self) -> Result<Vec<Rolling>, LedgerError> {
        let pools = sqlx::query_as!(
            Rolling,
            r#"SELECT p.id AS pool_id, p.name AS pool, p.template_revision AS revision, p.target, q.floor AS "floor?", n.available AS "available!",
                      n.in_flight AS "in_flight!", n.to_fit AS "to_fit!", n.to_replace AS "to_replace!", n.older_in_flight AS "older_in_flight!",
                      n.unconfirmed AS "unconfirmed!", (p.paused_at IS NOT NULL OR p.failures_in_a_row > 0) AS "is_stopped!"
               FROM pools AS p LEFT JOIN pool_policies AS q ON q.pool_id = p.id
               CROSS JOIN LATERAL (
                 SELECT count(*) FILTER (WHERE state = 'available') AS available, count(*) FILTER (WHERE state <> 'available') AS in_flight,
                        count(*) FILTER (WHERE state = 'available' AND template_revision < p.template_revision AND pg_version = p.pg_version) AS to_fit,
                        count(*) FILTER (WHERE state = 'available' AND template_revision < p.template_revision AND pg_version <> p.pg_version) AS to_replace,
                        count(*) FILTER (WHERE state <> 'available' AND template_revision < p.template_revision) AS older_in_flight,
                        count(*) FILTER (WHERE state = 'available' AND wanted_revision <> applied_revision) AS unconfirmed
                 FROM databases WHERE pool_id = p.id AND state IN ('requested', 'creating', 'verifying', 'available')) AS n
               WHERE p.rolled_revision < p.template_revision ORDER BY p.id LIMIT 1000"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(pools)
    }

    /// Requests that Neon knows nothing of yet are rewritten as a whole. Returns how many.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn rewrite_requested(&self, pool_id: i32) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            "UPDATE databases AS d
             SET pg_version = p.pg_version, min_cu = p.min_cu, max_cu = p.max_cu, suspend_timeout_seconds = p.suspend_timeout_seconds,
                 quota_logical_size_bytes = plan.quota_logical_size_bytes, quota_active_seconds = plan.quota_active_seconds,
                 quota_compute_seconds = plan.quota_compute_seconds, quota_written_bytes = plan.quota_written_bytes,
                 quota_transfer_bytes = plan.quota_transfer_bytes, birth_plan = p.birth_plan, template_revision = p.template_revision
             FROM pools AS p JOIN plans AS plan ON plan.name = p.birth_plan
             WHERE p.id = $1 AND d.id IN (SELECT id FROM databases WHERE pool_id = $1 AND state = 'requested' AND template_revision < p.template_revision
                                          ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)",
            pool_id,
            REWRITTEN_AT_ONCE
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }

    /// The oldest available ones get the new quotas and compute settings as desired state, which the engine takes to Neon. Returns how many.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn fit_to_template(&self, pool_id: i32, at_most: i64, by: &By) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            r#"WITH wanted AS (
                 SELECT p.pg_version, p.min_cu, p.max_cu, p.suspend_timeout_seconds, p.birth_plan, p.template_revision, plan.quota_logical_size_bytes,
                        plan.quota_active_seconds, plan.quota_compute_seconds, plan.quota_written_bytes, plan.quota_transfer_bytes
                 FROM pools AS p JOIN plans AS plan ON plan.name = p.birth_plan WHERE p.id = $1),
               old AS (
                 SELECT d.id, d.template_revision,
                        (d.min_cu, d.max_cu, d.suspend_timeout_seconds) IS DISTINCT FROM (w.min_cu, w.max_cu, w.suspend_timeout_seconds) AS compute_differs,
                        (d.quota_logical_size_bytes, d.quota_active_seconds, d.quota_compute_seconds, d.quota_written_bytes, d.quota_transfer_bytes)
                        IS DISTINCT FROM (w.quota_logical_size_bytes, w.quota_active_seconds, w.quota_compute_seconds, w.quota_written_bytes,
                        w.quota_transfer_bytes) AS quota_differs
                 FROM databases AS d, wanted AS w
                 WHERE d.pool_id = $1 AND d.state = 'available' AND d.template_revision < w.template_revision AND d.pg_version = w.pg_version
                 ORDER BY d.available_order LIMIT $2 FOR NO KEY UPDATE OF d SKIP LOCKED),
               fitted AS (
                 UPDATE databases AS d
                 SET min_cu = w.min_cu, max_cu = w.max_cu, suspend_timeout_seconds = w.suspend_timeout_seconds,
                     quota_logical_size_bytes = w.quota_logical_size_bytes, quota_active_seconds = w.quota_active_seconds,
                     quota_compute_seconds = w.quota_compute_seconds, quota_written_bytes = w.quota_written_bytes,
                     quota_transfer_bytes = w.quota_transfer_bytes, birth_plan = w.birth_plan, template_revision = w.template_revision,
                     wanted_revision = d.wanted_revision + (compute_differs OR quota_differs)::integer,
                     compute_revision = CASE WHEN compute_differs THEN d.wanted_revision + 1 ELSE d.compute_revision END,
                     attempts = 0, next_attempt_at = now()
                 FROM old, wanted AS w WHERE d.id = old.id
                 RETURNING d.id, old.template_revision AS before, d.template_revision AS after)
               INSERT INTO events (kind, database_id, pool_id, actor, via, before, after)
               SELECT 'database.template', id, $1, $3, $4, jsonb_build_object('template', before), jsonb_build_object('template', after) FROM fitted"#,
            pool_id,
            at_most,
            by.actor,
            by.via.as_str()
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }

    /// Releases the oldest available ones that cannot be changed in place. Returns how many.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn release_outdated(&self, pool_id: i32, at_most: i64, by: &By) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            r#"WITH old AS (
                 SELECT d.id FROM databases AS d JOIN pools AS p ON p.id = d.pool_id
                 WHERE d.pool_id = $1 AND d.state = 'available' AND d.template_revision < p.template_revision AND d.pg_version <> p.pg_version
                 ORDER BY d.available_order LIMIT $2 FOR NO KEY UPDATE OF d SKIP LOCKED),
               released AS (
                 UPDATE databases AS d
                 SET state = 'releasing', releasing_at = now(), wanted_endpoint = NULL, attempts = 0, next_attempt_at = now(), lease_until = NULL,
                     leased_by = NULL
                 FROM old WHERE d.id = old.id RETURNING d.id)
               INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after)
               SELECT 'database.released', id, $1, $3, $4, $5, '{"state": "available"}', '{"state": "releasing"}' FROM released"#,
            pool_id,
            at_most,
            by.actor,
            by.via.as_str(),
            by.reason
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }

    /// How many more than the target are kept for the time being.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn set_surge(&self, pool_id: i32, surge: i32) -> Result<bool, LedgerError> {
        let done = sqlx::query!("UPDATE pools SET surge = $2 WHERE id = $1 AND surge <> $2", pool_id, surge)
            .execute(&self.db)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The template has reached all that are unclaimed. `false` when it was changed again meanwhile.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn end_roll_out(&self, pool: &Rolling, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE pools SET rolled_revision = $2, surge = 0 WHERE id = $1 AND template_revision = $2 AND rolled_revision < $2",
            pool.pool_id,
            pool.revision
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let (before, after) = (json!({}), json!({ "template": pool.revision, "available": pool.available }));
        tell(&mut tx, "pool.rolled_out", pool.pool_id, before, after, by).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn refusal(error: AppError) -> LedgerError {
    LedgerError::Invalid { field: "template", message: error.to_string() }
}

fn plan_refused(error: sqlx::Error, plan: &str) -> LedgerError {
    match error.as_database_error().and_then(|error| error.constraint()) {
        Some("pools_birth_plan_fkey") => no_such_plan("birth_plan", plan),
        _ => error.into(),
    }
}
