//! Policies and schedules: how a pool finds its own target.

use serde_json::{Value, json};

use super::{By, Ledger, LedgerError, events::changed_meanwhile, pool_events::tell};
use fleet_types::{AppError, Asks, Peak, Policy, PolicyInForce, PolicyRead, Schedule, SizingRate, When};

/// Schedules of one pool.
const MOST_SCHEDULES: i64 = 50;

impl Ledger {
    /// From now on the pool finds its own target. Whoever says which policy they have read (when it was set) is refused if another is in force.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Conflict` with who has changed it meanwhile.
    pub async fn set_policy(
        &self,
        pool: &str,
        policy: &Policy,
        read: Option<PolicyRead>,
        by: &By,
    ) -> Result<(), LedgerError> {
        policy.check().map_err(refusal)?;
        let mut tx = self.db.begin().await?;
        let (id, before) = lock_policy(&mut tx, pool).await?;
        if let Some(read) = read {
            let set_at = sqlx::query_scalar!("SELECT set_at FROM pool_policies WHERE pool_id = $1", id)
                .fetch_optional(&mut *tx)
                .await?;
            if read != PolicyRead::of(set_at) {
                return Err(changed_meanwhile(&mut *tx, id, "pool.policy", "The policy").await?);
            }
        }
        if before.as_ref() == Some(policy) {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO pool_policies (pool_id, cover_hours, rate, floor, ceiling, largest_step, decrease_after_minutes, set_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (pool_id) DO UPDATE SET cover_hours = $2, rate = $3, floor = $4, ceiling = $5, largest_step = $6, decrease_after_minutes = $7,
               set_by = $8, set_at = clock_timestamp()",
            id,
            policy.cover_hours,
            policy.rate.as_str(),
            policy.floor,
            policy.ceiling,
            policy.largest_step,
            policy.decrease_after_minutes,
            by.actor
        )
        .execute(&mut *tx)
        .await?;
        let before = before.map_or_else(by_hand, |before| fields(&before));
        tell(&mut tx, "pool.policy", id, before, fields(policy), by).await?;
        Ok(tx.commit().await?)
    }

    /// From now on the target is what an operator sets; it stays as it is until then.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` where there is no policy.
    pub async fn remove_policy(&self, pool: &str, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let (id, before) = lock_policy(&mut tx, pool).await?;
        let Some(before) = before else {
            return Err(LedgerError::Conflict(format!("The pool {pool} has no policy.")));
        };
        sqlx::query!("DELETE FROM pool_policies WHERE pool_id = $1", id).execute(&mut *tx).await?;
        tell(&mut tx, "pool.policy", id, fields(&before), by_hand(), by).await?;
        Ok(tx.commit().await?)
    }

    /// # Errors
    /// PostgreSQL's.
    pub(super) async fn policy(&self, pool_id: i32) -> Result<Option<PolicyInForce>, LedgerError> {
        let row = sqlx::query!(
            "SELECT cover_hours, rate, floor, ceiling, largest_step, decrease_after_minutes, set_at, set_by FROM pool_policies WHERE pool_id = $1",
            pool_id
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(row.map(|row| PolicyInForce {
            policy: Policy {
                cover_hours: row.cover_hours,
                rate: SizingRate::parse(&row.rate).unwrap_or_default(),
                floor: row.floor,
                ceiling: row.ceiling,
                largest_step: row.largest_step,
                decrease_after_minutes: row.decrease_after_minutes,
            },
            set_at: row.set_at,
            set_by: row.set_by,
        }))
    }

    /// Adds a known peak. It counts as long as the pool has a policy.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when there are too many.
    pub async fn add_schedule(&self, pool: &str, peak: &Peak, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let (id, _) = lock_policy(&mut tx, pool).await?;
        let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM pool_schedules WHERE pool_id = $1"#, id)
            .fetch_one(&mut *tx)
            .await?;
        if count >= MOST_SCHEDULES {
            return Err(LedgerError::Conflict(format!(
                "A pool has at most {MOST_SCHEDULES} schedules. Remove one first."
            )));
        }
        let (weekly, once) = match peak.when {
            When::Weekly { weekdays, start_minute, end_minute } => {
                (Some((i32::from(weekdays), i32::from(start_minute), i32::from(end_minute))), None)
            }
            When::Once { starts_at, ends_at } => (None, Some((starts_at, ends_at))),
        };
        let (at_least, factor) = match peak.asks {
            Asks::AtLeast(n) => (Some(n), None),
            Asks::Factor(factor) => (None, Some(factor)),
        };
        sqlx::query!(
            "INSERT INTO pool_schedules (pool_id, label, weekdays, start_minute, end_minute, starts_at, ends_at, at_least, factor)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            id,
            peak.label,
            weekly.map(|(days, _, _)| days),
            weekly.map(|(_, start, _)| start),
            weekly.map(|(_, _, end)| end),
            once.map(|(start, _)| start),
            once.map(|(_, end)| end),
            at_least,
            factor
        )
        .execute(&mut *tx)
        .await?;
        tell(&mut tx, "pool.schedule", id, json!({}), json!({ "schedule": in_words(peak) }), by).await?;
        Ok(tx.commit().await?)
    }

    /// # Errors
    /// `NotFound`.
    pub async fn remove_schedule(&self, pool: &str, schedule: i64, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let (id, _) = lock_policy(&mut tx, pool).await?;
        let row = sqlx::query_as!(
            ScheduleRow,
            "DELETE FROM pool_schedules WHERE id = $1 AND pool_id = $2
             RETURNING id, label, weekdays, start_minute, end_minute, starts_at, ends_at, at_least, factor",
            schedule,
            id
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(String::from("This schedule")))?;
        let before = Schedule::try_from(row).map(|schedule| in_words(&schedule.peak)).unwrap_or_default();
        tell(&mut tx, "pool.schedule", id, json!({ "schedule": before }), json!({}), by).await?;
        Ok(tx.commit().await?)
    }

    /// In the order in which they were added. Those that are over for a month are left out; nothing else asks for them.
    pub(super) async fn schedules(&self, pool_id: i32) -> Result<Vec<Schedule>, LedgerError> {
        let rows = sqlx::query_as!(
            ScheduleRow,
            "SELECT id, label, weekdays, start_minute, end_minute, starts_at, ends_at, at_least, factor FROM pool_schedules
             WHERE pool_id = $1 AND (ends_at IS NULL OR ends_at > now() - interval '30 days') ORDER BY id LIMIT $2",
            pool_id,
            MOST_SCHEDULES
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows.into_iter().filter_map(|row| Schedule::try_from(row).ok()).collect())
    }
}

/// The pool's row, locked, so that policies, schedules and decisions change one after another.
async fn lock_policy(tx: &mut sqlx::PgTransaction<'_>, pool: &str) -> Result<(i32, Option<Policy>), LedgerError> {
    let id = sqlx::query_scalar!("SELECT id FROM pools WHERE name = $1 FOR NO KEY UPDATE", pool)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The pool {pool}")))?;
    let row = sqlx::query!(
        "SELECT cover_hours, rate, floor, ceiling, largest_step, decrease_after_minutes FROM pool_policies WHERE pool_id = $1",
        id
    )
    .fetch_optional(&mut **tx)
    .await?;
    let policy = row.map(|row| Policy {
        cover_hours: row.cover_hours,
        rate: SizingRate::parse(&row.rate).unwrap_or_default(),
        floor: row.floor,
        ceiling: row.ceiling,
        largest_step: row.largest_step,
        decrease_after_minutes: row.decrease_after_minutes,
    });
    Ok((id, policy))
}

fn fields(policy: &Policy) -> Value {
    json!({
        "target": "found by the policy",
        "cover_hours": policy.cover_hours,
        "rate": policy.rate.as_str(),
        "floor": policy.floor,
        "ceiling": policy.ceiling,
        "largest_step": policy.largest_step,
        "decrease_after_minutes": policy.decrease_after_minutes,
    })
}

fn by_hand() -> Value {
    json!({ "target": "set by hand" })
}

fn in_words(peak: &Peak) -> String {
    format!("{}: {}, {}", peak.label, peak.when.in_words(), peak.asks.in_words())
}

/// What is refused for its content goes back to its field.
pub(super) fn refusal(error: AppError) -> LedgerError {
    LedgerError::Invalid { field: "policy", message: error.to_string() }
}

struct ScheduleRow {
    id: i64,
    label: String,
    weekdays: Option<i32>,
    start_minute: Option<i32>,
    end_minute: Option<i32>,
    starts_at: Option<fleet_types::Time>,
    ends_at: Option<fleet_types::Time>,
    at_least: Option<i32>,
    factor: Option<f64>,
}

/// The table's own checks keep a row from being neither.
struct Neither;

impl TryFrom<ScheduleRow> for Schedule {
    type Error = Neither;

    fn try_from(row: ScheduleRow) -> Result<Self, Neither> {
        let when = match (row.weekdays, row.start_minute, row.end_minute, row.starts_at, row.ends_at) {
            (Some(days), Some(start), Some(end), None, None) => When::Weekly {
                weekdays: u8::try_from(days).map_err(|_| Neither)?,
                start_minute: u16::try_from(start).map_err(|_| Neither)?,
                end_minute: u16::try_from(end).map_err(|_| Neither)?,
            },
            (None, None, None, Some(starts_at), Some(ends_at)) => When::Once { starts_at, ends_at },
            _ => return Err(Neither),
        };
        let asks = match (row.at_least, row.factor) {
            (Some(n), None) => Asks::AtLeast(n),
            (None, Some(factor)) => Asks::Factor(factor),
            _ => return Err(Neither),
        };
        Ok(Self { id: row.id, peak: Peak { label: row.label, when, asks } })
    }
}
