//! What the comparison of Neon's list with the ledger has found to be wrong.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{extract::Pairs, problem::Problem};
use crate::state::AppState;
use fleet_types::{Finding, FindingFilter, FindingKind, FindingStatus, PAGE_ROWS, Resolution};

const LARGEST_PAGE: i64 = 200;

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
    synthetic_size_bytes: Option<i64>,
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
            synthetic_size_bytes: finding.synthetic_size_bytes,
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
    params(
        ("kind" = inline(Option<FindingKind>), Query, description = "Only these"),
        ("status" = inline(Option<FindingStatus>), Query, description = "Only these. Without it, all that are neither ignored nor resolved"),
        ("after" = Option<i64>, Query, description = "`next` of the page before", minimum = 1),
        ("limit" = Option<i64>, Query, description = "Findings on the page; 50 if absent", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "A page of findings", body = FindingList))
)]
pub async fn list_findings(State(state): State<AppState>, query: Pairs) -> Result<Json<FindingList>, Problem> {
    let (filter, limit) =
        query.read(|query| (FindingFilter::read(query), query.number(&["limit"], 1..=LARGEST_PAGE)))?;
    let page = state.ledger.findings(filter, limit.unwrap_or(PAGE_ROWS)).await?;
    Ok(Json(FindingList {
        items: page.rows.into_iter().map(FindingSummary::from).collect(),
        next: page.next,
        brake: state.ledger.brake().await?.is_some(),
        as_of: Utc::now(),
    }))
}
