//! Refill: writes down the wish for new databases where a pool has fewer than its target. It calls nobody; provisioning does.

use std::sync::Arc;

use uuid::Uuid;

use super::{Duty, Inner, Report, crash, crash::CrashPoint};
use crate::server::ledger::{By, Deficit, LedgerError};

/// Asked for per pool and run.
const AT_MOST: i64 = 500;

impl Inner {
    pub(super) async fn refill(self: &Arc<Self>) -> Report {
        let deficits = match self.ledger.deficits().await {
            Ok(deficits) => deficits,
            Err(error) => return Report::ledger_failed(&error),
        };
        let mut report = Report::idle();
        for deficit in deficits {
            match self.ask_for(&deficit).await {
                Ok(asked) => report.done.push(("requested", asked)),
                Err(error) => return Report::ledger_failed(&error),
            }
            report.more_is_due |= deficit.missing > AT_MOST;
        }
        if report.done.iter().any(|(_, count)| *count > 0) {
            self.nudge(Duty::Provision);
        }
        report
    }

    async fn ask_for(&self, deficit: &Deficit) -> Result<u64, LedgerError> {
        let ids: Vec<Uuid> = (0..deficit.missing.min(AT_MOST)).map(|_| Uuid::now_v7()).collect();
        crash::here(CrashPoint::DeficitSeen);
        self.ledger.request_databases(deficit.pool_id, &ids, &By::duty(Duty::Refill.name())).await?;
        crash::here(CrashPoint::DatabasesRequested);
        tracing::debug!(pool = deficit.pool, count = ids.len(), "asked for new databases");
        Ok(ids.len() as u64)
    }
}
