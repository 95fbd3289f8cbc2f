//! Records in Neon's answers that could not be read: named until they have not been met for a day.

use super::{Ledger, LedgerError};
use fleet_types::UnreadableRecord;

/// Kept and shown; of more, the ones met last.
const AT_MOST: i64 = 500;

/// One that was met.
pub struct MetUnreadable {
    pub route: String,
    pub record: String,
    pub problem: String,
    pub times: i64,
}

impl Ledger {
    /// Adds what was met. Answers which of them are new, as `route: record`.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_unreadable(&self, met: &[MetUnreadable]) -> Result<Vec<MetUnreadable>, LedgerError> {
        let column = |read: fn(&MetUnreadable) -> &str| met.iter().map(|one| read(one).to_owned()).collect::<Vec<_>>();
        let times: Vec<i64> = met.iter().map(|one| one.times).collect();
        let written = sqlx::query!(
            r#"INSERT INTO unreadable_records AS u (route, record, problem, times)
               SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS m (route, record, problem, times) ORDER BY route, record
               ON CONFLICT (route, record) DO UPDATE
               SET problem = excluded.problem, times = u.times + excluded.times, last_seen_at = now(),
                   first_seen_at = CASE WHEN u.last_seen_at < now() - interval '1 day' THEN now() ELSE u.first_seen_at END
               RETURNING u.route, u.record, u.problem, u.times, u.first_seen_at = now() AS "is_new!""#,
            &column(|one| &one.route),
            &column(|one| &one.record),
            &column(|one| &one.problem),
            &times
        )
        .fetch_all(&self.db)
        .await?;
        let new = written.into_iter().filter(|row| row.is_new);
        Ok(new
            .map(|row| MetUnreadable { route: row.route, record: row.record, problem: row.problem, times: row.times })
            .collect())
    }

    /// Those of the last day, met last first.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn unreadable_records(&self) -> Result<Vec<UnreadableRecord>, LedgerError> {
        Ok(sqlx::query_as!(
            UnreadableRecord,
            "SELECT route, record, problem, times, first_seen_at, last_seen_at FROM unreadable_records
             WHERE last_seen_at > now() - interval '1 day' ORDER BY last_seen_at DESC, route, record LIMIT $1",
            AT_MOST
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// Forgets what was not met for a day, and what is more than a screen can show.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn forget_old_unreadable(&self) -> Result<(), LedgerError> {
        sqlx::query!(
            "DELETE FROM unreadable_records WHERE last_seen_at < now() - interval '1 day'
               OR last_seen_at < (SELECT last_seen_at FROM unreadable_records ORDER BY last_seen_at DESC OFFSET $1 LIMIT 1)",
            AT_MOST
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}
