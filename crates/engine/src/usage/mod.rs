//! Usage: what databases consumed, from Neon's history, 100 databases a call. The history is asked in tiers, as it allows a few dozen calls a minute:
//! soon about those that were active since (the hot ones), within a day about all others, at once about the one that somebody looks at.
//!
//! Hot ones go first; what is left of a batch is filled with others that are due. One batch is one run, so memory holds one batch. An answer counts
//! when every page of every history on offer was read: then a database that is missing from it used nothing. Anything less is dropped, and the batch
//! is due again. A history that the plan does not offer is set aside for a while; what the other one tells is still worth having.

mod asking;
mod reading;

use std::{
    collections::HashSet,
    sync::{Mutex as SyncMutex, PoisonError},
    time::Duration,
};

use chrono::Utc;
use tokio::{sync::Mutex, time::Instant};
use uuid::Uuid;

use self::asking::{Answers, Setback};
use super::{CrashPoint, Inner, Report, crash};
use ledger::{DueUsage, LedgerError, Recorded};
use neon_client::{Class, NeonClient, consumption::MAX_IDS};

/// One call, its wait for the budget included: these calls have a small budget of their own.
const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// How often the partitions of the days are looked after.
const KEEP_PARTITIONS_EVERY: Duration = Duration::from_secs(3_600);
/// Calls refused in a row until the fault is no longer looked for in a single project: halving a batch finds one within seven.
const MOST_REFUSALS: u32 = 16;

/// What this replica knows of its own doing.
#[derive(Default)]
pub(super) struct Progress {
    partitions_kept: Mutex<Option<Instant>>,
    /// Asked about because somebody looks at them. The history has few calls to give, so nobody queues twice.
    looked_at: SyncMutex<HashSet<Uuid>>,
}

/// A look that is under way, until it is dropped.
struct Look<'a> {
    progress: &'a Progress,
    id: Uuid,
}

impl Progress {
    fn look(&self, id: Uuid) -> Option<Look<'_>> {
        let is_first = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        is_first.then_some(Look { progress: self, id })
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.progress.looked_at.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// What became of a group that was answered for.
struct Told {
    recorded: Recorded,
    days: u64,
    /// Databases whose history cannot be read: set aside for a while.
    unreadable: u64,
}

impl Inner {
    pub(super) async fn usage(&self) -> Report {
        match self.keep_partitions().await {
            Ok(()) => {}
            Err(error) => return Report::ledger_failed(&error),
        }
        if self.neon_is_failing() {
            return Report::idle();
        }
        let neon = self.neon.with_class(Class::Sync).with_deadline(CALL_DEADLINE);
        match self.due_batch().await {
            Ok(batch) if batch.is_empty() => Report::idle(),
            Ok(batch) => {
                let is_full = batch.len() == MAX_IDS;
                let report = self.ask_and_record(&neon, batch).await;
                let asked = report.done.iter().any(|(_, count)| *count > 0);
                Report { more_is_due: is_full && asked && report.error.is_none(), ..report }
            }
            Err(error) => Report::ledger_failed(&error),
        }
    }

    /// Asks about one database, because somebody looks at it; does nothing if it was just asked about, or is being.
    pub(super) async fn ask_usage_of(&self, neon: &NeonClient, id: Uuid) {
        let Some(_look) = self.usage_progress.look(id) else { return };
        let due = match self.ledger.usage_of(id).await {
            Ok(Some(due)) => due,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(database.id = %id, error = &error as &dyn std::error::Error, "could not look up when a database was last asked about");
                return;
            }
        };
        if let Some(error) = self.ask_and_record(neon, vec![due]).await.error {
            tracing::debug!(database.id = %id, error, "could not ask for the usage of a database that is looked at");
        }
    }

    async fn keep_partitions(&self) -> Result<(), LedgerError> {
        let mut last = self.usage_progress.partitions_kept.lock().await;
        if last.is_some_and(|at| at.elapsed() < KEEP_PARTITIONS_EVERY) {
            return Ok(());
        }
        let changed = self.ledger.keep_usage_partitions().await?;
        if changed > 0 {
            tracing::info!(partitions.changed = changed, "made or dropped partitions of the usage by day");
        }
        *last = Some(Instant::now());
        Ok(())
    }

    /// The hot ones first, then whoever else is due, a hundred in all.
    async fn due_batch(&self) -> Result<Vec<DueUsage>, LedgerError> {
        let mut batch = self.ledger.hot_usage(MAX_IDS as i64).await?;
        if batch.len() < MAX_IDS {
            batch.extend(self.ledger.cold_usage((MAX_IDS - batch.len()) as i64).await?);
        }
        Ok(batch)
    }

    /// Asks about a batch. If Neon refuses it, it is halved until the project that it stumbles over is found and set aside.
    async fn ask_and_record(&self, neon: &NeonClient, batch: Vec<DueUsage>) -> Report {
        let mut report = Report::idle();
        let (mut asked, mut changed, mut days, mut refusals) = (0, 0, 0, 0);
        let mut groups = vec![batch];
        while let Some(mut group) = groups.pop() {
            match self.ask_group(neon, &group).await {
                Ok(Some(told)) => {
                    asked += told.recorded.rows;
                    changed += told.recorded.changed;
                    days += told.days;
                    refusals = 0;
                    if told.unreadable > 0 {
                        report.failed += told.unreadable;
                        report.error = Some(String::from("Neon's history of some databases cannot be read."));
                    }
                }
                // No history is on offer.
                Ok(None) => break,
                Err(Setback::Batch(source, error)) => {
                    refusals += 1;
                    report.error = Some(error.to_string());
                    if refusals > MOST_REFUSALS {
                        self.set_source_aside(source, asking::SHORT_REFUSAL_MINUTES, &error.to_string()).await;
                        break;
                    }
                    if let [one] = group.as_slice() {
                        report.failed += 1;
                        if let Err(error) = self.ledger.set_usage_aside(one.id).await {
                            return Report::ledger_failed(&error);
                        }
                    } else {
                        let half = group.split_off(group.len() / 2);
                        groups.extend([half, group]);
                    }
                }
                Err(Setback::Neon(error)) => {
                    report.postponed = 1 + groups.len() as u64;
                    report.error = Some(error.to_string());
                    break;
                }
                Err(Setback::Ledger(error)) => return Report::ledger_failed(&error),
            }
        }
        report.done = vec![("databases asked", asked), ("changed", changed), ("days written", days)];
        report
    }

    /// Asks every history on offer about these, to the end, and writes down what they say. `None` where none is on offer.
    async fn ask_group(&self, neon: &NeonClient, group: &[DueUsage]) -> Result<Option<Told>, Setback> {
        let (now, sent_at) = (Utc::now(), Instant::now());
        let window = reading::window(group, now);
        let Some(answers): Option<Answers> = self.ask_histories(neon, group, window).await? else { return Ok(None) };
        crash::here(CrashPoint::HistoryAnswered);
        let (unreadable, readable): (Vec<DueUsage>, Vec<DueUsage>) =
            group.iter().cloned().partition(|due| answers.unreadable.contains(&due.project_id));
        for due in &unreadable {
            self.ledger.set_usage_aside(due.id).await?;
        }
        let (periods, days) = reading::read(&readable, &answers, window, now);
        let written = self.ledger.record_usage_days(&days).await?;
        crash::here(CrashPoint::DaysRecorded);
        let recorded = self.ledger.record_usage(&periods, sent_at.elapsed().as_secs_f64()).await?;
        Ok(Some(Told { recorded, days: written, unreadable: unreadable.len() as u64 }))
    }
}
