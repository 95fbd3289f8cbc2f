//! Usage of the billing period: about whom Neon's history is to be asked next, what it answered, and what it refuses to tell.
//!
//! Two work lists, each an index: the hot ones were active since the history was last asked, all others are due within a day. Taking from either
//! reads as many entries as it answers. Nothing is leased: asking twice costs a call and changes nothing.

use uuid::Uuid;

use super::{Ledger, LedgerError};
use fleet_types::{MOST_COUNTED, Time, UsageRefusal, UsageSource, UsageTiers};

/// A database about which the history is to be asked.
#[derive(Clone, Debug)]
pub struct DueUsage {
    pub id: Uuid,
    pub project_id: String,
    /// As far as it is known.
    pub period_start: Option<Time>,
    pub was_asked: bool,
}

/// What the history says of the current billing period. `None` is what no source told.
#[derive(Clone, Debug, PartialEq)]
pub struct PeriodUsage {
    pub id: Uuid,
    /// `None` where nothing was used in the window.
    pub period_start: Option<Time>,
    pub active_seconds: Option<i64>,
    pub compute_seconds: Option<i64>,
    pub written_bytes: Option<i64>,
    pub transfer_bytes: Option<i64>,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Marked as asked.
    pub rows: u64,
    /// Of these, with figures other than before.
    pub changed: u64,
}

impl Ledger {
    /// The hot ones that may be asked about now, those that waited longest first.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn hot_usage(&self, limit: i64) -> Result<Vec<DueUsage>, LedgerError> {
        Ok(sqlx::query_as!(
            DueUsage,
            r#"SELECT id, neon_project_id AS "project_id!", period_start, true AS "was_asked!" FROM databases
               WHERE state IN ('available', 'claimed') AND last_active_at > usage_settled_to AND usage_rests_until <= now()
               ORDER BY usage_rests_until LIMIT $1"#,
            limit
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// The others that are due, longest due first.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn cold_usage(&self, limit: i64) -> Result<Vec<DueUsage>, LedgerError> {
        Ok(sqlx::query_as!(
            DueUsage,
            r#"SELECT id, neon_project_id AS "project_id!", period_start, usage_asked_at IS NOT NULL AS "was_asked!" FROM databases
               WHERE state IN ('available', 'claimed') AND usage_due_at <= now() AND usage_rests_until <= now()
                 AND (last_active_at > usage_settled_to) IS NOT TRUE
               ORDER BY usage_due_at LIMIT $1"#,
            limit
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// This one, unless it was just asked about or has no project.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn usage_of(&self, id: Uuid) -> Result<Option<DueUsage>, LedgerError> {
        Ok(sqlx::query_as!(
            DueUsage,
            r#"SELECT id, neon_project_id AS "project_id!", period_start, usage_asked_at IS NOT NULL AS "was_asked!" FROM databases
               WHERE id = $1 AND state IN ('available', 'claimed') AND usage_rests_until <= now()"#,
            id
        )
        .fetch_optional(&self.db)
        .await?)
    }

    /// Writes down what the history answered `seconds_ago`, and when to ask again: in 15 minutes where figures changed, in 30 where not, in 10 to 20
    /// hours where nothing happens. Rows that somebody else holds are left out rather than waited for, and so are asked about again soon: this never
    /// stands in the way of a claim.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_usage(&self, told: &[PeriodUsage], seconds_ago: f64) -> Result<Recorded, LedgerError> {
        let ids: Vec<Uuid> = told.iter().map(|usage| usage.id).collect();
        let starts: Vec<Option<Time>> = told.iter().map(|usage| usage.period_start).collect();
        let column = |read: fn(&PeriodUsage) -> Option<i64>| told.iter().map(read).collect::<Vec<Option<i64>>>();
        let changed = sqlx::query_scalar!(
            r#"WITH told AS (
                 SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
                   AS t (id, period_start, active_seconds, compute_seconds, written_bytes, transfer_bytes)),
               held AS (
                 SELECT d.id, d.period_start AS known, d.period_end,
                        -- Where nothing was used, the period may have ended all the same.
                        coalesce(t.period_start, CASE WHEN d.period_end <= now() THEN d.period_end ELSE d.period_start END) AS starts,
                        d.used_active_seconds, d.used_compute_seconds, d.used_written_bytes, d.used_transfer_bytes,
                        t.active_seconds, t.compute_seconds, t.written_bytes, t.transfer_bytes
                 FROM told AS t JOIN databases AS d ON d.id = t.id
                 WHERE d.state IN ('available', 'claimed')
                 FOR NO KEY UPDATE OF d SKIP LOCKED),
               new AS (
                 SELECT id, greatest(starts, known) AS period_start,
                        CASE WHEN known IS NULL OR starts > known + interval '1 day' THEN coalesce(starts + interval '1 month', period_end) ELSE period_end END AS period_end,
                        period_total(used_active_seconds, known, active_seconds, starts) AS active,
                        period_total(used_compute_seconds, known, compute_seconds, starts) AS compute,
                        period_total(used_written_bytes, known, written_bytes, starts) AS written,
                        period_total(used_transfer_bytes, known, transfer_bytes, starts) AS transfer
                 FROM held),
               judged AS (
                 SELECT n.*, (n.active, n.compute, n.written, n.transfer, n.period_start) IS DISTINCT FROM
                             (h.used_active_seconds, h.used_compute_seconds, h.used_written_bytes, h.used_transfer_bytes, h.known) AS changed
                 FROM new AS n JOIN held AS h USING (id))
               UPDATE databases AS d
               SET used_active_seconds = n.active, used_compute_seconds = n.compute, used_written_bytes = n.written, used_transfer_bytes = n.transfer,
                   period_start = n.period_start, period_end = n.period_end, usage_observed_at = now() - make_interval(secs => $7),
                   usage_asked_at = now() - make_interval(secs => $7), usage_settled_to = now() - make_interval(secs => $7) - interval '1 hour',
                   usage_rests_until = now() + CASE WHEN n.changed THEN interval '15 minutes' ELSE interval '30 minutes' END,
                   usage_due_at = now() + interval '10 hours' * (1 + random())
               FROM judged AS n WHERE d.id = n.id
               RETURNING n.changed AS "changed!""#,
            &ids,
            &starts as &[Option<Time>],
            &column(|usage| usage.active_seconds) as &[Option<i64>],
            &column(|usage| usage.compute_seconds) as &[Option<i64>],
            &column(|usage| usage.written_bytes) as &[Option<i64>],
            &column(|usage| usage.transfer_bytes) as &[Option<i64>],
            seconds_ago
        )
        .fetch_all(&self.db)
        .await?;
        Ok(Recorded {
            rows: changed.len() as u64,
            changed: changed.into_iter().filter(|changed| *changed).count() as u64,
        })
    }

    /// Neon would not answer for this one: it is asked about again in six hours.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn set_usage_aside(&self, id: Uuid) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE databases SET usage_rests_until = now() + interval '6 hours', usage_due_at = now() + interval '6 hours' WHERE id = $1",
            id
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// The histories that Neon would not give when they were last asked for, and that are not to be asked for yet.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn usage_refusals(&self) -> Result<Vec<UsageRefusal>, LedgerError> {
        let rows =
            sqlx::query!("SELECT source, since, until, reason FROM usage_refusals WHERE until > now() ORDER BY source")
                .fetch_all(&self.db)
                .await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let source = UsageSource::parse(&row.source)?;
                Some(UsageRefusal { source, since: row.since, until: row.until, reason: row.reason })
            })
            .collect())
    }

    /// Remembers that Neon would not give a history, for so many minutes.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn refuse_usage(&self, source: UsageSource, minutes: i32, reason: &str) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO usage_refusals (source, until, reason) VALUES ($1, now() + make_interval(mins => $2), $3)
             ON CONFLICT (source) DO UPDATE SET until = excluded.until, reason = excluded.reason,
               -- Refused again when it was next asked: that is still the same refusal.
               since = CASE WHEN usage_refusals.until < now() - interval '1 hour' THEN excluded.since ELSE usage_refusals.since END",
            source.as_str(),
            minutes,
            reason
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// How much of the fleet is known how well. Counts end at [`MOST_COUNTED`].
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn usage_tiers(&self) -> Result<UsageTiers, LedgerError> {
        let tiers = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM (SELECT FROM databases
                         WHERE state IN ('available', 'claimed') AND last_active_at > usage_settled_to LIMIT $1) AS found) AS "hot!",
                      (SELECT count(*) FROM (SELECT FROM databases
                         WHERE state IN ('available', 'claimed') AND last_active_at > usage_settled_to AND usage_rests_until <= now() LIMIT $1) AS found)
                        AS "hot_waiting!",
                      (SELECT count(*) FROM (SELECT FROM databases
                         WHERE state IN ('available', 'claimed') AND usage_asked_at IS NULL LIMIT $1) AS found) AS "never_asked!",
                      (SELECT count(*) FROM (SELECT FROM databases_to_measure LIMIT $1) AS found) AS "to_measure!",
                      (SELECT count(*) FROM (SELECT FROM databases_to_measure WHERE logical_size_bytes IS NULL LIMIT $1) AS found) AS "never_measured!",
                      (SELECT min(usage_asked_at) FROM databases WHERE state IN ('available', 'claimed')) AS oldest_asked_at,
                      (SELECT coalesce(sum(count), 0)::bigint FROM fleet_counts WHERE state IN ('available', 'claimed')) AS "living!""#,
            MOST_COUNTED
        )
        .fetch_one(&self.db)
        .await?;
        let sweep = sqlx::query!("SELECT finished_at, projects FROM sweeps WHERE is_complete ORDER BY id DESC LIMIT 1")
            .fetch_optional(&self.db)
            .await?;
        Ok(UsageTiers {
            hot: tiers.hot,
            hot_waiting: tiers.hot_waiting,
            never_asked: tiers.never_asked,
            oldest_asked_at: tiers.oldest_asked_at,
            swept_at: sweep.as_ref().and_then(|sweep| sweep.finished_at),
            swept_projects: sweep.map_or(0, |sweep| sweep.projects),
            living: tiers.living,
            to_measure: tiers.to_measure,
            never_measured: tiers.never_measured,
            refusals: self.usage_refusals().await?,
            as_of: chrono::Utc::now(),
        })
    }
}
