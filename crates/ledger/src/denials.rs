//! What was asked for without the role or scope that it takes: counted by actor, action and minute, apart from the history.
//!
//! Whoever is refused waits for nothing: refusals are added up in memory and written by one task at a time, all that have come meanwhile in one statement.
//! So somebody who asks in a loop costs neither connections nor rows.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{By, Ledger, LedgerError};
use fleet_types::{Denial, Denials};

/// What was asked for, and what was missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// A server function or a route, as `/rpc/suspend` or `POST /api/v1/claims`: from a closed set.
    pub action: String,
    /// As `role operator` or `scope manage`.
    pub missing: String,
}

/// What is not written yet.
#[derive(Default)]
pub(super) struct Pending(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    counts: Counts,
    is_being_written: bool,
}

struct Count {
    missing: String,
    request_id: Option<String>,
    times: i64,
}

/// By actor, way and action.
type Counts = HashMap<(String, &'static str, String), Count>;

/// Between two tries while PostgreSQL does not answer.
const AGAIN: Duration = Duration::from_secs(1);
const DAYS_KEPT: i32 = 30;

impl Pending {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Counts a refusal. It is written beside the request.
    pub fn count_denial(&self, denied: Denied, by: &By) {
        let mut waiting = self.denials.lock();
        let Denied { action, missing } = denied;
        let count = waiting.counts.entry((by.actor.clone(), by.via.as_str(), action)).or_insert_with(|| Count {
            missing: String::new(),
            request_id: None,
            times: 0,
        });
        *count = Count { missing, request_id: by.request_id.clone(), times: count.times + 1 };
        if !std::mem::replace(&mut waiting.is_being_written, true) {
            let ledger = self.clone();
            tokio::spawn(async move { ledger.write_denials().await });
        }
    }

    /// Until nothing is left.
    async fn write_denials(&self) {
        loop {
            let counts = {
                let mut waiting = self.denials.lock();
                if waiting.counts.is_empty() {
                    waiting.is_being_written = false;
                    return;
                }
                std::mem::take(&mut waiting.counts)
            };
            if let Err(error) = self.add_denials(&counts).await {
                if matches!(error, sqlx::Error::PoolClosed) {
                    return;
                }
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "refusals could not be recorded; trying again"
                );
                self.put_back(counts);
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// At the end, what came after the last write.
    pub(super) async fn write_last_denials(&self) {
        let counts = std::mem::take(&mut self.denials.lock().counts);
        if !counts.is_empty()
            && let Err(error) = self.add_denials(&counts).await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "the last refusals could not be recorded");
        }
    }

    fn put_back(&self, counts: Counts) {
        let mut waiting = self.denials.lock();
        for (key, count) in counts {
            let times = count.times;
            waiting.counts.entry(key).and_modify(|newer| newer.times += times).or_insert(count);
        }
    }

    async fn add_denials(&self, counts: &Counts) -> Result<(), sqlx::Error> {
        let (mut actors, mut vias, mut actions) = (Vec::new(), Vec::new(), Vec::new());
        for (actor, via, action) in counts.keys() {
            tracing::info!("{actor} was refused {action} via {via}");
            actors.push(actor.clone());
            vias.push((*via).to_owned());
            actions.push(action.clone());
        }
        let missing: Vec<String> = counts.values().map(|count| count.missing.clone()).collect();
        let times: Vec<i64> = counts.values().map(|count| count.times).collect();
        let request_ids: Vec<Option<String>> = counts.values().map(|count| count.request_id.clone()).collect();
        sqlx::query!(
            "INSERT INTO denials AS d (minute, last_at, actor, via, action, missing, times, request_id)
             SELECT date_trunc('minute', now()), now(), u.* FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[]) AS u
             ON CONFLICT (minute, actor, via, action) DO UPDATE SET
               times = d.times + excluded.times, last_at = excluded.last_at, missing = excluded.missing, request_id = excluded.request_id",
            &actors,
            &vias,
            &actions,
            &missing,
            &times,
            &request_ids as &[Option<String>],
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Who was refused what in the last 24 hours, the latest first.
    pub(super) async fn latest_denials(&self, shown: i64) -> Result<Denials, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT actor, via, action, max(missing) AS "missing!", sum(times)::bigint AS "times!", max(last_at) AS "last_at!",
                      count(*) OVER () AS "total!"
               FROM denials WHERE minute > now() - interval '24 hours'
               GROUP BY actor, via, action ORDER BY max(last_at) DESC LIMIT $1"#,
            shown
        )
        .fetch_all(&self.db)
        .await?;
        let total = rows.first().map_or(0, |row| row.total);
        let newest = rows.into_iter().map(|row| Denial {
            actor: row.actor,
            via: row.via,
            action: row.action,
            missing: row.missing,
            times: row.times,
            last_at: row.last_at,
        });
        Ok(Denials { newest: newest.collect(), total })
    }

    pub(super) async fn forget_old_denials(&self) -> Result<(), LedgerError> {
        sqlx::query!("DELETE FROM denials WHERE minute < now() - make_interval(days => $1)", DAYS_KEPT)
            .execute(&self.db)
            .await?;
        Ok(())
    }
}
