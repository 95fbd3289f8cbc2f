//! The fleet, page by page.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{extract::Pairs, problem::Problem, shapes::DatabaseSummary};
use crate::state::AppState;
use fleet_types::{DatabaseQuery, DatabaseSort, DatabaseState, PAGE_ROWS};
use ledger::LedgerError;

const LARGEST_PAGE: i64 = 200;

/// A page of databases.
#[derive(Serialize, ToSchema)]
pub struct DatabaseList {
    items: Vec<DatabaseSummary>,
    /// Send it as `after` for the next page; absent on the last one.
    next: Option<String>,
    /// Send it as `before` for the page before; absent on the first one.
    previous: Option<String>,
    /// When this was read from the ledger.
    as_of: DateTime<Utc>,
}

/// List databases
///
/// Filtered, sorted and paged by cursor: the last page costs what the first one does.
#[utoipa::path(
    get, path = "/api/v1/databases", operation_id = "listDatabases", tag = "databases", security(("token" = ["read"])),
    params(
        ("state" = inline(Option<DatabaseState>), Query, description = "Only these. Without it, all but the deleted ones, unless `claimed_since` is there"),
        ("pool" = Option<String>, Query, description = "Only those of this pool", pattern = "line 32"),
        ("plan" = Option<String>, Query, description = "Only those of owners with this plan", pattern = "line 32"),
        ("region" = Option<String>, Query, description = "Only those in this region of Neon's", pattern = "line 64"),
        ("text" = Option<String>, Query, description = "Part of an owner's id, e-mail or organisation, or of a project's, endpoint's or database's id: 3 characters at least", pattern = "searched"),
        ("blocked" = Option<bool>, Query, description = "Only claimed ones that something blocks"),
        ("storage_percent" = Option<i64>, Query, description = "Only claimed ones that use at least this share of their storage quota, in per cent", minimum = 80, maximum = 1000),
        ("claimed_since" = Option<NaiveDate>, Query, description = "Only those that were claimed on this day (in UTC, from the year 2000 on) or later, whatever became of them"),
        ("sort" = inline(Option<DatabaseSort>), Query, description = "Newest, last claimed, largest or last active first"),
        ("after" = Option<String>, Query, description = "`next` of the page before, with the same filter and sort", max_length = 60, pattern = "cursor"),
        ("before" = Option<String>, Query, description = "`previous` of the page behind, with the same filter and sort", max_length = 60, pattern = "cursor"),
        ("limit" = Option<i64>, Query, description = "Databases on the page; 50 if absent", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "A page of databases", body = DatabaseList))
)]
pub async fn list_databases(State(state): State<AppState>, query: Pairs) -> Result<Json<DatabaseList>, Problem> {
    let (DatabaseQuery { filter, position }, limit) =
        query.read(|query| (DatabaseQuery::read(query), query.number(&["limit"], 1..=LARGEST_PAGE)))?;
    let page = state.ledger.database_page_of(&filter, &position, limit.unwrap_or(PAGE_ROWS)).await.map_err(refused)?;
    Ok(Json(DatabaseList {
        items: page.rows.into_iter().map(DatabaseSummary::from).collect(),
        next: page.next,
        previous: page.previous,
        as_of: page.as_of,
    }))
}

/// The ledger knows a cursor as the screens do, as a page.
fn refused(error: LedgerError) -> Problem {
    match error {
        LedgerError::Invalid { field: "page", .. } => {
            Problem::invalid("after", "Write what `next` said on the page before, with the same filter and sort.")
        }
        error => error.into(),
    }
}
