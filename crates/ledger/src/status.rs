//! What is wrong, in words: the strip at the foot of every page, and the head of the screen *Problems*.

use chrono::TimeDelta;

use super::{Ledger, LedgerError};
use fleet_types::{
    BreakerTrip, FindingKind, FindingStatus, PoolSummary, Problem, Status, StatusLevel, SweepFacts, Time, duration,
    grouped,
};

/// Without a complete sweep for this long, what the ledger says of Neon is stale. A sweep of 300,000 projects with its rest takes half of it.
const SWEEP_IS_STALE: TimeDelta = TimeDelta::minutes(30);
const PROBLEMS: &str = "/problems";
const ENGINE: &str = "/engine";
const BUDGET: &str = "/budget";

/// Shorter pauses are everyday.
const LONG_PAUSE_SECONDS: i64 = 10;

impl Ledger {
    /// Problems, worst first, each with what Flotilla does about it.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn status(&self) -> Result<Status, LedgerError> {
        let now = chrono::Utc::now();
        let pools = self.pools().await?;
        let available: i64 = pools.iter().map(|pool| pool.available).sum();
        let neon =
            sqlx::query!("SELECT last_ok_at, failing_since, last_error FROM neon_status").fetch_one(&self.db).await?;
        let mut problems: Vec<Problem> = Vec::new();
        for pool in &pools {
            let since = if is_short(pool) { self.short_since(pool).await? } else { None };
            problems.extend(pool_problems(pool, since));
            if let Some(until) = pool.breaker_until {
                problems.push(breaker_problem(pool, self.last_trip(&pool.name).await?, until, now));
            }
        }
        problems.extend(self.budget_problems(now).await?);
        if let Some(since) = neon.failing_since {
            problems.push(outage(since, neon.last_error.unwrap_or_default(), available, now));
        }
        problems.extend(self.start_problem().await?);
        problems.extend(self.safe_mode().await?.map(|mode| Problem {
            level: StatusLevel::Bad,
            text: mode.sentence().to_owned(),
            since: Some(mode.since),
            doing: mode.doing(),
            href: String::from(PROBLEMS),
        }));
        problems.extend(self.brake().await?.map(|brake| Problem {
            level: StatusLevel::Bad,
            text: format!("The brake is on: {}", brake.sentence()),
            since: Some(brake.set_at),
            doing: String::from(
                "Nothing is deleted, replaced or sent again until an operator has looked and lifts it.",
            ),
            href: String::from(PROBLEMS),
        }));
        problems.extend(self.broken_invariants().await?);
        problems.extend(self.pressing_findings().await?.into_iter().map(finding_problem));
        problems.extend(self.refused_releases().await?);
        problems.extend(self.halted_roll_outs().await?);
        problems.extend(self.held_overrides().await?);
        problems.extend(self.stale_sweep(now).await?);
        problems.extend(self.failing_duties().await?);
        problems.extend(self.unreadable_problem().await?);
        problems.extend(self.missing_key_problems().await?);
        problems.sort_by_key(|problem| std::cmp::Reverse(problem.level));
        Ok(Status {
            level: problems.first().map_or(StatusLevel::Good, |problem| problem.level),
            problems,
            available,
            in_flight: pools.iter().map(|pool| pool.in_flight).sum(),
            claimed: pools.iter().map(|pool| pool.claimed).sum(),
            neon_last_ok_at: neon.last_ok_at,
            as_of: now,
        })
    }

    /// Long pauses that Neon asked for, and routes that are left alone.
    async fn budget_problems(&self, now: Time) -> Result<Vec<Problem>, LedgerError> {
        let tell = |text, since, doing| Problem {
            level: StatusLevel::Warning,
            text,
            since: Some(since),
            doing,
            href: String::from(BUDGET),
        };
        let long = |until: Time| (until - now).num_seconds() >= LONG_PAUSE_SECONDS;
        let pauses = self.call_pauses().await?.into_iter().filter(|pause| long(pause.until)).map(|pause| {
            let wait = duration((pause.until - now).num_seconds());
            let doing = format!("All replicas pause for {wait}. Claims go on from the pool.");
            tell(format!("Neon asked for fewer calls: {}", pause.reason), pause.since, doing)
        });
        let replicas = self.replicas().await?;
        let mut routes: Vec<_> = replicas.iter().flat_map(|(_, replica)| &replica.breakers).collect();
        routes.sort_by(|a, b| a.route.cmp(&b.route));
        routes.dedup_by(|a, b| a.route == b.route);
        let breakers = routes.into_iter().map(|breaker| {
            tell(
                format!(
                    "{} fails on Neon, {} times in a row: {}",
                    breaker.route, breaker.failures_in_a_row, breaker.cause
                ),
                now - TimeDelta::seconds(breaker.open_for_seconds),
                String::from("It is tried every few seconds; other calls go on."),
            )
        });
        Ok(pauses.chain(breakers).collect())
    }

    /// Since when the oldest claim waits, or the pool has been nearly empty.
    async fn short_since(&self, pool: &PoolSummary) -> Result<Option<Time>, LedgerError> {
        let since = sqlx::query_scalar!(
            "SELECT coalesce(
               (SELECT min(c.requested_at) FROM claims AS c WHERE c.pool_id = p.id AND c.status = 'waiting'),
               (SELECT s.at FROM pool_samples AS s WHERE s.pool_id = p.id AND s.available * 4 >= s.target ORDER BY s.at DESC LIMIT 1))
             FROM pools AS p WHERE p.name = $1",
            pool.name
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(since.flatten())
    }

    /// Confirmed findings that are ours to mend.
    async fn pressing_findings(&self) -> Result<Vec<Pressing>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT kind, status, count(*) AS "count!", min(first_seen_at) AS "since!", min(action_due_at) AS due FROM findings
               WHERE kind = ANY ('{orphan,twin,zombie,half-born,ghost,drifted}') AND status = ANY ('{quarantined,acting,needs_operator}')
               GROUP BY kind, status"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                Some(Pressing {
                    kind: FindingKind::parse(&row.kind)?,
                    status: FindingStatus::parse(&row.status)?,
                    count: row.count,
                    since: row.since,
                    due: row.due,
                })
            })
            .collect())
    }

    /// Released databases that Neon refuses to delete: they cost until somebody acts on Neon.
    async fn refused_releases(&self) -> Result<Option<Problem>, LedgerError> {
        let refused = sqlx::query!(
            r#"SELECT count(*) AS "count!", min(release_refused_at) AS since, (array_agg(id ORDER BY release_refused_at, id))[1] AS id,
                      (array_agg(last_error ORDER BY release_refused_at, id))[1] AS error
               FROM (SELECT id, release_refused_at, last_error FROM databases
                     WHERE release_refused_at IS NOT NULL AND state = 'releasing' ORDER BY release_refused_at LIMIT 1000) AS refused"#
        )
        .fetch_one(&self.db)
        .await?;
        let Some(id) = refused.id else { return Ok(None) };
        let (what, href) = match refused.count {
            1 => (String::from("1 released database"), format!("/databases/{id}")),
            count => (format!("{} released databases", grouped(count)), String::from("/databases?state=releasing")),
        };
        Ok(Some(Problem {
            level: StatusLevel::Warning,
            text: format!("{what} cannot be deleted: {}", refused.error.unwrap_or_default()),
            since: refused.since,
            doing: String::from(
                "It stays on Neon, and costs, until the cause is removed: most often a protected branch, whose protection is taken off on Neon's console, or something that was made in it while nobody held it. Deletion is tried again, at last every six hours; on the page of the database at once.",
            ),
            href,
        }))
    }

    async fn stale_sweep(&self, now: Time) -> Result<Option<Problem>, LedgerError> {
        let last = self.last_concluded().await?;
        let since = match last {
            Some(sweep) => Some(sweep.finished_at),
            None => {
                sqlx::query_scalar!("SELECT started_at FROM sweeps ORDER BY id LIMIT 1")
                    .fetch_optional(&self.db)
                    .await?
            }
        };
        let Some(since) = since.filter(|since| now - *since > SWEEP_IS_STALE) else { return Ok(None) };
        let why = sqlx::query!(
            "SELECT broke_off, unavailable FROM sweeps WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1"
        )
        .fetch_optional(&self.db)
        .await?
        .and_then(|sweep| match (sweep.broke_off, sweep.unavailable) {
            (Some(why), _) => Some(format!(" The last one broke off: {why}")),
            (None, 1..) => Some(format!(" Of the last one, {} projects could not be read.", sweep.unavailable)),
            (None, _) => None,
        });
        Ok(Some(stale(last, since, &why.unwrap_or_default(), now)))
    }

    /// What the doctor's last runs have found violated in the ledger. Where Neon disagrees, the sweeps look again much sooner, and findings say so.
    async fn broken_invariants(&self) -> Result<Vec<Problem>, LedgerError> {
        let broken = sqlx::query!(
            r#"SELECT check_found ->> 'statement' AS "statement!", (check_found ->> 'violated_since')::timestamptz AS since FROM (
                 SELECT DISTINCT ON (check_found ->> 'name') check_found
                 FROM (SELECT id, checks FROM doctor_runs ORDER BY id DESC LIMIT 25) AS runs, jsonb_array_elements(runs.checks) AS found (check_found)
                 ORDER BY check_found ->> 'name', runs.id DESC) AS newest
               WHERE check_found ->> 'verdict' = 'violated' AND check_found ->> 'name' <> 'neon-agrees'"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(broken
            .into_iter()
            .map(|check| Problem {
                level: StatusLevel::Bad,
                text: format!("What must always hold does not hold: {}", check.statement),
                since: check.since,
                doing: String::from(
                    "Nothing is changed because of it; the evidence stands with the checks of the engine.",
                ),
                href: String::from(ENGINE),
            })
            .collect())
    }

    /// Records that Neon's answers of the last hour held.
    async fn unreadable_problem(&self) -> Result<Option<Problem>, LedgerError> {
        let found = sqlx::query!(
            r#"SELECT count(*) AS "count!", min(first_seen_at) AS since, min(record) AS record FROM unreadable_records
               WHERE last_seen_at > now() - interval '1 hour'"#
        )
        .fetch_one(&self.db)
        .await?;
        let text = match (found.count, found.record) {
            (0, _) => return Ok(None),
            (1, Some(record)) => format!("A record of Neon cannot be read: {record}."),
            (count, _) => format!("{} records of Neon cannot be read.", grouped(count)),
        };
        Ok(Some(Problem {
            level: StatusLevel::Warning,
            text,
            since: found.since,
            doing: String::from("Everything else goes on; nothing is concluded from what cannot be read."),
            href: String::from(ENGINE),
        }))
    }

    async fn failing_duties(&self) -> Result<Vec<Problem>, LedgerError> {
        let duties = sqlx::query!(
            "SELECT d.name, d.failures_in_a_row, d.last_report ->> 'error' AS error,
                    (SELECT min(r.started_at) FROM (SELECT started_at FROM duty_runs WHERE duty = d.name ORDER BY id DESC LIMIT d.failures_in_a_row) AS r) AS since
             FROM duties AS d WHERE d.failures_in_a_row >= 3 LIMIT 20"
        )
        .fetch_all(&self.db)
        .await?;
        Ok(duties
            .into_iter()
            .map(|duty| Problem {
                level: StatusLevel::Warning,
                text: format!(
                    "The duty {} has failed {} times in a row: {}",
                    duty.name,
                    duty.failures_in_a_row,
                    duty.error.as_deref().unwrap_or("its report says no more.")
                ),
                since: duty.since,
                doing: String::from("It goes on trying."),
                href: String::from(ENGINE),
            })
            .collect())
    }
}

/// Findings of one kind and status.
struct Pressing {
    kind: FindingKind,
    status: FindingStatus,
    count: i64,
    since: Time,
    due: Option<Time>,
}

fn finding_problem(found: Pressing) -> Problem {
    let needs_operator = found.status == FindingStatus::NeedsOperator;
    let level = match (found.kind, needs_operator) {
        (FindingKind::Ghost, true) => StatusLevel::Bad,
        _ => StatusLevel::Warning,
    };
    let doing = match found.status {
        FindingStatus::NeedsOperator => String::from("Nothing by itself: an operator must decide."),
        FindingStatus::Quarantined => {
            let wait = found.due.map_or(0, |due| (due - chrono::Utc::now()).num_seconds());
            match (wait, found.count) {
                (1.., 1) => format!("It is in quarantine and is acted on in {}.", duration(wait)),
                (1.., _) => format!("They are in quarantine; the first is acted on in {}.", duration(wait)),
                (_, 1) => String::from("It is acted on next."),
                _ => String::from("They are acted on next."),
            }
        }
        _ => String::from("Something is being done; the next complete sweep shows whether it helped."),
    };
    Problem {
        level,
        text: format!("{} {}: {}", grouped(found.count), found.kind.as_str(), found.kind.meaning()),
        since: Some(found.since),
        doing,
        href: format!("{PROBLEMS}?kind={}&status={}", found.kind.as_str(), found.status.as_str()),
    }
}

fn outage(since: Time, error: String, available: i64, now: Time) -> Problem {
    let lasts = duration((now - since).num_seconds().max(1));
    Problem {
        level: StatusLevel::Bad,
        text: format!("Neon has not answered for {lasts}: {error}"),
        since: Some(since),
        doing: format!("Claims go on from the pool ({available} left); changes wait and are made when it is back."),
        href: String::from(ENGINE),
    }
}

fn stale(last: Option<SweepFacts>, since: Time, why: &str, now: Time) -> Problem {
    let age = duration((now - since).num_seconds());
    let text = match last {
        Some(_) => {
            format!("The last complete sweep over Neon's list ended {age} ago: what is shown of Neon is old.{why}")
        }
        None => format!("No sweep over Neon's list has been complete since they began {age} ago.{why}"),
    };
    let doing = String::from(
        "Sweeps go on being tried; until one is complete, nothing new is confirmed and nothing is deleted.",
    );
    Problem { level: StatusLevel::Warning, text, since: Some(since), doing, href: String::from(ENGINE) }
}

fn is_short(pool: &PoolSummary) -> bool {
    pool.waiting > 0 || pool.available * 4 < i64::from(pool.target)
}

fn breaker_problem(pool: &PoolSummary, trip: Option<BreakerTrip>, until: Time, now: Time) -> Problem {
    let error = pool.breaker_error.as_deref().unwrap_or("unknown");
    let failures = trip.as_ref().map_or(String::new(), |trip| format!(" {}", trip.failures));
    let next = match (until - now).num_seconds() {
        seconds @ 1.. => format!("One database is tried again in {}", duration(seconds)),
        _ => String::from("One database is being tried now"),
    };
    Problem {
        level: StatusLevel::Bad,
        text: format!("Pool {} stopped creating after{failures} failures in a row: {}", pool.name, error),
        since: trip.map(|trip| trip.opened_at),
        doing: match pool.available {
            0 => format!("{next}. Claims wait until then."),
            left => format!("{next}. Claims go on from the {} that are left.", grouped(left)),
        },
        href: format!("/pools/{}", pool.name),
    }
}

fn pool_problems(pool: &PoolSummary, short_since: Option<Time>) -> Vec<Problem> {
    let href = format!("/pools/{}", pool.name);
    let name = &pool.name;
    let mut problems = Vec::new();
    let mut tell = |level, text, since, doing| problems.push(Problem { level, text, since, doing, href: href.clone() });
    let on_their_way = format!("{} databases are on their way.", grouped(pool.in_flight));
    if pool.waiting > 0 {
        let text = format!("{} claims wait for a database of pool {name}: it is empty.", pool.waiting);
        tell(StatusLevel::Bad, text, short_since, format!("They are served first come, first served; {on_their_way}"));
    } else if pool.available == 0 && pool.target > 0 {
        tell(StatusLevel::Bad, format!("Pool {name} is empty."), short_since, on_their_way);
    } else if pool.available * 4 < i64::from(pool.target) {
        let text = format!("Pool {name} is down to {} of {}.", pool.available, pool.target);
        tell(StatusLevel::Warning, text, short_since, on_their_way);
    }
    if let Some(until) = pool.held_back_until {
        let wait = duration((until - chrono::Utc::now()).num_seconds().max(1));
        let text = format!(
            "Pool {name} has reached its creation limit: {} databases created in the last hour.",
            grouped(pool.creations_last_hour)
        );
        let doing =
            format!("Nothing more is created for {wait}, unless an operator raises the limit on the pool's page.");
        tell(StatusLevel::Warning, text, None, doing);
    }
    if let Some(since) = pool.paused_at {
        let reason = pool.paused_reason.as_deref().unwrap_or("no reason given");
        let doing = String::from("Nothing is created until it is resumed.");
        tell(StatusLevel::Warning, format!("Pool {name} is paused ({reason})."), Some(since), doing);
    }
    problems
}
