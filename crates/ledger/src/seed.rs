//! A fleet with a past, for a demonstration: written in bulk, marked as simulated.

use chrono::Duration;
use uuid::Uuid;

use super::{Ledger, LedgerError};
use fleet_types::Time;

/// A database that was made and claimed in the past. Without an owner it stands in the pool.
#[derive(serde::Serialize)]
pub struct SeedRow {
    pub id: Uuid,
    pub pool: String,
    pub region_id: String,
    pub pg_version: i32,
    /// `claimed`, `failed` or `deleted`.
    pub state: String,
    pub neon_project_name: String,
    pub neon_project_id: Option<String>,
    pub neon_branch_id: Option<String>,
    pub neon_endpoint_id: Option<String>,
    pub host: Option<String>,
    pub database_name: Option<String>,
    pub role_name: Option<String>,
    /// In hexadecimal.
    pub sealed_credentials: Option<String>,
    pub owner_id: Option<String>,
    pub email: Option<String>,
    pub organisation: Option<String>,
    pub plan: Option<String>,
    pub claim_id: Uuid,
    pub requested_at: Time,
    pub claimed_at: Option<Time>,
    pub deleted_at: Option<Time>,
    pub endpoint_state: Option<String>,
    pub last_active_at: Option<Time>,
    /// As measured just now; `None` if nobody has asked for it.
    pub logical_size_bytes: Option<i64>,
    /// As in the last list.
    pub synthetic_size_bytes: Option<i64>,
    pub quota_logical_size_bytes: Option<i64>,
    pub used_active_seconds: i64,
    pub used_compute_seconds: i64,
    pub last_error: Option<String>,
}

/// An hour of a pool's past.
#[derive(serde::Serialize)]
pub struct SeedHour {
    pub pool: String,
    pub hour: Time,
    pub claims_warm: i32,
    pub claims_cold: i32,
    pub created: i32,
    pub failed: i32,
    pub min_available: i32,
}

impl Ledger {
    /// Whether there is any database yet.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn is_empty(&self) -> Result<bool, LedgerError> {
        Ok(sqlx::query_scalar!(r#"SELECT NOT EXISTS (SELECT FROM databases) AS "empty!""#).fetch_one(&self.db).await?)
    }

    /// How many simulated databases there are.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn simulated(&self) -> Result<i64, LedgerError> {
        Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM databases WHERE origin = 'simulated'"#)
            .fetch_one(&self.db)
            .await?)
    }

    /// Writes databases, owners, claims and their events, all in the past. One transaction.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn seed(&self, rows: &[SeedRow]) -> Result<(), LedgerError> {
        let rows = serde_json::to_value(rows).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        let mut tx = self.db.begin().await?;
        sqlx::query!(
            "INSERT INTO owners (id, email, organisation, plan, created_at)
             SELECT owner_id, email, organisation, plan, requested_at
             FROM jsonb_to_recordset($1) AS s (owner_id text, email text, organisation text, plan text, requested_at timestamptz)
             WHERE owner_id IS NOT NULL ON CONFLICT DO NOTHING",
            rows
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "INSERT INTO databases (id, pool_id, state, state_since, origin, region_id, pg_version, neon_project_name, neon_project_id, neon_branch_id,
               neon_endpoint_id, host, database_name, role_name, sealed_credentials, owner_id, plan, available_order, requested_at, available_at, claimed_at,
               deleted_at, recoverable_until, quota_logical_size_bytes, quota_active_seconds, quota_compute_seconds, quota_written_bytes, quota_transfer_bytes,
               observed_at, observed_endpoint_state, last_active_at, logical_size_bytes, size_measured_at, size_settled_to, synthetic_size_bytes,
               used_active_seconds, used_compute_seconds, period_start, period_end,
               usage_due_at, last_error, last_error_at, attempts, plan_version)
             SELECT s.id, p.id, s.state::database_state, coalesce(s.deleted_at, s.claimed_at, s.requested_at), 'simulated', s.region_id, s.pg_version,
               s.neon_project_name, s.neon_project_id, s.neon_branch_id, s.neon_endpoint_id, s.host, s.database_name, s.role_name,
               decode(s.sealed_credentials, 'hex'), s.owner_id, s.plan, CASE WHEN s.neon_project_id IS NOT NULL THEN nextval('available_order') END,
               s.requested_at, s.requested_at + interval '6 seconds', s.claimed_at, s.deleted_at, s.deleted_at + interval '7 days',
               coalesce(s.quota_logical_size_bytes, plan.quota_logical_size_bytes), plan.quota_active_seconds, plan.quota_compute_seconds,
               plan.quota_written_bytes, plan.quota_transfer_bytes, now(), s.endpoint_state, s.last_active_at, s.logical_size_bytes,
               CASE WHEN s.logical_size_bytes IS NOT NULL THEN now() END, CASE WHEN s.logical_size_bytes IS NOT NULL THEN now() END,
               s.synthetic_size_bytes, s.used_active_seconds, s.used_compute_seconds, date_trunc('month', now()),
               date_trunc('month', now()) + interval '1 month', now(), s.last_error,
               CASE WHEN s.last_error IS NOT NULL THEN s.requested_at + interval '10 minutes' END, CASE WHEN s.last_error IS NOT NULL THEN 8 ELSE 0 END, plan.version
             FROM jsonb_to_recordset($1) AS s (id uuid, pool text, region_id text, pg_version integer, state text, neon_project_name text, neon_project_id text,
               neon_branch_id text, neon_endpoint_id text, host text, database_name text, role_name text, sealed_credentials text, owner_id text, email text,
               organisation text, plan text, requested_at timestamptz, claimed_at timestamptz, deleted_at timestamptz, endpoint_state text,
               last_active_at timestamptz, logical_size_bytes bigint, synthetic_size_bytes bigint, quota_logical_size_bytes bigint, used_active_seconds bigint,
               used_compute_seconds bigint, last_error text)
             JOIN pools AS p ON p.name = s.pool JOIN plans AS plan ON plan.name = coalesce(s.plan, p.birth_plan)",
            rows
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "INSERT INTO claims (id, pool_id, owner_id, database_id, status, kind, request_hash, requested_at, served_at, released_at)
             SELECT s.claim_id, p.id, s.owner_id, s.id, 'served', 'warm', '', s.claimed_at, s.claimed_at, s.deleted_at
             FROM jsonb_to_recordset($1) AS s (id uuid, claim_id uuid, pool text, owner_id text, claimed_at timestamptz, deleted_at timestamptz)
             JOIN pools AS p ON p.name = s.pool WHERE s.owner_id IS NOT NULL",
            rows
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "INSERT INTO events (at, kind, database_id, pool_id, actor, via, before, after)
             SELECT step.at, step.kind, s.id, p.id, step.actor, step.via, step.before, step.after
             FROM jsonb_to_recordset($1) AS s (id uuid, pool text, state text, owner_id text, plan text, requested_at timestamptz, claimed_at timestamptz,
               deleted_at timestamptz, last_error text)
             JOIN pools AS p ON p.name = s.pool
             CROSS JOIN LATERAL (VALUES
               (s.requested_at, 'database.state', 'simulation', 'engine', NULL::jsonb, '{\"state\": \"requested\"}'::jsonb),
               (s.requested_at + interval '6 seconds', 'database.state', 'simulation', 'engine', '{\"state\": \"verifying\"}', '{\"state\": \"available\"}'),
               (s.claimed_at, 'database.claimed', 'simulated signup', 'api', '{\"state\": \"available\"}',
                jsonb_build_object('state', 'claimed', 'owner', s.owner_id, 'plan', s.plan)),
               (s.deleted_at, 'database.state', 'simulation', 'engine', '{\"state\": \"releasing\"}', '{\"state\": \"deleted\"}'),
               (CASE WHEN s.state = 'failed' THEN s.requested_at + interval '10 minutes' END, 'database.failed', 'simulation', 'engine', '{\"state\": \"creating\"}',
                jsonb_build_object('state', 'failed', 'error', s.last_error))
             ) AS step (at, kind, actor, via, before, after)
             WHERE step.at IS NOT NULL AND NOT (s.state = 'failed' AND step.after ->> 'state' = 'available')",
            rows
        )
        .execute(&mut *tx)
        .await?;
        // In this past a database was blocked by its last use.
        sqlx::query!(
            "UPDATE databases AS d SET blocked_since = d.last_active_at
             FROM jsonb_to_recordset($1) AS s (id uuid) WHERE d.id = s.id AND d.block_reason IS NOT NULL AND d.last_active_at IS NOT NULL",
            rows
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Writes hours of the past, up to the running one, from which the roll-up goes on.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn seed_hours(&self, hours: &[SeedHour]) -> Result<(), LedgerError> {
        let rows = serde_json::to_value(hours).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        sqlx::query!(
            "INSERT INTO pool_hours (pool_id, hour, claims_warm, claims_cold, created, failed, min_available)
             SELECT p.id, s.hour, s.claims_warm, s.claims_cold, s.created, s.failed, s.min_available
             FROM jsonb_to_recordset($1) AS s (pool text, hour timestamptz, claims_warm integer, claims_cold integer, created integer, failed integer,
               min_available integer)
             JOIN pools AS p ON p.name = s.pool ON CONFLICT DO NOTHING",
            rows
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Samples of the past week, made from the seeded hours, so that the charts begin with them; a few per cent were active, more by day than by night.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn seed_samples(&self) -> Result<(), LedgerError> {
        let interval = Duration::minutes(10).num_seconds() as f64;
        // Two minutes each; what does not divide goes to the last of the hour. The running hour goes on as the last one was.
        sqlx::query!(
            "INSERT INTO pool_samples (pool_id, at, available, in_flight, target, waiting, claims_warm, claims_cold, created, failed)
             SELECT p.id, h.hour + part * interval '2 minutes' - interval '1 second', least(p.target, h.min_available + (30 - i) / 5),
                    least((h.claims_warm + 29) / 30, p.target), p.target, 0, (h.claims_warm + i - 1) / 30, (h.claims_cold + i - 1) / 30,
                    (h.created + i - 1) / 30, (h.failed + i - 1) / 30
             FROM pool_hours AS h JOIN pools AS p ON p.id = h.pool_id
             CROSS JOIN generate_series(1, 60) AS part CROSS JOIN LATERAL (SELECT (part - 1) % 30 + 1) AS within (i)
             WHERE h.hour > now() - interval '7 days' AND h.hour < date_bin('1 hour', now(), 'epoch') AND h.hour + part * interval '2 minutes' < now()
               AND (part <= 30 OR h.hour = date_bin('1 hour', now(), 'epoch') - interval '1 hour') ON CONFLICT DO NOTHING"
        )
        .execute(&self.db)
        .await?;
        sqlx::query!(
            "INSERT INTO fleet_samples (at, claimed, available, active, synthetic_size_bytes)
             SELECT t.at, n.claimed, (SELECT sum(target) FROM pools), n.active, n.storage
             FROM generate_series(now() - interval '24 hours', now() - interval '10 minutes', make_interval(secs => $1)) AS t (at)
             CROSS JOIN LATERAL (SELECT count(*) AS claimed, (count(*) * (0.03 + 0.05 * power(sin(pi() * extract(epoch FROM t.at) / 86400), 2)))::bigint AS active,
                                        coalesce(sum(synthetic_size_bytes), 0) AS storage
                                 FROM databases WHERE state = 'claimed' AND claimed_at <= t.at) AS n
             ON CONFLICT DO NOTHING",
            interval
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}
