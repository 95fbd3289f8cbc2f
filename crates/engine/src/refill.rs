//! Refill: requests new databases where a pool has fewer than its target, and takes back what it has requested beyond it. It calls
//! nobody; provisioning does.

use std::sync::Arc;

use uuid::Uuid;

use super::{Duty, Inner, Report, crash, crash::CrashPoint};
use ledger::{By, Deficit, LedgerError};

impl Inner {
    pub(super) async fn refill(self: &Arc<Self>) -> Report {
        let by = By::duty(Duty::Refill.name());
        let cancelled = match self.ledger.cancel_surplus(&by).await {
            Ok(cancelled) => cancelled,
            Err(error) => return Report::ledger_failed(&error),
        };
        let deficits = match self.ledger.deficits().await {
            Ok(deficits) => deficits,
            Err(error) => return Report::ledger_failed(&error),
        };
        let mut report = Report::done("requests cancelled", cancelled);
        for deficit in deficits {
            match self.ask_for(&deficit, &by).await {
                Ok(asked) => report.done.push(("requested", asked)),
                Err(error) => return Report::ledger_failed(&error),
            }
        }
        if report.done.iter().any(|(what, count)| *what == "requested" && *count > 0) {
            self.nudge(Duty::Provision);
        }
        report
    }

    async fn ask_for(&self, deficit: &Deficit, by: &By) -> Result<u64, LedgerError> {
        let ids: Vec<Uuid> = (0..deficit.missing).map(|_| Uuid::now_v7()).collect();
        crash::here(CrashPoint::DeficitSeen);
        self.ledger.request_databases(deficit.pool_id, &ids, by).await?;
        crash::here(CrashPoint::DatabasesRequested);
        tracing::debug!(pool = deficit.pool, count = ids.len(), "asked for new databases");
        Ok(ids.len() as u64)
    }
}
