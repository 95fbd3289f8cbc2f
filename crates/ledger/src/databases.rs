//! One database as the screens show it, and the columns of which such a row is made.

use uuid::Uuid;

use super::{Ledger, LedgerError, quota_events::QUOTA_EVENTS};
use crate::state::State;
use fleet_types::{
    BlockReason, DatabaseDetail, DatabaseRow, DatabaseState, EndpointAction, EndpointState, Owner, Quota, Time, Usage,
};

/// Events shown with a database.
const EVENTS_SHOWN: i64 = 100;

/// What a [`RowRecord`] is read from, with `d` for `databases`, `p` for `pools` and `o` for `owners`.
pub(super) const ROW_COLUMNS: &str = "d.id, d.state, d.origin, p.name AS pool, d.region_id, d.neon_project_id, d.neon_endpoint_id, d.owner_id, \
    o.email, o.organisation, d.plan, d.observed_endpoint_state, d.block_reason, d.blocked_since, d.logical_size_bytes, d.size_measured_at, d.synthetic_size_bytes, d.quota_logical_size_bytes, d.requested_at, \
    d.claimed_at, d.last_active_at, d.observed_at, d.usage_observed_at, (d.wanted_revision <> d.applied_revision OR d.wanted_endpoint IS NOT NULL) AS pending";

pub(super) const ROW_TABLES: &str =
    "databases AS d JOIN pools AS p ON p.id = d.pool_id LEFT JOIN owners AS o ON o.id = d.owner_id";

#[derive(sqlx::FromRow)]
pub(super) struct RowRecord {
    pub id: Uuid,
    #[sqlx(try_from = "State")]
    pub state: DatabaseState,
    pub origin: String,
    pub pool: String,
    pub region_id: String,
    pub neon_project_id: Option<String>,
    pub neon_endpoint_id: Option<String>,
    pub owner_id: Option<String>,
    pub email: Option<String>,
    pub organisation: Option<String>,
    pub plan: Option<String>,
    pub observed_endpoint_state: Option<String>,
    pub block_reason: Option<String>,
    pub blocked_since: Option<Time>,
    pub logical_size_bytes: Option<i64>,
    pub size_measured_at: Option<Time>,
    pub synthetic_size_bytes: Option<i64>,
    pub quota_logical_size_bytes: Option<i64>,
    pub requested_at: Time,
    pub claimed_at: Option<Time>,
    pub last_active_at: Option<Time>,
    pub observed_at: Option<Time>,
    pub usage_observed_at: Option<Time>,
    pub pending: bool,
}

impl From<RowRecord> for DatabaseRow {
    fn from(record: RowRecord) -> Self {
        Self {
            id: record.id,
            state: record.state,
            simulated: record.origin == "simulated",
            pool: record.pool,
            region: record.region_id,
            neon_project_id: record.neon_project_id,
            owner: owner(record.owner_id, record.email, record.organisation, record.plan),
            endpoint: record.observed_endpoint_state.as_deref().and_then(EndpointState::parse),
            block: record.block_reason.as_deref().and_then(BlockReason::parse),
            blocked_since: record.blocked_since,
            logical_size_bytes: record.logical_size_bytes,
            size_measured_at: record.size_measured_at,
            synthetic_size_bytes: record.synthetic_size_bytes,
            quota_logical_size_bytes: record.quota_logical_size_bytes,
            requested_at: record.requested_at,
            claimed_at: record.claimed_at,
            last_active_at: record.last_active_at,
            observed_at: record.observed_at,
            usage_observed_at: record.usage_observed_at,
            pending: record.pending,
        }
    }
}

fn owner(
    id: Option<String>,
    email: Option<String>,
    organisation: Option<String>,
    plan: Option<String>,
) -> Option<Owner> {
    Some(Owner { id: id?, email: email?, organisation, plan: plan? })
}

impl Ledger {
    /// Everything about one database but its secrets.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn database(&self, id: Uuid) -> Result<DatabaseDetail, LedgerError> {
        let d = sqlx::query!(
            r#"SELECT d.state AS "state: State", d.origin, p.name AS pool, d.region_id, d.neon_project_id, d.owner_id, o.email AS "email?",
                      o.organisation AS "organisation?", d.plan, d.observed_endpoint_state, d.block_reason, d.blocked_since, d.logical_size_bytes, d.size_measured_at, d.synthetic_size_bytes, d.quota_logical_size_bytes,
                      d.requested_at, d.claimed_at, d.last_active_at, d.observed_at, d.usage_observed_at,
                      (d.wanted_revision <> d.applied_revision OR d.wanted_endpoint IS NOT NULL) AS "pending!",
                      d.state_since, d.pg_version, d.neon_project_name, d.neon_branch_id, d.neon_endpoint_id, d.host, d.database_name, d.role_name,
                      coalesce(d.credentials_verified_at, d.available_at) AS credentials_verified_at, d.credentials_changed_at,
                      d.withheld_reason, d.available_at, d.deleted_at, d.recoverable_until, d.release_refused_at, d.quota_active_seconds, d.quota_compute_seconds, d.quota_written_bytes,
                      d.quota_transfer_bytes, d.used_active_seconds, d.used_compute_seconds, d.used_written_bytes, d.used_transfer_bytes,
                      d.period_start, d.period_end, d.min_cu, d.max_cu, d.suspend_timeout_seconds, d.history_retention_seconds, d.wanted_endpoint, d.last_error, d.last_error_at,
                      d.next_attempt_at, d.attempts, now() AS "as_of!",
                      (SELECT coalesce(max(id), 0) FROM events WHERE database_id = d.id AND kind = ANY($2)) AS "quota_revision!"
               FROM databases AS d JOIN pools AS p ON p.id = d.pool_id LEFT JOIN owners AS o ON o.id = d.owner_id
               WHERE d.id = $1"#,
            id,
            &QUOTA_EVENTS.map(String::from)[..]
        )
        .fetch_optional(&self.db)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        let events = self.database_events(id, EVENTS_SHOWN).await?;
        let finding = self.finding_about(id).await?;
        let overrides = self.overrides(id).await?;
        let plans = sqlx::query_scalar!("SELECT name FROM plans ORDER BY name LIMIT 1000").fetch_all(&self.db).await?;
        let unfinished = d.pending
            || d.state.0.is_in_flight()
            || matches!(d.state.0, DatabaseState::Releasing | DatabaseState::Failed);
        Ok(DatabaseDetail {
            row: DatabaseRow {
                id,
                state: d.state.0,
                simulated: d.origin == "simulated",
                pool: d.pool,
                region: d.region_id,
                neon_project_id: d.neon_project_id,
                owner: owner(d.owner_id, d.email, d.organisation, d.plan),
                endpoint: d.observed_endpoint_state.as_deref().and_then(EndpointState::parse),
                block: d.block_reason.as_deref().and_then(BlockReason::parse),
                blocked_since: d.blocked_since,
                logical_size_bytes: d.logical_size_bytes,
                size_measured_at: d.size_measured_at,
                synthetic_size_bytes: d.synthetic_size_bytes,
                quota_logical_size_bytes: d.quota_logical_size_bytes,
                requested_at: d.requested_at,
                claimed_at: d.claimed_at,
                last_active_at: d.last_active_at,
                observed_at: d.observed_at,
                usage_observed_at: d.usage_observed_at,
                pending: d.pending,
            },
            state_since: d.state_since,
            pg_version: d.pg_version,
            neon_project_name: d.neon_project_name,
            neon_branch_id: d.neon_branch_id,
            neon_endpoint_id: d.neon_endpoint_id,
            host: d.host,
            database_name: d.database_name,
            role_name: d.role_name,
            withheld_reason: d.withheld_reason,
            credentials_verified_at: d.credentials_verified_at,
            credentials_changed_at: d.credentials_changed_at,
            available_at: d.available_at,
            deleted_at: d.deleted_at,
            recoverable_until: d.recoverable_until,
            release_refused_at: d.release_refused_at,
            quota: Quota {
                logical_size_bytes: d.quota_logical_size_bytes,
                active_time_seconds: d.quota_active_seconds,
                compute_time_seconds: d.quota_compute_seconds,
                written_data_bytes: d.quota_written_bytes,
                data_transfer_bytes: d.quota_transfer_bytes,
            },
            quota_revision: d.quota_revision,
            usage: Usage {
                logical_size_bytes: d.logical_size_bytes,
                active_time_seconds: d.used_active_seconds,
                compute_time_seconds: d.used_compute_seconds,
                written_data_bytes: d.used_written_bytes,
                data_transfer_bytes: d.used_transfer_bytes,
            },
            period_start: d.period_start,
            period_end: d.period_end,
            min_cu: d.min_cu,
            max_cu: d.max_cu,
            suspend_timeout_seconds: d.suspend_timeout_seconds,
            history_retention_seconds: d.history_retention_seconds,
            overrides,
            plans,
            wanted_endpoint: match d.wanted_endpoint.as_deref() {
                Some("suspend") => Some(EndpointAction::Suspend),
                Some("resume") => Some(EndpointAction::Resume),
                _ => None,
            },
            last_error: d.last_error.filter(|_| unfinished),
            last_error_at: d.last_error_at.filter(|_| unfinished),
            next_attempt_at: unfinished.then_some(d.next_attempt_at),
            attempts: d.attempts,
            events,
            finding,
            as_of: d.as_of,
        })
    }
}
