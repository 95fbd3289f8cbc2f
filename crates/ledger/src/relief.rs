//! Relief: one used-up quota of a database is raised for a while, within the cap of its plan, and falls back by itself. It is an override with an end.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    By, Ledger, LedgerError,
    origin::refuse_copied,
    plans::{follow, lock_members},
    quota_events::refuse_forgotten,
    quotas::{QuotaIntent, change_in},
};
use fleet_types::{Quota, QuotaChange, Time, limit_text};

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Relief {
    /// The name of the limit.
    pub limit: String,
    /// To how many per cent of the plan's; its cap if `None`.
    pub percent: Option<i32>,
    pub hours: i64,
}

/// How long a relief may last.
const HOURS: std::ops::RangeInclusive<i64> = 1..=24;

/// What a relief is measured against, as it holds now.
struct Measured {
    is_claimed: bool,
    relief_percent: Option<i32>,
    /// What the plan says.
    of_plan: Option<i64>,
    used: i64,
    is_overridden: bool,
    period_end: Option<Time>,
    until: Time,
}

impl Ledger {
    /// Raises a used-up quota until its time is over. Answers with a warning when it would be used up again then.
    ///
    /// # Errors
    /// `NotFound`; `Invalid`; `Conflict` when the plan allows no relief, the quota is not used up, an override holds already, or the cap would not do.
    pub async fn relieve(&self, id: Uuid, relief: &Relief, by: &By) -> Result<Option<String>, LedgerError> {
        if !HOURS.contains(&relief.hours) {
            return Err(invalid("hours", "Write 1 to 24 hours."));
        }
        let limits = Quota::default().limits();
        if !limits.iter().any(|(name, _)| *name == relief.limit) {
            return Err(invalid("limit", "Write the name of a limit, as `compute_time_seconds`."));
        }
        let mut tx = self.db.begin().await?;
        refuse_copied(&mut tx, id, "Relieve it").await?;
        lock_members(&mut tx, &[id]).await?;
        refuse_forgotten(&mut tx, id).await?;
        // A change of the plan may not have reached it yet.
        follow(&mut tx, &[id], false, by).await?;
        let measured = measure(&mut tx, id, relief).await?;
        let raised = raised(relief, &measured)?;
        let intent = QuotaIntent { until: Some(Some(measured.until)), is_relief: true, ..QuotaIntent::default() };
        change_in(&mut tx, id, &change(&relief.limit, raised), intent, by).await?;
        tx.commit().await?;
        let of_plan = write(&relief.limit, measured.of_plan.unwrap_or_default());
        Ok(blocks_again(&relief.limit, measured.until, measured.period_end, &of_plan))
    }
}

/// By PostgreSQL's clock, as the end of every override.
async fn measure(db: &mut PgConnection, id: Uuid, relief: &Relief) -> Result<Measured, LedgerError> {
    sqlx::query_as!(
        Measured,
        r#"SELECT d.state = 'claimed' AS "is_claimed!", (p.plan).relief_percent AS "relief_percent?", plan_setting(p.plan, $2) AS of_plan,
                  coalesce(CASE $2 WHEN 'logical_size_bytes' THEN d.logical_size_bytes WHEN 'active_time_seconds' THEN d.used_active_seconds
                    WHEN 'compute_time_seconds' THEN d.used_compute_seconds WHEN 'written_data_bytes' THEN d.used_written_bytes
                    ELSE d.used_transfer_bytes END, 0) AS "used!",
                  EXISTS (SELECT FROM database_overrides WHERE database_id = d.id AND field = $2) AS "is_overridden!",
                  d.period_end, now() + make_interval(hours => $3) AS "until!"
           FROM databases AS d LEFT JOIN followed_plans AS p ON p.id = d.id WHERE d.id = $1"#,
        id,
        relief.limit,
        i32::try_from(relief.hours).unwrap_or_default()
    )
    .fetch_optional(db)
    .await?
    .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))
}

/// To what the limit is raised, if it may be.
fn raised(relief: &Relief, measured: &Measured) -> Result<i64, LedgerError> {
    let refused = |message: &str| Err(LedgerError::Conflict(message.to_owned()));
    if !measured.is_claimed {
        return refused("Only a claimed database has a plan that could be exceeded.");
    }
    let Some(cap) = measured.relief_percent else {
        return refused("The plan allows no relief: set its relief_percent first.");
    };
    let percent = relief.percent.unwrap_or(cap);
    if !(101..=cap).contains(&percent) {
        return Err(invalid("percent", &format!("The plan allows 101 to {cap} per cent.")));
    }
    if measured.is_overridden {
        return refused("It differs from the plan there already. End that first, or edit the quota.");
    }
    let Some(of_plan) = measured.of_plan.filter(|of_plan| measured.used >= *of_plan) else {
        return refused("That quota is not used up: there is nothing to relieve.");
    };
    let raised = (i128::from(of_plan) * i128::from(percent) / 100).try_into().unwrap_or(i64::MAX);
    if raised <= measured.used {
        return refused(&format!(
            "{percent} per cent of the plan's are {}, and {} are used already. Give the owner another plan, or edit the quota.",
            write(&relief.limit, raised),
            write(&relief.limit, measured.used)
        ));
    }
    Ok(raised)
}

fn write(limit: &str, value: i64) -> String {
    limit_text(limit, Some(value))
}

fn blocks_again(limit: &str, until: Time, period_end: Option<Time>, of_plan: &str) -> Option<String> {
    let at = until.format("%Y-%m-%d %H:%M UTC");
    if limit == "logical_size_bytes" {
        return Some(format!("It is blocked again at {at}, unless less than {of_plan} is left in it by then."));
    }
    let starts_anew = period_end.is_some_and(|end| end <= until);
    (!starts_anew).then(|| {
        format!("It is blocked again at {at}: the plan's {of_plan} are used up until the billing period ends.")
    })
}

fn change(limit: &str, raised: i64) -> QuotaChange {
    let of = |name: &str| (name == limit).then_some(Some(raised));
    QuotaChange {
        logical_size_bytes: of("logical_size_bytes"),
        active_time_seconds: of("active_time_seconds"),
        compute_time_seconds: of("compute_time_seconds"),
        written_data_bytes: of("written_data_bytes"),
        data_transfer_bytes: of("data_transfer_bytes"),
    }
}

fn invalid(field: &'static str, message: &str) -> LedgerError {
    LedgerError::Invalid { field, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};

    use super::*;

    #[test]
    fn who_is_blocked_again_is_warned_unless_the_period_ends_before() {
        let until = Utc::now();
        let again = |limit, end| blocks_again(limit, until, end, "50 h").is_some();
        assert!(again("compute_time_seconds", None));
        assert!(again("compute_time_seconds", Some(until + TimeDelta::hours(1))));
        assert!(!again("compute_time_seconds", Some(until - TimeDelta::hours(1))));
        assert!(again("logical_size_bytes", Some(until - TimeDelta::hours(1))), "a size does not start anew");
    }
}
