//! The fleet over time, the roll-up of the counters, and how long history is kept.

use uuid::Uuid;

use super::{Ledger, LedgerError};

impl Ledger {
    /// Moves the appended deltas into the counters. Returns how many it moved.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn roll_up(&self) -> Result<i64, LedgerError> {
        let moved = sqlx::query_scalar!(
            r#"WITH gone AS (DELETE FROM state_deltas RETURNING pool_id, state, delta),
               summed AS (
                 INSERT INTO state_counts (pool_id, state, count) SELECT pool_id, state, sum(delta) FROM gone GROUP BY 1, 2
                 ON CONFLICT (pool_id, state) DO UPDATE SET count = state_counts.count + excluded.count)
               SELECT count(*) AS "count!" FROM gone"#
        )
        .fetch_one(&self.db)
        .await?;
        sqlx::query!(
            "WITH gone AS (DELETE FROM sealed_deltas RETURNING key_id, delta)
             INSERT INTO sealed_counts (key_id, count) SELECT key_id, sum(delta) FROM gone GROUP BY 1
             ON CONFLICT (key_id) DO UPDATE SET count = sealed_counts.count + excluded.count"
        )
        .execute(&self.db)
        .await?;
        Ok(moved)
    }

    /// One sample of every pool: how it stands now, and what happened since the sample before.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn sample_pools(&self) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO pool_samples (pool_id, at, available, in_flight, target, waiting, claims_warm, claims_cold, created, failed)
             SELECT p.id, now(), coalesce(c.available, 0), coalesce(c.in_flight, 0), p.target,
                    (SELECT count(*) FROM claims WHERE pool_id = p.id AND status = 'waiting'),
                    (SELECT count(*) FROM claims WHERE pool_id = p.id AND kind = 'warm' AND requested_at > since.at AND requested_at <= now()),
                    (SELECT count(*) FROM claims WHERE pool_id = p.id AND kind = 'cold' AND requested_at > since.at AND requested_at <= now()),
                    (SELECT count(*) FROM databases WHERE pool_id = p.id AND available_order IS NOT NULL AND available_at > since.at AND available_at <= now()
                       AND requested_at > now() - interval '1 hour'),
                    (SELECT count(*) FROM databases WHERE pool_id = p.id AND state = 'failed' AND state_since > since.at AND state_since <= now())
             FROM pools AS p
             CROSS JOIN LATERAL (SELECT coalesce((SELECT max(at) FROM pool_samples WHERE pool_id = p.id), now() - interval '10 seconds') AS at) AS since
             LEFT JOIN LATERAL (
               SELECT sum(count) FILTER (WHERE state = 'available') AS available, sum(count) FILTER (WHERE state IN ('requested', 'creating', 'verifying')) AS in_flight
               FROM fleet_counts WHERE pool_id = p.id) AS c ON true
             ON CONFLICT DO NOTHING"
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// One sample of the whole fleet, once a sweep has told what is active and what it takes with its history. Reads every row: for the background, not for requests.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn sample_fleet(&self) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO fleet_samples (at, claimed, available, active, synthetic_size_bytes)
             SELECT now(), count(*) FILTER (WHERE state = 'claimed'), count(*) FILTER (WHERE state = 'available'),
                    count(*) FILTER (WHERE observed_endpoint_state = 'active'), coalesce(sum(synthetic_size_bytes), 0)
             FROM databases WHERE state IN ('available', 'claimed')
             HAVING EXISTS (SELECT FROM sweeps WHERE concluded_at IS NOT NULL)"
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Adds the durations of claims that a replica measured since it last did.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_claim_timings(&self, replica: Uuid, buckets: &[i64]) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO claim_timings (at, replica, buckets) VALUES (now(), $1, $2) ON CONFLICT DO NOTHING",
            replica,
            buckets
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Forgets samples that no screen asks for any more.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn forget_old_samples(&self) -> Result<(), LedgerError> {
        sqlx::query!("DELETE FROM pool_samples WHERE at < now() - interval '30 days'").execute(&self.db).await?;
        sqlx::query!("DELETE FROM fleet_samples WHERE at < now() - interval '90 days'").execute(&self.db).await?;
        sqlx::query!("DELETE FROM claim_timings WHERE at < now() - interval '30 days'").execute(&self.db).await?;
        Ok(())
    }
}
