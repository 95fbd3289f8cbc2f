//! Usage by day, in monthly partitions: only days on which something was used, and only written where a figure changed.

use chrono::NaiveDate;
use uuid::Uuid;

use super::{Ledger, LedgerError};
use fleet_types::{UsageDay, UsageHistory};

/// Days are kept for so many months.
const RETENTION_MONTHS: i32 = 13;

/// A day of a database, as Neon's history tells it. `None` is what no source told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DayUsage {
    pub id: Uuid,
    pub usage: UsageDay,
}

impl Ledger {
    /// Makes partitions ahead and drops those past the retention that nobody reads. Returns how many. Safe to call from several replicas at once.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn keep_usage_partitions(&self) -> Result<i32, LedgerError> {
        Ok(sqlx::query_scalar!(r#"SELECT keep_usage_partitions($1) AS "changed!""#, RETENTION_MONTHS)
            .fetch_one(&self.db)
            .await?)
    }

    /// Writes down days. What is not told leaves what is known. Returns how many rows were new or changed; the others are only read.
    ///
    /// # Errors
    /// PostgreSQL's; among them that a day lies outside of the partitions.
    pub async fn record_usage_days(&self, told: &[DayUsage]) -> Result<u64, LedgerError> {
        let ids: Vec<Uuid> = told.iter().map(|day| day.id).collect();
        let days: Vec<NaiveDate> = told.iter().map(|day| day.usage.day).collect();
        let column = |read: fn(&UsageDay) -> Option<i64>| told.iter().map(|day| read(&day.usage)).collect::<Vec<_>>();
        let done = sqlx::query!(
            "INSERT INTO usage_days AS known (database_id, day, active_seconds, compute_seconds, written_bytes, transfer_bytes, logical_size_bytes,
               synthetic_size_bytes, observed_at)
             SELECT t.database_id, t.day, t.active_seconds, t.compute_seconds, t.written_bytes, t.transfer_bytes, t.logical_size_bytes,
               t.synthetic_size_bytes, now()
             FROM unnest($1::uuid[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
               AS t (database_id, day, active_seconds, compute_seconds, written_bytes, transfer_bytes, logical_size_bytes, synthetic_size_bytes)
             LEFT JOIN usage_days AS k ON k.database_id = t.database_id AND k.day = t.day
             WHERE k.database_id IS NULL
                OR (k.active_seconds, k.compute_seconds, k.written_bytes, k.transfer_bytes, k.logical_size_bytes, k.synthetic_size_bytes) IS DISTINCT FROM
                   (coalesce(t.active_seconds, k.active_seconds), coalesce(t.compute_seconds, k.compute_seconds),
                    coalesce(t.written_bytes, k.written_bytes), coalesce(t.transfer_bytes, k.transfer_bytes), coalesce(t.logical_size_bytes, k.logical_size_bytes),
                    coalesce(t.synthetic_size_bytes, k.synthetic_size_bytes))
             ON CONFLICT (database_id, day) DO UPDATE
             SET active_seconds = coalesce(excluded.active_seconds, known.active_seconds),
                 compute_seconds = coalesce(excluded.compute_seconds, known.compute_seconds),
                 written_bytes = coalesce(excluded.written_bytes, known.written_bytes),
                 transfer_bytes = coalesce(excluded.transfer_bytes, known.transfer_bytes),
                 logical_size_bytes = coalesce(excluded.logical_size_bytes, known.logical_size_bytes),
                 synthetic_size_bytes = coalesce(excluded.synthetic_size_bytes, known.synthetic_size_bytes), observed_at = excluded.observed_at",
            &ids,
            &days,
            &column(|day| day.active_seconds) as &[Option<i64>],
            &column(|day| day.compute_seconds) as &[Option<i64>],
            &column(|day| day.written_bytes) as &[Option<i64>],
            &column(|day| day.transfer_bytes) as &[Option<i64>],
            &column(|day| day.logical_size_bytes) as &[Option<i64>],
            &column(|day| day.synthetic_size_bytes) as &[Option<i64>],
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }

    /// The days of one database, both ends included.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn usage_history(&self, id: Uuid, from: NaiveDate, to: NaiveDate) -> Result<UsageHistory, LedgerError> {
        let known =
            sqlx::query!("SELECT requested_at, usage_asked_at, usage_observed_at FROM databases WHERE id = $1", id)
                .fetch_optional(&self.db)
                .await?
                .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        let days = sqlx::query_as!(
            UsageDay,
            "SELECT day, active_seconds, compute_seconds, written_bytes, transfer_bytes, logical_size_bytes, synthetic_size_bytes FROM usage_days
             WHERE database_id = $1 AND day BETWEEN $2 AND $3 ORDER BY day",
            id,
            from,
            to
        )
        .fetch_all(&self.db)
        .await?;
        Ok(UsageHistory {
            born: known.requested_at.date_naive(),
            from,
            to,
            days,
            asked_at: known.usage_asked_at,
            observed_at: known.usage_observed_at,
            as_of: chrono::Utc::now(),
        })
    }
}
