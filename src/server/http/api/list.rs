//! The fleet, page by page.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{extract::Params, problem::Problem, shapes::DatabaseSummary, validate::Validation};
use crate::{
    server::{AppState, ledger::LedgerError},
    types::{DatabaseFilter, DatabaseSort, DatabaseState, PAGE_ROWS, PagePosition},
};

const LARGEST_PAGE: i64 = 200;

/// Which databases.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DatabaseQuery {
    /// Only these. Without it, all but the deleted ones.
    #[param(inline)]
    state: Option<DatabaseState>,
    /// Only those of this pool.
    #[param(max_length = 32)]
    pool: Option<String>,
    /// Only those of owners with this plan.
    #[param(max_length = 32)]
    plan: Option<String>,
    /// Only those in this region of Neon's.
    #[param(max_length = 64)]
    region: Option<String>,
    /// Part of an owner's id, e-mail or organisation, or of a project's, endpoint's or database's id.
    #[param(min_length = 3, max_length = 200)]
    text: Option<String>,
    /// Only claimed ones that something blocks.
    #[serde(default)]
    blocked: bool,
    /// Only claimed ones that use at least this share of their storage quota, in per cent.
    #[param(minimum = 80, maximum = 1000)]
    storage_percent: Option<u16>,
    /// Newest, last claimed, largest or last active first.
    #[param(inline)]
    #[serde(default)]
    sort: DatabaseSort,
    /// `next` of the page before.
    #[param(max_length = 100)]
    after: Option<String>,
    /// Databases on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
}

/// A page of databases.
#[derive(Serialize, ToSchema)]
pub struct DatabaseList {
    items: Vec<DatabaseSummary>,
    /// Send it as `after` for the next page; absent on the last one.
    next: Option<String>,
    /// When this was read from the ledger.
    as_of: DateTime<Utc>,
}

/// List databases
///
/// Filtered, sorted and paged by cursor: the last page costs what the first one does.
#[utoipa::path(
    get, path = "/api/v1/databases", operation_id = "listDatabases", tag = "databases", security(("token" = ["read"])),
    params(DatabaseQuery),
    responses((status = 200, description = "A page of databases", body = DatabaseList))
)]
pub async fn list_databases(
    State(state): State<AppState>,
    Params(query): Params<DatabaseQuery>,
) -> Result<Json<DatabaseList>, Problem> {
    check(&query)?;
    let limit = query.limit.unwrap_or(PAGE_ROWS);
    let position = query.after.clone().map_or(PagePosition::First, PagePosition::After);
    let page = state.ledger.database_page_of(&filter(query), &position, limit).await.map_err(refused)?;
    Ok(Json(DatabaseList {
        items: page.rows.into_iter().map(DatabaseSummary::from).collect(),
        next: page.next,
        as_of: page.as_of,
    }))
}

/// The ledger knows a cursor as the screens do, as a page.
fn refused(error: LedgerError) -> Problem {
    match error {
        LedgerError::Invalid { field: "page", .. } => {
            Problem::invalid("after", "Write what `next` said on the page before.")
        }
        error => error.into(),
    }
}

fn check(query: &DatabaseQuery) -> Result<(), Problem> {
    let mut validation = Validation::default();
    validation.optional_text("pool", query.pool.as_deref(), 0..=32);
    validation.optional_text("plan", query.plan.as_deref(), 0..=32);
    validation.optional_text("region", query.region.as_deref(), 0..=64);
    validation.optional_text("text", query.text.as_deref(), 3..=200);
    validation.optional_text("after", query.after.as_deref(), 0..=100);
    if query.limit.is_some_and(|limit| !(1..=LARGEST_PAGE).contains(&limit)) {
        validation.wrong("limit", format!("Write 1 to {LARGEST_PAGE}."));
    }
    if query.storage_percent.is_some_and(|percent| !(80..=1000).contains(&percent)) {
        validation.wrong("storage_percent", "Write 80 to 1000.");
    }
    validation.finish()
}

/// An empty parameter filters nothing, as in a form.
fn filter(query: DatabaseQuery) -> DatabaseFilter {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    DatabaseFilter {
        state: query.state,
        pool: given(query.pool),
        plan: given(query.plan),
        region: given(query.region),
        text: given(query.text),
        blocked: query.blocked,
        storage_percent: query.storage_percent,
        sort: query.sort,
    }
}
