//! Demand: what each pool was asked for, hour by hour, and what rates, forecasts and simulations read of it.

use super::{Ledger, LedgerError};
use fleet_types::Time;
use sizing::{DemandHour, DemandMinute, WINDOW_HOURS};

impl Ledger {
    /// Brings the hours up to date, from the newest that is known (it may have been unfinished) until now, a week a run at most. A pool without hours begins
    /// with its first claim. Repeating it changes nothing. Returns how many rows it wrote.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn roll_up_hours(&self) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            "INSERT INTO pool_hours (pool_id, hour, claims_warm, claims_cold, created, failed, min_available)
             SELECT p.id, h.hour, c.warm, c.cold, coalesce(s.created, 0), coalesce(s.failed, 0), s.available
             FROM pools AS p
             CROSS JOIN LATERAL (SELECT greatest(
               coalesce((SELECT max(hour) FROM pool_hours WHERE pool_id = p.id),
                        (SELECT date_bin('1 hour', min(requested_at), 'epoch') FROM claims WHERE pool_id = p.id),
                        date_bin('1 hour', now(), 'epoch')),
               date_bin('1 hour', now() - interval '400 days', 'epoch')) AS hour) AS first
             CROSS JOIN LATERAL generate_series(first.hour, least(now(), first.hour + interval '7 days'), '1 hour') AS h (hour)
             CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE kind = 'warm') AS warm, count(*) FILTER (WHERE kind = 'cold') AS cold FROM claims
               WHERE pool_id = p.id AND requested_at >= h.hour AND requested_at < h.hour + interval '1 hour') AS c
             CROSS JOIN LATERAL (SELECT sum(created) AS created, sum(failed) AS failed, min(available) AS available FROM pool_samples
               WHERE pool_id = p.id AND at >= h.hour AND at < h.hour + interval '1 hour') AS s
             ON CONFLICT (pool_id, hour) DO UPDATE SET claims_warm = excluded.claims_warm, claims_cold = excluded.claims_cold,
               created = excluded.created, failed = excluded.failed, min_available = excluded.min_available"
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }

    /// Claims of each full hour in the window of the rates, oldest first.
    pub(super) async fn window_claims(&self, pool_id: i32) -> Result<Vec<i32>, LedgerError> {
        let claims = sqlx::query_scalar!(
            r#"SELECT claims_warm + claims_cold AS "claims!" FROM pool_hours
               WHERE pool_id = $1 AND hour < date_bin('1 hour', now(), 'epoch') AND hour >= date_bin('1 hour', now(), 'epoch') - make_interval(hours => $2)
               ORDER BY hour"#,
            pool_id,
            WINDOW_HOURS as i32
        )
        .fetch_all(&self.db)
        .await?;
        Ok(claims)
    }

    /// The full hours of the last 60 days, oldest first: 30 to replay, those before for the rates.
    pub(super) async fn demand_hours(&self, pool_id: i32) -> Result<Vec<DemandHour>, LedgerError> {
        let hours = sqlx::query_as!(
            DemandHour,
            r#"SELECT hour, claims_warm + claims_cold AS "claims!", created, failed FROM pool_hours
               WHERE pool_id = $1 AND hour < date_bin('1 hour', now(), 'epoch') AND hour > now() - interval '60 days' ORDER BY hour"#,
            pool_id
        )
        .fetch_all(&self.db)
        .await?;
        Ok(hours)
    }

    /// Claims by the minute, where the samples are fine enough to tell: two a minute at least.
    pub(super) async fn demand_minutes(&self, pool_id: i32) -> Result<Vec<DemandMinute>, LedgerError> {
        let minutes = sqlx::query_as!(
            DemandMinute,
            r#"SELECT date_bin('1 minute', at, 'epoch') AS "minute!", sum(claims_warm + claims_cold)::integer AS "claims!" FROM pool_samples
               WHERE pool_id = $1 AND at > now() - interval '30 days'
               GROUP BY 1 HAVING count(*) > 1 AND sum(claims_warm + claims_cold) > 0 ORDER BY 1 LIMIT 50000"#,
            pool_id
        )
        .fetch_all(&self.db)
        .await?;
        Ok(minutes)
    }

    /// When nothing was created because the breaker was open, in the last 30 days.
    pub(super) async fn creation_stops(&self, pool_id: i32) -> Result<Vec<(Time, Time)>, LedgerError> {
        let stops = sqlx::query!(
            r#"SELECT opened_at, coalesce(closed_at, now()) AS "closed_at!" FROM breaker_trips
               WHERE pool_id = $1 AND coalesce(closed_at, now()) > now() - interval '30 days' ORDER BY opened_at LIMIT 1000"#,
            pool_id
        )
        .fetch_all(&self.db)
        .await?;
        Ok(stops.into_iter().map(|stop| (stop.opened_at, stop.closed_at)).collect())
    }
}
