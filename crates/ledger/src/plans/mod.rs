//! Plans are desired state: made and changed by people, each change a version with who, when and why. What a change means for the databases that have the
//! plan is a roll-out (`roll_out`); the one place where a database is brought to its plan is `follow`; where one differs from it is an override.

mod change;
mod ending;
mod follow;
mod overrides;
mod roll_out;

use serde_json::json;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event};
use fleet_types::{AppError, Plan, PlanDetail, PlanRollOut, PlanTerms, PlanVersion, Quota, RollOutState, Time};

pub use change::PlanIntent;
pub use follow::Followed;
pub(super) use follow::{Whose, effect, follow, lock_members};
pub(super) use overrides::{keep_as_overrides, record as record_overrides};
pub use roll_out::RollingPlan;
pub(super) use roll_out::stop_all as stop_all_roll_outs;

/// Nobody needs more, and every list has an end.
const PLANS: i64 = 1_000;
const VERSIONS_SHOWN: i64 = 50;
/// Databases of a plan that Neon has not confirmed; there may be more.
const UNCONFIRMED_COUNTED: i64 = 1_000;

impl Ledger {
    /// Every plan, the oldest first. Cheap: no member is counted.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn plans(&self) -> Result<Vec<Plan>, LedgerError> {
        Ok(plans(&mut *self.db.acquire().await?, None).await?)
    }

    /// One plan with its versions, and how many have it.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn plan(&self, name: &str) -> Result<PlanDetail, LedgerError> {
        let plan = plan_in(&mut *self.db.acquire().await?, name).await?;
        let versions = sqlx::query!(
            "SELECT version, at, actor, via, reason, terms FROM plan_versions WHERE plan = $1 ORDER BY version DESC LIMIT $2",
            name,
            VERSIONS_SHOWN
        )
        .fetch_all(&self.db)
        .await?
        .into_iter()
        .map(|row| PlanVersion {
            version: row.version,
            at: row.at,
            actor: row.actor,
            via: row.via,
            reason: row.reason,
            terms: serde_json::from_value(row.terms).unwrap_or_default(),
        });
        let (owners, databases) = self.members(name).await?;
        Ok(PlanDetail { versions: versions.collect(), owners, databases, plan })
    }

    /// Owners who have a plan, and claimed databases with it: reads as much as there are.
    async fn members(&self, name: &str) -> Result<(i64, i64), LedgerError> {
        let members = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM owners WHERE plan = $1) AS "owners!",
                      (SELECT count(*) FROM databases WHERE plan = $1 AND state = 'claimed' AND origin <> 'copied') AS "databases!""#,
            name
        )
        .fetch_one(&self.db)
        .await?;
        Ok((members.owners, members.databases))
    }

    /// Makes a plan.
    ///
    /// # Errors
    /// `Invalid`, `Conflict` when the name is taken.
    pub async fn create_plan(&self, name: &str, terms: &PlanTerms, by: &By) -> Result<Plan, LedgerError> {
        let name = fleet_types::plan_name(name).map_err(refusal)?;
        terms.check().map_err(refusal)?;
        let mut tx = self.db.begin().await?;
        refuse_too_many(&mut tx).await?;
        let quota = &terms.quota;
        let made = sqlx::query!(
            "INSERT INTO plans (name, label, quota_logical_size_bytes, quota_active_seconds, quota_compute_seconds, quota_written_bytes,
               quota_transfer_bytes, min_cu, max_cu, suspend_timeout_seconds, history_retention_seconds, relief_percent)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
            name,
            terms.label,
            quota.logical_size_bytes,
            quota.active_time_seconds,
            quota.compute_time_seconds,
            quota.written_data_bytes,
            quota.data_transfer_bytes,
            terms.min_cu,
            terms.max_cu,
            terms.suspend_timeout_seconds,
            terms.history_retention_seconds,
            terms.relief_percent
        )
        .execute(&mut *tx)
        .await?;
        if made.rows_affected() == 0 {
            return Err(LedgerError::Conflict(format!(
                "There is a plan {name} already. Change it, or choose another name."
            )));
        }
        write_version(&mut tx, &name, 1, terms, by).await?;
        tell(&mut tx, "plan.created", json!({}), json!({ "plan": name, "label": terms.label }), by).await?;
        let plan = plan_in(&mut tx, &name).await?;
        tx.commit().await?;
        Ok(plan)
    }

    /// Deletes a plan that nobody uses any more.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` with who uses it.
    pub async fn delete_plan(&self, name: &str, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        sqlx::query_scalar!("SELECT name FROM plans WHERE name = $1 FOR NO KEY UPDATE", name)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| not_found(name))?;
        let last = plan_in(&mut tx, name).await?;
        let uses = sqlx::query!(
            r#"SELECT ARRAY (SELECT name FROM pools WHERE birth_plan = $1 ORDER BY name LIMIT 10) AS "pools!",
                      (SELECT count(*) FROM owners WHERE plan = $1) AS "owners!",
                      (SELECT count(*) FROM databases WHERE birth_plan = $1 AND origin <> 'copied'
                         AND state IN ('requested', 'creating', 'verifying', 'available', 'withheld')) AS "databases!""#,
            name
        )
        .fetch_one(&mut *tx)
        .await?;
        if let Some(why_not) = in_use(name, &uses.pools, uses.owners, uses.databases) {
            return Err(LedgerError::Conflict(why_not));
        }
        sqlx::query!("DELETE FROM plans WHERE name = $1", name)
            .execute(&mut *tx)
            .await
            .map_err(|error| taken_meanwhile(error, name))?;
        tell(
            &mut tx,
            "plan.deleted",
            json!({ "plan": name, "version": last.version, "terms": last.terms }),
            json!({}),
            by,
        )
        .await?;
        Ok(tx.commit().await?)
    }
}

/// Every list has an end, and one that nobody sees would be of no use.
async fn refuse_too_many(db: &mut sqlx::PgConnection) -> Result<(), LedgerError> {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM plans"#).fetch_one(db).await?;
    if count < PLANS {
        return Ok(());
    }
    Err(LedgerError::Conflict(format!("There are {PLANS} plans already. Delete one that nobody uses first.")))
}

/// Somebody has begun to use it since it was looked at.
fn taken_meanwhile(error: sqlx::Error, name: &str) -> LedgerError {
    match error.as_database_error().and_then(|error| error.constraint()) {
        Some("owners_plan_fkey" | "pools_birth_plan_fkey") => {
            LedgerError::Conflict(format!("The plan {name} is in use by now. Look at who uses it, and decide again."))
        }
        _ => error.into(),
    }
}

fn in_use(name: &str, pools: &[String], owners: i64, databases: i64) -> Option<String> {
    let why = if !pools.is_empty() {
        format!("The pools {} make databases with it: give them another birth plan", pools.join(", "))
    } else if owners > 0 {
        let owners = if owners == 1 { String::from("1 owner has") } else { format!("{owners} owners have") };
        format!("{owners} it: give them another plan")
    } else if databases > 0 {
        format!(
            "{databases} unclaimed databases were born with it: wait until the pool's template has replaced it, or release them"
        )
    } else {
        return None;
    };
    Some(format!("The plan {name} is in use. {why}, then delete it."))
}

/// All of them, or one.
pub(super) async fn plans(db: &mut sqlx::PgConnection, only: Option<&str>) -> Result<Vec<Plan>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT p.*, ARRAY (SELECT name FROM pools WHERE birth_plan = p.name ORDER BY name LIMIT 1000) AS "pools!",
                  CASE WHEN r.id IS NOT NULL AND r.ended_at IS NULL THEN (SELECT count(*) FROM (
                    SELECT FROM databases WHERE state = 'claimed' AND wanted_revision <> applied_revision AND plan = p.name AND origin <> 'copied'
                    ORDER BY next_attempt_at LIMIT $3) AS d) ELSE 0 END AS "unconfirmed!",
                  r.version AS "rolled_version?", r.began_at AS "began_at?", r.members AS "members?", r.done AS "done?", r.stopped_at, r.stopped_by,
                  r.stopped_reason, r.ended_at
           FROM plans AS p
           LEFT JOIN LATERAL (SELECT * FROM plan_roll_outs WHERE plan = p.name ORDER BY id DESC LIMIT 1) AS r ON true
           WHERE $1::text IS NULL OR p.name = $1 ORDER BY p.created_at, p.name LIMIT $2"#,
        only,
        PLANS,
        UNCONFIRMED_COUNTED
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Plan {
            name: row.name,
            version: row.version,
            terms: PlanTerms {
                label: row.label,
                quota: Quota {
                    logical_size_bytes: row.quota_logical_size_bytes,
                    active_time_seconds: row.quota_active_seconds,
                    compute_time_seconds: row.quota_compute_seconds,
                    written_data_bytes: row.quota_written_bytes,
                    data_transfer_bytes: row.quota_transfer_bytes,
                },
                min_cu: row.min_cu,
                max_cu: row.max_cu,
                suspend_timeout_seconds: row.suspend_timeout_seconds,
                history_retention_seconds: row.history_retention_seconds,
                relief_percent: row.relief_percent,
            },
            changed_at: row.changed_at,
            pools: row.pools,
            roll_out: (|| {
                Some(PlanRollOut {
                    version: row.rolled_version?,
                    state: state_of(row.stopped_at, row.ended_at),
                    began_at: row.began_at?,
                    members: row.members?,
                    done: row.done?,
                    unconfirmed: row.unconfirmed,
                    stopped_by: row.stopped_by,
                    stopped_reason: row.stopped_reason,
                    ended_at: row.ended_at,
                })
            })(),
        })
        .collect())
}

fn state_of(stopped_at: Option<Time>, ended_at: Option<Time>) -> RollOutState {
    match (ended_at, stopped_at) {
        (Some(_), _) => RollOutState::Done,
        (None, Some(_)) => RollOutState::Stopped,
        (None, None) => RollOutState::Running,
    }
}

async fn plan_in(db: &mut sqlx::PgConnection, name: &str) -> Result<Plan, LedgerError> {
    plans(db, Some(name)).await?.pop().ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> LedgerError {
    LedgerError::NotFound(format!("The plan {name}"))
}

/// What somebody wrote where a plan is to be named.
pub(super) fn no_such_plan(field: &'static str, name: &str) -> LedgerError {
    let message =
        format!("There is no plan {name}. Make it first: flotilla plan create {name}, or POST /api/v1/plans.");
    LedgerError::Invalid { field, message }
}

async fn write_version(
    db: &mut sqlx::PgConnection,
    name: &str,
    version: i32,
    terms: &PlanTerms,
    by: &By,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO plan_versions (plan, version, actor, via, reason, terms) VALUES ($1, $2, $3, $4, $5, $6)",
        name,
        version,
        by.actor,
        by.via.as_str(),
        by.reason,
        json!(terms)
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn tell(
    db: &mut sqlx::PgConnection,
    kind: &str,
    before: serde_json::Value,
    after: serde_json::Value,
    by: &By,
) -> Result<(), sqlx::Error> {
    let event = NewEvent { kind, database_id: None, pool_id: None, before: Some(before), after: Some(after) };
    insert_event(db, &event, by).await
}

/// What may be wrong about a plan.
const FIELDS: [&str; 12] = [
    "name",
    "label",
    "quota.logical_size_bytes",
    "quota.active_time_seconds",
    "quota.compute_time_seconds",
    "quota.written_data_bytes",
    "quota.data_transfer_bytes",
    "min_cu",
    "max_cu",
    "suspend_timeout_seconds",
    "history_retention_seconds",
    "relief_percent",
];

fn refusal(error: AppError) -> LedgerError {
    let message = error.to_string();
    let AppError::Invalid { field, .. } = error else { return LedgerError::Conflict(message) };
    let field = FIELDS.into_iter().find(|known| *known == field).unwrap_or("plan");
    LedgerError::Invalid { field, message }
}
