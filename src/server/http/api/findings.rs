//! What the comparison of Neon's list with the ledger has found to be wrong.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{extract::Params, problem::Problem, validate::Validation};
use crate::{
    server::AppState,
    types::{Finding, FindingFilter, FindingKind, FindingStatus, PAGE_ROWS, Resolution},
};

const LARGEST_PAGE: i64 = 200;

/// Which findings.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FindingQuery {
    /// Only these.
    #[param(inline)]
    kind: Option<FindingKind>,
    /// Only these. Without it, all that are neither ignored nor resolved.
    #[param(inline)]
    status: Option<FindingStatus>,
    /// `next` of the page before.
    #[param(minimum = 1)]
    after: Option<i64>,
    /// Findings on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
}

/// A page of findings, newest first.
#[derive(Serialize, ToSchema)]
pub struct FindingList {
    items: Vec<FindingSummary>,
    /// Send it as `after` for the next page; absent on the last one.
    next: Option<i64>,
    /// The brake is on: nothing is done about any finding until an operator lifts it.
    brake: bool,
    /// When this was read from the ledger.
    as_of: DateTime<Utc>,
}

/// One thing that is wrong.
#[derive(Serialize, ToSchema)]
pub struct FindingSummary {
    id: i64,
    kind: FindingKind,
    status: FindingStatus,
    neon_project_id: Option<String>,
    neon_project_name: Option<String>,
    database_id: Option<Uuid>,
    first_seen_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    /// Complete sweeps over Neon's list in which it was seen.
    sightings: i32,
    /// Data and history as billed, in bytes; absent where Neon's list does not tell it.
    size_bytes: Option<i64>,
    /// What is wrong.
    meaning: String,
    /// What Flotilla does next.
    doing: String,
    /// When it acts; absent when it does not, or not by itself.
    action_due_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
    /// Until when Neon can bring the project back.
    recoverable_until: Option<DateTime<Utc>>,
    resolved_at: Option<DateTime<Utc>>,
    resolution: Option<Resolution>,
    /// `neon`: the project's fields in the list; `ledger`: what the ledger has instead.
    #[schema(value_type = Object)]
    evidence: serde_json::Value,
}

impl From<Finding> for FindingSummary {
    fn from(finding: Finding) -> Self {
        Self {
            doing: finding.doing(),
            action_due_at: finding.next_at(),
            meaning: finding.kind.meaning().to_owned(),
            id: finding.id,
            kind: finding.kind,
            status: finding.status,
            neon_project_id: finding.project_id,
            neon_project_name: finding.project_name,
            database_id: finding.database_id,
            first_seen_at: finding.first_seen_at,
            last_seen_at: finding.last_seen_at,
            sightings: finding.sightings,
            size_bytes: finding.size_bytes,
            last_error: finding.last_error,
            recoverable_until: finding.recoverable_until,
            resolved_at: finding.resolved_at,
            resolution: finding.resolution,
            evidence: finding.evidence,
        }
    }
}

/// List findings
///
/// What is wrong between Neon and the ledger, with its evidence and what is done about it.
#[utoipa::path(
    get, path = "/api/v1/findings", operation_id = "listFindings", tag = "findings", security(("token" = ["read"])),
    params(FindingQuery),
    responses((status = 200, description = "A page of findings", body = FindingList))
)]
pub async fn list_findings(
    State(state): State<AppState>,
    Params(query): Params<FindingQuery>,
) -> Result<Json<FindingList>, Problem> {
    let limit = query.limit.unwrap_or(PAGE_ROWS);
    let mut validation = Validation::default();
    if !(1..=LARGEST_PAGE).contains(&limit) {
        validation.wrong("limit", format!("Write 1 to {LARGEST_PAGE}."));
    }
    if query.after.is_some_and(|after| after < 1) {
        validation.wrong("after", "Write what `next` said on the page before.");
    }
    validation.finish()?;
    let filter = FindingFilter { kind: query.kind, status: query.status, after: query.after };
    let page = state.ledger.findings(filter, limit).await?;
    Ok(Json(FindingList {
        items: page.rows.into_iter().map(FindingSummary::from).collect(),
        next: page.next,
        brake: state.ledger.brake().await?.is_some(),
        as_of: Utc::now(),
    }))
}
