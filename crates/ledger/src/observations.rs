//! What was seen on Neon, with its time.

use uuid::Uuid;

use super::{Ledger, LedgerError};
use fleet_types::{Time, Usage};

/// Everything seen of one database.
pub struct Observation {
    /// `None` for a state that Flotilla does not know.
    pub endpoint_state: Option<String>,
    pub pending_state: Option<String>,
    pub disabled: bool,
    pub last_active_at: Option<Time>,
    pub synthetic_size_bytes: Option<i64>,
    /// But for the logical size, which [`Ledger::record_logical_size`] writes down.
    pub usage: Usage,
    pub period_start: Option<Time>,
    pub period_end: Option<Time>,
}

/// One line of a list of projects.
pub struct ListedProject {
    pub project_id: String,
    pub last_active_at: Option<Time>,
    pub synthetic_size_bytes: Option<i64>,
}

impl Ledger {
    /// Which project, branch and endpoint to ask about; `None` when the database does not exist or has none on Neon.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn neon_ids(&self, id: Uuid) -> Result<Option<(String, String, String)>, LedgerError> {
        let row = sqlx::query!(
            "SELECT neon_project_id, neon_branch_id, neon_endpoint_id FROM databases WHERE id = $1 AND state IN ('available', 'claimed')",
            id
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(row.and_then(|row| Some((row.neon_project_id?, row.neon_branch_id?, row.neon_endpoint_id?))))
    }

    /// Writes down what was seen of one database just now.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_observation(&self, id: Uuid, seen: &Observation) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE databases
             SET observed_at = now(), observed_endpoint_state = $2, observed_pending_state = $3, observed_disabled = $4,
                 last_active_at = coalesce($5, last_active_at), synthetic_size_bytes = coalesce($6, synthetic_size_bytes),
                 used_active_seconds = period_total(used_active_seconds, period_start, $7, $11),
                 used_compute_seconds = period_total(used_compute_seconds, period_start, $8, $11),
                 used_written_bytes = period_total(used_written_bytes, period_start, $9, $11),
                 used_transfer_bytes = period_total(used_transfer_bytes, period_start, $10, $11),
                 usage_observed_at = now(), period_start = greatest(period_start, $11), period_end = greatest(period_end, $12)
             WHERE id = $1",
            id,
            seen.endpoint_state,
            seen.pending_state,
            seen.disabled,
            seen.last_active_at,
            seen.synthetic_size_bytes,
            seen.usage.active_time_seconds,
            seen.usage.compute_time_seconds,
            seen.usage.written_data_bytes,
            seen.usage.data_transfer_bytes,
            seen.period_start,
            seen.period_end,
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Writes down a page of a list of projects: only rows that changed. A list does not tell the endpoint's state, so it is inferred: active while the last activity is
    /// younger than the suspend timeout. Returns how many rows changed.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_listed(&self, listed: &[ListedProject]) -> Result<u64, LedgerError> {
        let ids: Vec<String> = listed.iter().map(|project| project.project_id.clone()).collect();
        let active: Vec<Option<Time>> = listed.iter().map(|project| project.last_active_at).collect();
        let sizes: Vec<Option<i64>> = listed.iter().map(|project| project.synthetic_size_bytes).collect();
        let done = sqlx::query!(
            "WITH listed AS (
               SELECT d.id, coalesce(greatest(l.last_active_at, d.last_active_at), l.last_active_at, d.last_active_at) AS last_active_at,
                      coalesce(l.synthetic_size_bytes, d.synthetic_size_bytes) AS synthetic_size_bytes,
                      CASE WHEN d.observed_endpoint_state = 'active' AND l.last_active_at < now() - make_interval(secs =>
                             CASE d.suspend_timeout_seconds WHEN 0 THEN 300 WHEN -1 THEN 1e9 ELSE d.suspend_timeout_seconds END + 60) THEN 'idle'
                           WHEN l.last_active_at > d.last_active_at AND l.last_active_at > now() - interval '60 seconds' THEN 'active'
                           ELSE d.observed_endpoint_state END AS endpoint_state
               FROM unnest($1::text[], $2::timestamptz[], $3::bigint[]) AS l (project_id, last_active_at, synthetic_size_bytes)
               JOIN databases AS d ON d.neon_project_id = l.project_id
               WHERE d.state IN ('available', 'withheld', 'claimed'))
             UPDATE databases AS d
             SET last_active_at = l.last_active_at, synthetic_size_bytes = l.synthetic_size_bytes, observed_endpoint_state = l.endpoint_state, observed_at = now()
             FROM listed AS l
             WHERE d.id = l.id
               AND (d.observed_at IS NULL OR (d.last_active_at, d.synthetic_size_bytes, d.observed_endpoint_state)
                   IS DISTINCT FROM (l.last_active_at, l.synthetic_size_bytes, l.endpoint_state))",
            &ids,
            &active as &[Option<Time>],
            &sizes as &[Option<i64>],
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }
}
