//! What all replicas called, how each stands, and what still waits to be called for: the screen of the API budget.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Ledger, LedgerError};
use fleet_types::{CALL_POINTS, CALL_TIMES, CallPoint, CallSum, PoolRange, ReplicaBudget, Time};

/// A replica that was silent for longer has stopped.
const SILENT_SECONDS: f64 = 10.0;
/// Backlogs beyond this are not counted to their end.
const LARGEST_BACKLOG: i64 = 1_000_000;
const ROUTES_SHOWN: i64 = 50;

/// Calls of one class to one route with one status.
#[derive(Clone, Debug)]
pub struct CallRecord {
    pub class: &'static str,
    pub route: String,
    pub status: String,
    pub calls: u64,
    pub times: [u64; CALL_TIMES],
}

/// A bucket that pauses because Neon asked for it.
#[derive(Clone, Debug)]
pub struct CallPause {
    pub bucket: String,
    pub since: Time,
    pub until: Time,
    pub reason: String,
    pub refusals_in_a_row: i32,
}

/// Calls of the last hour.
#[derive(Clone, Debug)]
pub struct HourOfCalls {
    pub class: String,
    pub route: String,
    pub sum: CallSum,
}

/// Databases that wait for calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlogs {
    /// Ready, against what is wanted of all pools that create, and calls to get there.
    pub ready: i64,
    pub to_make: i64,
    pub calls_to_make: i64,
    pub to_apply: i64,
    pub calls_to_apply: i64,
    pub to_delete: i64,
    /// Databases about which a history of consumption is due to be asked.
    pub to_ask: i64,
    /// Databases whose logical size is due to be asked.
    pub to_measure: i64,
    /// The sweep over Neon's list that is under way: projects seen, and how many there are, as far as is known.
    pub sweep: Option<(i64, i64)>,
}

impl Ledger {
    /// Adds what a replica called since it last told so.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_calls(&self, replica: Uuid, calls: &[CallRecord]) -> Result<(), LedgerError> {
        let rows: Vec<Value> = calls
            .iter()
            .map(|call| json!({ "class": call.class, "route": call.route, "status": call.status, "calls": call.calls, "times": call.times }))
            .collect();
        sqlx::query!(
            "INSERT INTO neon_calls (minute, replica, class, route, status, calls, times)
             SELECT date_trunc('minute', now()), $1, class, route, status, calls, times
             FROM jsonb_to_recordset($2) AS told (class text, route text, status text, calls bigint, times bigint[])
             ON CONFLICT (minute, replica, class, route, status) DO UPDATE
             SET calls = neon_calls.calls + excluded.calls,
                 times = ARRAY(SELECT a + b FROM unnest(neon_calls.times, excluded.times) WITH ORDINALITY AS both_times (a, b, i) ORDER BY i)",
            replica,
            Value::Array(rows)
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// How a replica stands now.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn tell_replica(&self, replica: Uuid, state: &ReplicaBudget) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO neon_replicas (replica, told_at, state) VALUES ($1, now(), $2) ON CONFLICT (replica) DO UPDATE SET told_at = now(), state = $2",
            replica,
            sqlx::types::Json(state) as _
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// The replicas that live, each with the time of its telling.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn replicas(&self) -> Result<Vec<(Time, ReplicaBudget)>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT told_at, state AS "state: sqlx::types::Json<ReplicaBudget>" FROM neon_replicas
               WHERE told_at > now() - make_interval(secs => $1) ORDER BY told_at DESC LIMIT 200"#,
            SILENT_SECONDS
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows.into_iter().map(|row| (row.told_at, row.state.0)).collect())
    }

    /// The buckets that pause now.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn call_pauses(&self) -> Result<Vec<CallPause>, LedgerError> {
        let pauses = sqlx::query_as!(
            CallPause,
            r#"SELECT bucket, coalesce(paused_since, now()) AS "since!", paused_until AS "until!", coalesce(pause_reason, '') AS "reason!", refusals_in_a_row
               FROM neon_budget WHERE paused_until > now() ORDER BY bucket"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(pauses)
    }

    /// The calls of the last hour by class and route, over all replicas.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn hour_of_calls(&self) -> Result<Vec<HourOfCalls>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT class, route, coalesce(sum(calls) FILTER (WHERE status <> 'not_sent'), 0)::bigint AS "sent!",
                      coalesce(sum(calls) FILTER (WHERE status = '429'), 0)::bigint AS "limited!",
                      coalesce(sum(calls) FILTER (WHERE status LIKE '5%' OR status IN ('no_answer', 'unreachable', 'garbled')), 0)::bigint AS "failed!",
                      coalesce(sum(calls) FILTER (WHERE status = 'not_sent'), 0)::bigint AS "held_back!"
               FROM neon_calls WHERE minute > now() - interval '1 hour' GROUP BY class, route ORDER BY 3 DESC, class, route LIMIT 500"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| HourOfCalls {
                class: row.class,
                route: row.route,
                sum: CallSum { sent: row.sent, limited: row.limited, failed: row.failed, held_back: row.held_back },
            })
            .collect())
    }

    /// How long the answered calls of the last hour took: counts per bucket of the histogram, by route.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn call_times(&self) -> Result<Vec<(String, Vec<i64>)>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT route, array_agg(n ORDER BY i) AS "times!" FROM (
                 SELECT route, i, sum(n)::bigint AS n FROM neon_calls, unnest(times) WITH ORDINALITY AS t (n, i)
                 WHERE minute > now() - interval '1 hour' AND status NOT IN ('not_sent', 'unreachable', 'no_answer') GROUP BY route, i) AS summed
               GROUP BY route LIMIT $1"#,
            ROUTES_SHOWN
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows.into_iter().map(|row| (row.route, row.times)).collect())
    }

    /// Calls a minute over the range, in evenly spaced points.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn call_history(&self, range: PoolRange) -> Result<Vec<CallPoint>, LedgerError> {
        let seconds = range.seconds() as f64;
        // Calls are counted by the minute: no point is shorter.
        let step = (seconds / CALL_POINTS as f64).max(60.0);
        let points = sqlx::query_as!(
            CallPoint,
            r#"WITH span AS (
                 SELECT date_bin(make_interval(secs => $2), now() - make_interval(secs => $1), 'epoch') AS first,
                        date_bin(make_interval(secs => $2), now(), 'epoch') AS now_running),
               counted AS (
                 SELECT date_bin(make_interval(secs => $2), minute, 'epoch') AS at, sum(calls) AS sent, sum(calls) FILTER (WHERE status = '429') AS limited,
                        sum(calls) FILTER (WHERE status LIKE '5%' OR status IN ('no_answer', 'unreachable', 'garbled')) AS failed
                 FROM neon_calls, span WHERE minute >= first AND minute < now_running AND status <> 'not_sent' GROUP BY 1)
               SELECT at AS "at!", coalesce(sent - coalesce(limited, 0) - coalesce(failed, 0), 0)::float8 * 60 / $2 AS "answered!",
                      coalesce(limited, 0)::float8 * 60 / $2 AS "limited!", coalesce(failed, 0)::float8 * 60 / $2 AS "failed!"
               FROM span, generate_series(greatest(first, (SELECT min(at) FROM counted)), now_running - make_interval(secs => $2), make_interval(secs => $2)) AS at
               LEFT JOIN counted USING (at)
               WHERE EXISTS (SELECT FROM counted) ORDER BY at"#,
            seconds,
            step
        )
        .fetch_all(&self.db)
        .await?;
        Ok(points)
    }

    /// What waits for calls: databases to be made, changed and deleted. Read from the counters and the indexes of the duties.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn backlogs(&self) -> Result<Backlogs, LedgerError> {
        let making = sqlx::query!(
            r#"SELECT coalesce(sum(c.available), 0)::bigint AS "ready!", coalesce(sum(c.unmade + c.verifying + n.missing), 0)::bigint AS "to_make!",
                      coalesce(sum(2 * (c.unmade + n.missing) + c.verifying), 0)::bigint AS "calls!"
               FROM pools AS p
               CROSS JOIN LATERAL (
                 SELECT coalesce(sum(count) FILTER (WHERE state = 'available'), 0)::bigint AS available,
                        coalesce(sum(count) FILTER (WHERE state IN ('requested', 'creating')), 0)::bigint AS unmade,
                        coalesce(sum(count) FILTER (WHERE state = 'verifying'), 0)::bigint AS verifying
                 FROM fleet_counts WHERE pool_id = p.id) AS c
               CROSS JOIN LATERAL (
                 SELECT greatest(0, p.target + (SELECT count(*) FROM claims WHERE pool_id = p.id AND status = 'waiting')
                   - c.available - c.unmade - c.verifying) AS missing) AS n
               WHERE p.paused_at IS NULL AND (p.breaker_until IS NULL OR p.breaker_until < now())"#
        )
        .fetch_one(&self.db)
        .await?;
        let applying = sqlx::query!(
            r#"SELECT count(*) AS "rows!", coalesce(sum(calls), 0)::bigint AS "calls!" FROM (
                 SELECT (wanted_revision <> applied_revision)::integer + (compute_revision > applied_revision)::integer + (wanted_endpoint IS NOT NULL)::integer AS calls
                 FROM databases WHERE state IN ('available', 'claimed') AND (wanted_revision <> applied_revision OR wanted_endpoint IS NOT NULL) LIMIT $1) AS due"#,
            LARGEST_BACKLOG
        )
        .fetch_one(&self.db)
        .await?;
        let to_delete = sqlx::query_scalar!(
            r#"SELECT count(*) AS "rows!" FROM (SELECT FROM databases WHERE state = 'releasing' LIMIT $1) AS due"#,
            LARGEST_BACKLOG
        )
        .fetch_one(&self.db)
        .await?;
        let to_ask = sqlx::query_scalar!(
            r#"SELECT (SELECT count(*) FROM (SELECT FROM databases
                         WHERE state IN ('available', 'claimed') AND last_active_at > usage_settled_to AND usage_rests_until <= now() LIMIT $1) AS hot)
                    + (SELECT count(*) FROM (SELECT FROM databases
                         WHERE state IN ('available', 'claimed') AND usage_due_at <= now() AND usage_rests_until <= now()
                           AND (last_active_at > usage_settled_to) IS NOT TRUE LIMIT $1) AS cold) AS "rows!""#,
            LARGEST_BACKLOG
        )
        .fetch_one(&self.db)
        .await?;
        let to_measure = sqlx::query_scalar!(
            r#"SELECT count(*) AS "rows!" FROM (SELECT FROM databases_to_measure WHERE size_rests_until <= now() LIMIT $1) AS due"#,
            LARGEST_BACKLOG
        )
        .fetch_one(&self.db)
        .await?;
        let sweep = sqlx::query!(
            r#"SELECT projects, coalesce(expected, (SELECT sum(count) FROM fleet_counts
                 WHERE state IN ('verifying', 'available', 'claimed', 'releasing'))::bigint, 0) AS "expected!" FROM sweeps WHERE finished_at IS NULL"#
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(Backlogs {
            ready: making.ready,
            to_make: making.to_make,
            calls_to_make: making.calls,
            to_apply: applying.rows,
            calls_to_apply: applying.calls,
            to_delete,
            to_ask,
            to_measure,
            sweep: sweep.map(|sweep| (sweep.projects, sweep.expected)),
        })
    }

    /// Forgets calls that no screen asks for any more, and replicas that are gone.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn forget_old_calls(&self) -> Result<(), LedgerError> {
        sqlx::query!("DELETE FROM neon_calls WHERE minute < now() - interval '8 days'").execute(&self.db).await?;
        sqlx::query!("DELETE FROM neon_replicas WHERE told_at < now() - interval '1 day'").execute(&self.db).await?;
        Ok(())
    }
}
