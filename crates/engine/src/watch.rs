//! Watch: whether Neon answers. Each replica tells the ledger what it sees; when nothing was asked for a while, or nothing was answered, it asks
//! for the smallest thing there is. Also hands over how long claims took, what was called of Neon, and which records of its answers could not be read.

use std::{sync::Arc, time::Duration};

use super::{CrashPoint, Inner, Report, crash};
use ledger::{LedgerError, MetUnreadable};
use neon_client::{Class, UnreadableRecord};

/// Without any answer for this long, Neon is asked for a sign of life.
const QUIET_SECONDS: i64 = 30;
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// A single lost answer is no outage.
const OUTAGE_SECONDS: i64 = 2;

impl Inner {
    pub(super) async fn watch(self: &Arc<Self>) -> Report {
        let health = self.neon.health();
        let quiet = health.last_ok_at.is_none_or(|at| (chrono::Utc::now() - at).num_seconds() >= QUIET_SECONDS);
        if quiet || health.failing_since.is_some() {
            let neon = self.neon.with_class(Class::Sync).with_deadline(CALL_DEADLINE);
            if neon.list_projects(None, 1).await.is_ok() && health.failing_since.is_some() {
                tracing::info!("Neon answers again");
                self.nudge(super::Duty::Provision);
                self.nudge(super::Duty::Apply);
            }
        }
        let health = self.neon.health();
        let failing = health.failing_since.filter(|since| (chrono::Utc::now() - since).num_seconds() >= OUTAGE_SECONDS);
        let error = health.last_error.unwrap_or_default();
        let told =
            self.ledger.record_neon_status(health.last_ok_at, failing.map(|since| (since, error.as_str()))).await;
        crash::here(CrashPoint::NeonSeen);
        let buckets = self.timings.take();
        let handed_over = match buckets.iter().any(|count| *count > 0) {
            true => self.ledger.record_claim_timings(self.replica, &buckets).await,
            false => Ok(()),
        };
        let handed_over = handed_over.and(self.name_unreadable().await);
        match told.and(handed_over).and(self.tell_calls().await) {
            Ok(()) => Report::idle(),
            Err(error) => Report::ledger_failed(&error),
        }
    }

    /// Names records that could not be read: each once in the log, and on the screen for as long as they are met.
    async fn name_unreadable(&self) -> Result<(), LedgerError> {
        let met: Vec<MetUnreadable> = self.neon.take_unreadable().into_iter().map(met).collect();
        if met.is_empty() {
            return Ok(());
        }
        for new in self.ledger.record_unreadable(&met).await? {
            tracing::warn!(
                neon.route = new.route,
                neon.record = new.record,
                "a record in an answer of Neon's cannot be read: {}",
                new.problem
            );
        }
        Ok(())
    }
}

fn met(record: UnreadableRecord) -> MetUnreadable {
    MetUnreadable {
        route: record.route.to_string(),
        record: record.record,
        problem: record.problem,
        times: i64::try_from(record.times).unwrap_or(i64::MAX),
    }
}
