//! The fleet as a whole, for its first screen. Nothing here counts rows of `databases` one by one: states come from the roll-up, the rest from partial indexes
//! and samples.

use sqlx::QueryBuilder;

use super::{Ledger, LedgerError, listing::push_filter};
use crate::state::State;
use fleet_types::{
    BlockReason, Blocked, ClaimTime, DatabaseFilter, DatabaseState, FleetHealth, FleetPoint, MOST_COUNTED, Time,
};

const EVENTS_SHOWN: i64 = 12;
const DENIALS_SHOWN: i64 = 5;
/// Upper bounds of the buckets of `claim_timings`, in milliseconds: 0.25, 0.5, 1, 2, …
pub const TIMING_BUCKETS: usize = 20;

impl Ledger {
    /// Everything on the first screen.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn fleet_health(&self) -> Result<FleetHealth, LedgerError> {
        let counts = sqlx::query!(
            r#"SELECT state AS "state!: State", sum(count)::bigint AS "count!" FROM fleet_counts GROUP BY state"#
        )
        .fetch_all(&self.db)
        .await?;
        let claims = sqlx::query!(
            r#"SELECT count(*) AS "last_day!", count(*) FILTER (WHERE kind = 'warm') AS "warm!",
                      (SELECT count(*) FROM databases WHERE claimed_at >= date_trunc('day', now(), 'UTC') - interval '1 day'
                         AND claimed_at < now() - interval '1 day') AS "yesterday_by_now!"
               FROM claims WHERE requested_at > now() - interval '24 hours'"#
        )
        .fetch_one(&self.db)
        .await?;
        let history = sqlx::query_as!(
            FleetPoint,
            r#"SELECT DISTINCT ON (date_bin('10 minutes', at, 'epoch')) at, claimed, available, active, synthetic_size_bytes
               FROM fleet_samples WHERE at > now() - interval '24 hours' ORDER BY date_bin('10 minutes', at, 'epoch'), at DESC"#
        )
        .fetch_all(&self.db)
        .await?;
        let last = history.last().copied();
        Ok(FleetHealth {
            states: DatabaseState::ALL
                .into_iter()
                .map(|state| (state, counts.iter().find(|row| row.state.0 == state).map_or(0, |row| row.count)))
                .collect(),
            pools: self.pools().await?,
            claimed_today: self.counted(DatabaseFilter::claimed_since(chrono::Utc::now().date_naive())).await?,
            claimed_yesterday_by_now: claims.yesterday_by_now,
            warm_percent: (claims.last_day > 0).then(|| claims.warm as f64 * 100.0 / claims.last_day as f64),
            claim_time: self.claim_time().await?,
            blocked: self.counted(DatabaseFilter::blocked()).await?,
            near_quota: self.counted(DatabaseFilter::near_storage_quota()).await?,
            never_measured: self.never_measured().await?,
            active: last.map_or(0, |point| point.active),
            synthetic_size_bytes: last.map(|point| point.synthetic_size_bytes),
            sampled_at: last.map(|point| point.at),
            history,
            events: self.last_events(EVENTS_SHOWN).await?,
            denials: self.latest_denials(DENIALS_SHOWN).await?,
            as_of: chrono::Utc::now(),
        })
    }

    /// Claimed databases that may be near their storage quota, and were never measured; counted up to [`MOST_COUNTED`].
    async fn never_measured(&self) -> Result<i64, LedgerError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM (SELECT FROM databases_to_measure
                 WHERE state = 'claimed' AND logical_size_bytes IS NULL LIMIT $1) AS found"#,
            MOST_COUNTED
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// Claimed databases that cannot be used as they should, by why, most first.
    pub(super) async fn blocked_by_reason(&self) -> Result<Vec<Blocked>, LedgerError> {
        let mut query =
            QueryBuilder::new("SELECT d.block_reason, count(*), min(d.blocked_since) FROM databases AS d WHERE ");
        push_filter(&mut query, &DatabaseFilter::blocked());
        query.push(" GROUP BY 1 ORDER BY 2 DESC");
        let rows: Vec<(String, i64, Option<Time>)> = query.build_query_as().fetch_all(&self.db).await?;
        Ok(rows
            .into_iter()
            .filter_map(|(reason, count, since)| Some(Blocked { reason: BlockReason::parse(&reason)?, count, since }))
            .collect())
    }

    /// Percentiles of the last 24 hours, from the histograms of all replicas.
    async fn claim_time(&self) -> Result<Option<ClaimTime>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT bucket AS "bucket!", sum(n)::bigint AS "count!" FROM claim_timings, unnest(buckets) WITH ORDINALITY AS b (n, bucket)
               WHERE at > now() - interval '24 hours' GROUP BY bucket ORDER BY bucket"#
        )
        .fetch_all(&self.db)
        .await?;
        let counts: Vec<(i64, i64)> = rows.into_iter().map(|row| (row.bucket, row.count)).collect();
        Ok(percentiles(&counts))
    }
}

/// From (bucket counted from 1, count) to upper bounds in milliseconds.
fn percentiles(counts: &[(i64, i64)]) -> Option<ClaimTime> {
    let count: i64 = counts.iter().map(|(_, n)| n).sum();
    if count == 0 {
        return None;
    }
    let at = |share: f64| {
        let wanted = (count as f64 * share).ceil() as i64;
        let mut seen = 0;
        let bucket = counts.iter().find(|(_, n)| {
            seen += n;
            seen >= wanted
        });
        bucket.map_or(0.0, |(bucket, _)| 0.25 * 2f64.powi(i32::try_from(*bucket - 1).unwrap_or(0)))
    };
    Some(ClaimTime { p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99), count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_upper_bounds_of_buckets() {
        let time = percentiles(&[(1, 50), (3, 45), (6, 5)]).expect("not empty");
        assert_eq!((time.p50_ms, time.p95_ms, time.p99_ms, time.count), (0.25, 1.0, 8.0, 100));
        assert_eq!(percentiles(&[(1, 0)]), None);
    }
}
