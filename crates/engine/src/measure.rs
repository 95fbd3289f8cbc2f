//! Measure: the logical size of databases that may be near their storage quota, one call for each branch.
//!
//! Neon's list tells synthetic sizes alone. Where that is below 80 % of the quota, the branch is not full, and nobody asks; only the others are on
//! the work list, and again when they were used since. However long the list is, this takes a quarter of the calls at most.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

use super::{CrashPoint, Inner, Report, crash};
use ledger::{DueSize, LedgerError};
use neon_client::{Class, NeonClient, NeonError};

/// Branches asked about in one run.
const BATCH: i64 = 20;
/// Rest for each call: with 700 calls a minute, measuring then takes a quarter of them.
const REST_PER_CALL: Duration = Duration::from_millis(343);
const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// No batch before this.
#[derive(Default)]
pub(super) struct Progress(Mutex<Option<Instant>>);

impl Inner {
    pub(super) async fn measure(&self) -> Report {
        let mut rests_until = self.measure_progress.0.lock().await;
        if self.neon_is_failing() || rests_until.is_some_and(|until| Instant::now() < until) {
            return Report::idle();
        }
        let batch = match self.ledger.due_sizes(BATCH).await {
            Ok(batch) => batch,
            Err(error) => return Report::ledger_failed(&error),
        };
        *rests_until = Some(Instant::now() + REST_PER_CALL * batch.len() as u32);
        let neon = self.neon.with_class(Class::Sync).with_deadline(CALL_DEADLINE);
        match self.measure_batch(&neon, &batch).await {
            Ok(report) => report,
            Err(error) => Report::ledger_failed(&error),
        }
    }

    async fn measure_batch(&self, neon: &NeonClient, batch: &[DueSize]) -> Result<Report, LedgerError> {
        let (mut report, mut measured) = (Report::idle(), 0);
        for (number, due) in batch.iter().enumerate() {
            match self.measure_one(neon, due).await? {
                Ok(()) => measured += 1,
                // About this one alone; the sweep finds out what has become of it.
                Err(error)
                    if error.is_refusal()
                        || matches!(error, NeonError::NotFound { .. } | NeonError::Unreadable { .. }) =>
                {
                    self.ledger.set_size_aside(due.id).await?;
                    report.failed += 1;
                    report.error = Some(error.to_string());
                }
                Err(error) => {
                    report.postponed = (batch.len() - number) as u64;
                    report.error = Some(error.to_string());
                    break;
                }
            }
        }
        report.done = vec![("databases measured", measured)];
        Ok(report)
    }

    async fn measure_one(&self, neon: &NeonClient, due: &DueSize) -> Result<Result<(), NeonError>, LedgerError> {
        match neon.get_branch(&due.project_id, &due.branch_id).await {
            Ok(branch) => {
                crash::here(CrashPoint::BranchRead);
                Ok(Ok(self.ledger.record_logical_size(due.id, branch.logical_size_bytes).await?))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}
