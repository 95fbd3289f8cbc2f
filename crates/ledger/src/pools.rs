//! Pools: how they stand, and running them.

use serde_json::{Value, json};
use sqlx::PgTransaction;

use super::{By, Ledger, LedgerError, breaker, plans::no_such_plan, pool_events::tell, refill::cancel_surplus_of};
use fleet_types::{CreationFailure, LARGEST_TARGET, POOL_POINTS, PoolDetail, PoolPoint, PoolRange, PoolSummary};

const FAILURES_SHOWN: i64 = 20;
const EVENTS_SHOWN: i64 = 30;

/// What a new pool is made of.
pub struct NewPool<'a> {
    pub name: &'a str,
    pub region_id: &'a str,
    pub pg_version: i32,
    pub birth_plan: &'a str,
    pub target: i32,
    pub is_default: bool,
}

impl Ledger {
    /// Makes a pool if there is none of this name.
    ///
    /// # Errors
    /// PostgreSQL's, above all when the plan does not exist or there is another default pool.
    pub async fn ensure_pool(&self, pool: &NewPool<'_>) -> Result<i32, LedgerError> {
        sqlx::query!(
            "INSERT INTO pools (name, region_id, pg_version, birth_plan, target, is_default) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING",
            pool.name,
            pool.region_id,
            pool.pg_version,
            pool.birth_plan,
            pool.target,
            pool.is_default
        )
        .execute(&self.db)
        .await?;
        Ok(sqlx::query_scalar!("SELECT id FROM pools WHERE name = $1", pool.name).fetch_one(&self.db).await?)
    }

    /// Makes a pool.
    ///
    /// # Errors
    /// `Conflict` when the name is taken or there is a default pool already, `Invalid` for a name or a plan that cannot be.
    pub async fn create_pool(&self, pool: &NewPool<'_>) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let id = sqlx::query_scalar!(
            "INSERT INTO pools (name, region_id, pg_version, birth_plan, target, is_default) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
            pool.name,
            pool.region_id,
            pool.pg_version,
            pool.birth_plan,
            pool.target,
            pool.is_default
        )
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| refusal(error, pool))?;
        tell(
            &mut tx,
            "pool.created",
            id,
            json!({}),
            json!({ "target": pool.target, "region": pool.region_id }),
            &By::cli(),
        )
        .await?;
        Ok(tx.commit().await?)
    }

    /// All pools, the default one first.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn pools(&self) -> Result<Vec<PoolSummary>, LedgerError> {
        self.pool_summaries(None).await
    }

    /// One pool with its history.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn pool(&self, name: &str, range: PoolRange) -> Result<PoolDetail, LedgerError> {
        let summary = self.pool_summary(name).await?;
        let id = sqlx::query_scalar!("SELECT id FROM pools WHERE name = $1", name).fetch_one(&self.db).await?;
        let creation = sqlx::query!(
            r#"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50, percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
               FROM (SELECT extract(epoch FROM available_at - requested_at)::float8 AS seconds FROM databases
                     WHERE pool_id = $1 AND requested_at > now() - interval '24 hours' AND available_at IS NOT NULL AND origin = 'pool'
                     ORDER BY requested_at DESC LIMIT 1000) AS recent"#,
            id
        )
        .fetch_one(&self.db)
        .await?;
        Ok(PoolDetail {
            sizing: self.sizing(id, summary.claims_last_hour).await?,
            breaker: self.last_trip(name).await?,
            template: self.template(id).await?,
            summary,
            history: self.pool_history(id, range).await?,
            range,
            failures: self.creation_failures(id).await?,
            events: self.pool_events(id, EVENTS_SHOWN).await?,
            creation_p50_seconds: creation.p50,
            creation_p95_seconds: creation.p95,
            as_of: chrono::Utc::now(),
        })
    }

    /// One pool as it stands.
    ///
    /// # Errors
    /// `NotFound`.
    pub(super) async fn pool_summary(&self, name: &str) -> Result<PoolSummary, LedgerError> {
        let found = self.pool_summaries(Some(name)).await?.pop();
        found.ok_or_else(|| LedgerError::NotFound(format!("The pool {name}")))
    }

    async fn pool_summaries(&self, only: Option<&str>) -> Result<Vec<PoolSummary>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT p.name, p.region_id, p.pg_version, p.min_cu, p.max_cu, p.birth_plan, p.is_default, p.target, p.paused_at, p.paused_reason,
                      CASE WHEN p.failures_in_a_row >= $2 THEN p.breaker_until END AS breaker_until, p.breaker_error,
                      coalesce(c.available, 0) AS "available!", coalesce(c.in_flight, 0) AS "in_flight!", coalesce(c.claimed, 0) AS "claimed!",
                      coalesce(c.failed, 0) AS "failed!", coalesce(c.requested, 0) AS "requested!",
                      p.creations_per_hour, creation_ceiling(p) AS "creation_ceiling!", creations_last_hour(p) AS "creations_last_hour!",
                      creations_full_until(p) AS full_until,
                      (SELECT count(*) FROM claims WHERE pool_id = p.id AND status = 'waiting') AS "waiting!",
                      (SELECT count(*) FROM claims WHERE pool_id = p.id AND requested_at > now() - interval '1 hour') AS "claims_last_hour!"
               FROM pools AS p LEFT JOIN pool_counts AS c ON c.pool_id = p.id
               WHERE $1::text IS NULL OR p.name = $1
               ORDER BY p.is_default DESC, p.name LIMIT 1000"#,
            only,
            breaker::FAILURES
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| PoolSummary {
                name: row.name,
                region: row.region_id,
                pg_version: row.pg_version,
                min_cu: row.min_cu,
                max_cu: row.max_cu,
                birth_plan: row.birth_plan,
                is_default: row.is_default,
                target: row.target,
                available: row.available,
                in_flight: row.in_flight,
                claimed: row.claimed,
                failed: row.failed,
                waiting: row.waiting,
                paused_at: row.paused_at,
                paused_reason: row.paused_reason,
                breaker_error: row.breaker_error.filter(|_| row.breaker_until.is_some()),
                breaker_until: row.breaker_until,
                claims_last_hour: row.claims_last_hour,
                creations_last_hour: row.creations_last_hour,
                creation_ceiling: row.creation_ceiling,
                creations_per_hour: row.creations_per_hour,
                held_back_until: row.full_until.filter(|_| {
                    let made = row.available + row.in_flight - row.requested;
                    row.paused_at.is_none() && row.breaker_until.is_none() && made < i64::from(row.target) + row.waiting
                }),
                hours_of_cover: (row.claims_last_hour > 0).then(|| row.available as f64 / row.claims_last_hour as f64),
            })
            .collect())
    }

    /// The samples of the range, summed into evenly spaced points.
    async fn pool_history(&self, pool_id: i32, range: PoolRange) -> Result<Vec<PoolPoint>, LedgerError> {
        let seconds = range.seconds() as f64;
        let points = sqlx::query_as!(
            PoolPoint,
            r#"SELECT date_bin(make_interval(secs => $3), at, 'epoch') AS "at!",
                      (array_agg(available ORDER BY at DESC))[1]::bigint AS "available!", (array_agg(in_flight ORDER BY at DESC))[1]::bigint AS "in_flight!",
                      (array_agg(target ORDER BY at DESC))[1]::bigint AS "target!", sum(claims_warm) AS "claims_warm!", sum(claims_cold) AS "claims_cold!",
                      sum(created) AS "created!", sum(failed) AS "failed!"
               FROM pool_samples WHERE pool_id = $1 AND at > now() - make_interval(secs => $2)
               GROUP BY 1 ORDER BY 1"#,
            pool_id,
            seconds,
            seconds / POOL_POINTS as f64
        )
        .fetch_all(&self.db)
        .await?;
        Ok(points)
    }

    /// From the history, which outlives the clean-up of what failed.
    async fn creation_failures(&self, pool_id: i32) -> Result<Vec<CreationFailure>, LedgerError> {
        let failures = sqlx::query_as!(
            CreationFailure,
            r#"SELECT database_id AS "database_id!", at, (after ->> 'attempts')::integer AS attempts, coalesce(after ->> 'error', 'unknown') AS "error!",
                      after ->> 'neon_project_id' AS neon_project_id
               FROM events WHERE kind = 'database.failed' AND pool_id = $1 AND database_id IS NOT NULL ORDER BY id DESC LIMIT $2"#,
            pool_id,
            FAILURES_SHOWN
        )
        .fetch_all(&self.db)
        .await?;
        Ok(failures)
    }

    /// How many databases Neon may be asked to create within an hour; `None` leaves it to the target and the demand.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn set_creations_per_hour(&self, name: &str, limit: Option<i32>, by: &By) -> Result<(), LedgerError> {
        if limit.is_some_and(|limit| !(1..=LARGEST_TARGET).contains(&limit)) {
            return Err(LedgerError::Invalid {
                field: "creations_per_hour",
                message: format!("Choose from 1 to {LARGEST_TARGET} creations an hour, or none for the default."),
            });
        }
        let mut tx = self.db.begin().await?;
        let pool = sqlx::query!("SELECT id, creations_per_hour FROM pools WHERE name = $1 FOR NO KEY UPDATE", name)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| LedgerError::NotFound(format!("The pool {name}")))?;
        if pool.creations_per_hour == limit {
            return Ok(());
        }
        sqlx::query!("UPDATE pools SET creations_per_hour = $2 WHERE id = $1", pool.id, limit)
            .execute(&mut *tx)
            .await?;
        let (before, after) = (pool.creations_per_hour, limit);
        let told = |limit: Option<i32>| json!({ "creations_per_hour": limit });
        tell(&mut tx, "pool.creation_limit", pool.id, told(before), told(after), by).await?;
        Ok(tx.commit().await?)
    }

    /// How many databases shall be kept ready.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Conflict` where a policy sets it.
    pub async fn set_target(&self, name: &str, target: i32, by: &By) -> Result<(), LedgerError> {
        if !(0..=LARGEST_TARGET).contains(&target) {
            return Err(LedgerError::Invalid {
                field: "target",
                message: format!("Choose a target from 0 to {LARGEST_TARGET}."),
            });
        }
        let mut tx = self.db.begin().await?;
        let pool = sqlx::query!(
            r#"SELECT id, target, EXISTS (SELECT FROM pool_policies WHERE pool_id = pools.id) AS "has_policy!" FROM pools WHERE name = $1 FOR NO KEY UPDATE"#,
            name
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The pool {name}")))?;
        if pool.has_policy {
            return Err(LedgerError::Conflict(String::from(
                "The policy of this pool sets its target. Change the policy, or remove it and then set a target.",
            )));
        }
        if pool.target == target {
            return Ok(());
        }
        sqlx::query!("UPDATE pools SET target = $2 WHERE id = $1", pool.id, target).execute(&mut *tx).await?;
        cancel_surplus_of(&mut tx, Some(pool.id), by).await?;
        tell(&mut tx, "pool.target", pool.id, json!({ "target": pool.target }), json!({ "target": target }), by)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Stops creating for this pool, also what is requested already.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn pause_pool(&self, name: &str, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let pool = lock_pause(&mut tx, name).await?;
        if pool.is_paused && pool.paused_reason == by.reason {
            return Ok(());
        }
        sqlx::query_scalar!(
            "UPDATE pools SET paused_at = coalesce(paused_at, now()), paused_reason = $2 WHERE name = $1 RETURNING id",
            name,
            by.reason
        )
        .fetch_one(&mut *tx)
        .await?;
        tell(&mut tx, "pool.paused", pool.id, pool.told(), json!({ "creating": "paused" }), by).await?;
        Ok(tx.commit().await?)
    }

    /// Creates again. If the breaker is open, one is tried at once, whose success closes it.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn resume_pool(&self, name: &str, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let pool = lock_pause(&mut tx, name).await?;
        sqlx::query_scalar!(
            "UPDATE pools SET paused_at = NULL, paused_reason = NULL WHERE name = $1 RETURNING id",
            name
        )
        .fetch_one(&mut *tx)
        .await?;
        let is_open = breaker::try_now(&mut tx, pool.id).await?;
        if pool.is_paused || is_open {
            let after = json!({ "creating": if is_open { "one is tried" } else { "yes" } });
            tell(&mut tx, "pool.resumed", pool.id, pool.told(), after, by).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Whether a pool is paused, as it is before a change.
struct Pause {
    id: i32,
    is_paused: bool,
    paused_reason: Option<String>,
}

impl Pause {
    fn told(&self) -> Value {
        json!({ "creating": if self.is_paused { "paused" } else { "yes" } })
    }
}

async fn lock_pause(tx: &mut PgTransaction<'_>, name: &str) -> Result<Pause, LedgerError> {
    sqlx::query_as!(
        Pause,
        r#"SELECT id, paused_at IS NOT NULL AS "is_paused!", paused_reason FROM pools WHERE name = $1 FOR NO KEY UPDATE"#,
        name
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or_else(|| LedgerError::NotFound(format!("The pool {name}")))
}

fn refusal(error: sqlx::Error, pool: &NewPool<'_>) -> LedgerError {
    let sqlx::Error::Database(inner) = &error else { return error.into() };
    match inner.constraint() {
        Some("pools_name_key") => LedgerError::Conflict(format!("There is a pool {} already.", pool.name)),
        Some("pools_one_default") => {
            LedgerError::Conflict(String::from("There is a default pool already; make this one without --default."))
        }
        Some("pools_birth_plan_fkey") => no_such_plan("birth_plan", pool.birth_plan),
        Some("pools_name_check") => LedgerError::Invalid {
            field: "name",
            message: String::from(
                "A pool's name begins with a lower-case letter, then letters, digits and hyphens, 32 at most.",
            ),
        },
        _ => error.into(),
    }
}
