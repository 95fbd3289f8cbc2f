//! What the API answers about databases. Apart from the screens' types, so that screens may change and this may not.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use fleet_types::{
    BlockReason, DatabaseDetail, DatabaseRow, DatabaseState, EndpointState, Override, Owner, Quota, Usage,
};

/// A database, in short.
#[derive(Serialize, ToSchema)]
pub struct DatabaseSummary {
    pub id: Uuid,
    pub state: DatabaseState,
    #[schema(example = "main")]
    pub pool: String,
    #[schema(example = "aws-eu-central-1")]
    pub region: String,
    #[schema(example = "shiny-wind-028834")]
    pub neon_project_id: Option<String>,
    /// Absent until it is claimed.
    pub owner: Option<Owner>,
    /// What Neon said of the compute endpoint when it was last asked.
    pub endpoint: Option<EndpointState>,
    /// Why it cannot be used as it should; absent when nothing is known to block it.
    pub blocked_by: Option<BlockReason>,
    /// When Flotilla first saw it blocked, whatever the reason.
    pub blocked_since: Option<DateTime<Utc>>,
    /// What its branch holds, in bytes: the storage used, which the storage quota limits. Absent while not known. It is asked for
    /// where the synthetic size is 80 % or more of the quota, and where somebody looks; for all others the synthetic size is the upper bound.
    pub logical_size_bytes: Option<i64>,
    /// When Neon told the logical size.
    pub size_measured_at: Option<DateTime<Utc>>,
    /// Data and history of all branches of its project in bytes, as Neon bills it. No quota limits it. Absent while not known.
    pub synthetic_size_bytes: Option<i64>,
    /// The storage quota in bytes; absent when unlimited.
    pub quota_logical_size_bytes: Option<i64>,
    pub requested_at: DateTime<Utc>,
    pub claimed_at: Option<DateTime<Utc>>,
    pub last_active_at: Option<DateTime<Utc>>,
    /// When synthetic size and endpoint were last seen to have changed on Neon.
    pub observed_at: Option<DateTime<Utc>>,
    /// When the usage of the billing period was last read from Neon.
    pub usage_observed_at: Option<DateTime<Utc>>,
    /// A change that Neon has not yet confirmed.
    pub pending: bool,
    /// Made for a demonstration; nothing real is behind it.
    pub simulated: bool,
}

/// A database with its limits and settings. It holds no secret.
#[derive(Serialize, ToSchema)]
pub struct Database {
    #[serde(flatten)]
    pub summary: DatabaseSummary,
    pub state_since: DateTime<Utc>,
    #[schema(example = 17)]
    pub pg_version: i32,
    pub neon_branch_id: Option<String>,
    pub neon_endpoint_id: Option<String>,
    /// Where clients connect.
    pub host: Option<String>,
    pub database_name: Option<String>,
    pub role_name: Option<String>,
    /// When Neon last confirmed the password; where it never did, when a connection with it was last answered.
    pub credentials_verified_at: Option<DateTime<Utc>>,
    /// When it was noticed that the password had been changed on Neon, past Flotilla. Absent after a rotation by Flotilla.
    pub credentials_changed_at: Option<DateTime<Utc>>,
    pub available_at: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
    /// Until when Neon can bring the deleted project back.
    pub recoverable_until: Option<DateTime<Utc>>,
    /// Since when its deletion is refused, for the reason in `last_error`: a branch is protected on Neon, or something was made in it while nobody held it.
    pub release_refused_at: Option<DateTime<Utc>>,
    pub quota: Quota,
    /// Rises with every change of the quota. Send it along as `revision` when you change a quota that you have read.
    pub quota_revision: i64,
    pub usage: Usage,
    pub period_start: Option<DateTime<Utc>>,
    pub period_end: Option<DateTime<Utc>>,
    /// Compute units.
    pub min_cu: f64,
    pub max_cu: f64,
    /// Seconds without a connection after which the compute stops: 0 is Neon's default, -1 never.
    pub suspend_timeout_seconds: i32,
    /// How far back Neon can restore; absent where it is left to Neon.
    pub history_retention_seconds: Option<i32>,
    /// Where it differs from its owner's plan, because somebody wanted it to.
    pub overrides: Vec<Override>,
    /// What went wrong last, while a change is still to be made or creation failed.
    pub last_error: Option<String>,
    pub last_error_at: Option<DateTime<Utc>>,
    pub next_attempt_at: Option<DateTime<Utc>>,
}

impl From<DatabaseRow> for DatabaseSummary {
    fn from(row: DatabaseRow) -> Self {
        Self {
            id: row.id,
            state: row.state,
            pool: row.pool,
            region: row.region,
            neon_project_id: row.neon_project_id,
            owner: row.owner,
            endpoint: row.endpoint,
            blocked_by: row.block,
            blocked_since: row.blocked_since,
            logical_size_bytes: row.logical_size_bytes,
            size_measured_at: row.size_measured_at,
            synthetic_size_bytes: row.synthetic_size_bytes,
            quota_logical_size_bytes: row.quota_logical_size_bytes,
            requested_at: row.requested_at,
            claimed_at: row.claimed_at,
            last_active_at: row.last_active_at,
            observed_at: row.observed_at,
            usage_observed_at: row.usage_observed_at,
            pending: row.pending,
            simulated: row.simulated,
        }
    }
}

impl From<DatabaseDetail> for Database {
    fn from(detail: DatabaseDetail) -> Self {
        Self {
            summary: detail.row.into(),
            state_since: detail.state_since,
            pg_version: detail.pg_version,
            neon_branch_id: detail.neon_branch_id,
            neon_endpoint_id: detail.neon_endpoint_id,
            host: detail.host,
            database_name: detail.database_name,
            role_name: detail.role_name,
            credentials_verified_at: detail.credentials_verified_at,
            credentials_changed_at: detail.credentials_changed_at,
            available_at: detail.available_at,
            deleted_at: detail.deleted_at,
            recoverable_until: detail.recoverable_until,
            release_refused_at: detail.release_refused_at,
            quota: detail.quota,
            quota_revision: detail.quota_revision,
            usage: detail.usage,
            period_start: detail.period_start,
            period_end: detail.period_end,
            min_cu: detail.min_cu,
            max_cu: detail.max_cu,
            suspend_timeout_seconds: detail.suspend_timeout_seconds,
            history_retention_seconds: detail.history_retention_seconds,
            overrides: detail.overrides,
            last_error: detail.last_error,
            last_error_at: detail.last_error_at,
            next_attempt_at: detail.next_attempt_at,
        }
    }
}
