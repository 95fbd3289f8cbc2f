//! What is wrong, in words: the strip at the foot of every page.

use super::{Ledger, LedgerError};
use crate::types::{PoolSummary, Problem, Status, StatusLevel, Time, duration};

impl Ledger {
    /// Problems, worst first, each with what Flotilla does about it.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn status(&self) -> Result<Status, LedgerError> {
        let now = chrono::Utc::now();
        let pools = self.pools().await?;
        let neon =
            sqlx::query!("SELECT last_ok_at, failing_since, last_error FROM neon_status").fetch_one(&self.db).await?;
        let duties = sqlx::query!("SELECT name, failures_in_a_row FROM duties WHERE failures_in_a_row >= 3 LIMIT 20")
            .fetch_all(&self.db)
            .await?;
        let mut problems: Vec<Problem> = pools.iter().flat_map(|pool| pool_problems(pool, now)).collect();
        if let Some(since) = neon.failing_since {
            let available: i64 = pools.iter().map(|pool| pool.available).sum();
            let error = neon.last_error.unwrap_or_default();
            problems.push(Problem {
                level: StatusLevel::Bad,
                text: format!(
                    "Neon has not answered for {}: {error} Claims go on from the pool ({available} left); changes wait and are made when it is back.",
                    duration((now - since).num_seconds().max(1))
                ),
                href: String::from("/engine"),
            });
        }
        problems.extend(duties.into_iter().map(|duty| Problem {
            level: StatusLevel::Warning,
            text: format!(
                "The duty {} has failed {} times in a row; it goes on trying.",
                duty.name, duty.failures_in_a_row
            ),
            href: String::from("/engine"),
        }));
        let broken = sqlx::query!(
            r#"SELECT check_found ->> 'statement' AS "statement!", (check_found ->> 'violated_since')::timestamptz AS "since!" FROM (
                 SELECT DISTINCT ON (check_found ->> 'name') check_found
                 FROM (SELECT id, checks FROM doctor_runs ORDER BY id DESC LIMIT 25) AS runs, jsonb_array_elements(runs.checks) AS found (check_found)
                 ORDER BY check_found ->> 'name', runs.id DESC) AS newest
               WHERE check_found ->> 'verdict' = 'violated'"#
        )
        .fetch_all(&self.db)
        .await?;
        problems.extend(broken.into_iter().map(|check| Problem {
            level: StatusLevel::Bad,
            text: format!(
                "What must always hold has not held for {}: {} The evidence stands with the checks of the engine; nothing is changed because of it.",
                duration((now - check.since).num_seconds().max(1)),
                check.statement
            ),
            href: String::from("/engine"),
        }));
        problems.sort_by_key(|problem| std::cmp::Reverse(problem.level));
        Ok(Status {
            level: problems.first().map_or(StatusLevel::Good, |problem| problem.level),
            problems,
            available: pools.iter().map(|pool| pool.available).sum(),
            in_flight: pools.iter().map(|pool| pool.in_flight).sum(),
            claimed: pools.iter().map(|pool| pool.claimed).sum(),
            neon_last_ok_at: neon.last_ok_at,
            as_of: now,
        })
    }
}

fn pool_problems(pool: &PoolSummary, now: Time) -> Vec<Problem> {
    let href = format!("/pools/{}", pool.name);
    let mut problems = Vec::new();
    let mut tell = |level, text| problems.push(Problem { level, text, href: href.clone() });
    if pool.waiting > 0 {
        tell(
            StatusLevel::Bad,
            format!(
                "{} claims wait for a database of pool {}: it is empty. They are served first come, first served.",
                pool.waiting, pool.name
            ),
        );
    } else if pool.available == 0 && pool.target > 0 {
        tell(StatusLevel::Bad, format!("Pool {} is empty; {} databases are on their way.", pool.name, pool.in_flight));
    } else if pool.available * 4 < i64::from(pool.target) {
        tell(
            StatusLevel::Warning,
            format!(
                "Pool {} is down to {} of {}; {} are on their way.",
                pool.name, pool.available, pool.target, pool.in_flight
            ),
        );
    }
    if pool.paused_at.is_some() {
        let reason = pool.paused_reason.as_deref().unwrap_or("no reason given");
        tell(
            StatusLevel::Warning,
            format!("Pool {} is paused ({reason}): nothing is created until it is resumed.", pool.name),
        );
    }
    if let Some(until) = pool.breaker_until {
        let error = pool.breaker_error.as_deref().unwrap_or("unknown");
        let wait = duration((until - now).num_seconds().max(1));
        tell(
            StatusLevel::Bad,
            format!("Pool {} stopped creating after failures in a row ({error}); it tries again in {wait}.", pool.name),
        );
    }
    problems
}
