//! What a database used, day by day.

use axum::{Json, extract::State};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    extract::{Id, Pairs},
    problem::Problem,
    validate::Validation,
};
use crate::state::AppState;
use fleet_types::{QueryReader, UsageDay};

/// Days in one answer: the whole retention and a little more.
const MOST_DAYS: i64 = 400;
/// Days in an answer when nothing is asked for.
const USUAL_DAYS: i64 = 30;

/// The usage of a database by day.
#[derive(Serialize, ToSchema)]
pub struct UsageList {
    /// Oldest first. A day that is left out used nothing, if it lies before `asked_at`; its sizes are those of the day before.
    items: Vec<UsageDay>,
    from: NaiveDate,
    to: NaiveDate,
    /// When Neon's history was last read; absent if it never was. What is used shows there after 15 minutes to an hour.
    asked_at: Option<DateTime<Utc>>,
    /// When this was read from the ledger.
    as_of: DateTime<Utc>,
}

/// Read the usage of a database by day
///
/// Active time, compute, written and transferred data and both sizes, from Neon's history of consumption. Kept for 13 months.
#[utoipa::path(
    get, path = "/api/v1/databases/{id}/usage", operation_id = "readUsage", tag = "databases", security(("token" = ["read"])),
    params(
        ("id" = Uuid, Path, description = "The database's id"),
        ("from" = Option<NaiveDate>, Query, description = "The first day, in UTC; 29 days before `to` if absent, and never more than 399 days before it", example = "2026-03-01"),
        ("to" = Option<NaiveDate>, Query, description = "The last day, in UTC, included; today if absent", example = "2026-03-31"),
    ),
    responses((status = 200, description = "The days on which something was used", body = UsageList))
)]
pub async fn read_usage(State(state): State<AppState>, Id(id): Id, query: Pairs) -> Result<Json<UsageList>, Problem> {
    let (from, to) = query.read(|query| (day(query, "from"), day(query, "to")))?;
    let to = to.unwrap_or_else(|| Utc::now().date_naive());
    let from = from.or_else(|| to.checked_sub_signed(TimeDelta::days(USUAL_DAYS - 1))).unwrap_or(to);
    check(from, to)?;
    let history = state.ledger.usage_history(id, from, to).await?;
    Ok(Json(UsageList {
        items: history.days,
        from: history.from,
        to: history.to,
        asked_at: history.asked_at,
        as_of: history.as_of,
    }))
}

fn day(query: &mut QueryReader<'_>, name: &'static str) -> Option<NaiveDate> {
    query.parsed(&[name], "a day as 2026-03-31", |text| text.parse().ok())
}

fn check(from: NaiveDate, to: NaiveDate) -> Result<(), Problem> {
    let mut validation = Validation::default();
    let days = (to - from).num_days() + 1;
    if days < 1 {
        validation.wrong("from", "Write a day that is not after `to`.");
    } else if days > MOST_DAYS {
        validation.wrong("from", format!("Write a day at most {} days before `to`.", MOST_DAYS - 1));
    }
    // PostgreSQL's dates reach less far than the ones that can be written.
    if !(1..=9_999).contains(&chrono::Datelike::year(&from)) || !(1..=9_999).contains(&chrono::Datelike::year(&to)) {
        validation.wrong("to", "Write a year of four digits.");
    }
    validation.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_are_empty_or_too_long_are_refused() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        assert!(check(day("2026-03-01"), day("2026-03-01")).is_ok());
        assert!(check(day("2025-03-01"), day("2026-04-04")).is_ok());
        assert!(check(day("2025-03-01"), day("2026-04-05")).is_err());
        assert!(check(day("2026-03-02"), day("2026-03-01")).is_err());
        assert!(check(NaiveDate::MIN, NaiveDate::MIN).is_err());
    }
}
