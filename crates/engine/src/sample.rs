//! Sample: the history behind the charts, the roll-up of the counters, and forgetting what is too old.

use std::sync::Arc;

use chrono::Timelike;

use super::{CrashPoint, Inner, Report, crash};
use ledger::LedgerError;

impl Inner {
    pub(super) async fn sample(self: &Arc<Self>) -> Report {
        match self.take_samples().await {
            Ok(()) => Report::idle(),
            Err(error) => Report::ledger_failed(&error),
        }
    }

    async fn take_samples(&self) -> Result<(), LedgerError> {
        self.ledger.roll_up().await?;
        crash::here(CrashPoint::CountersRolledUp);
        self.ledger.sample_pools().await?;
        crash::here(CrashPoint::PoolsSampled);
        let now = chrono::Utc::now();
        // The duty runs every ten seconds: once a minute, and once an hour.
        if now.second() < 10 {
            self.ledger.sample_fleet().await?;
            self.ledger.roll_up_hours().await?;
            self.ledger.forget_old_runs().await?;
            if now.minute() == 0 {
                self.ledger.forget_old_samples().await?;
                self.ledger.forget_old_sweeps().await?;
                self.ledger.forget_old_calls().await?;
                self.ledger.forget_old_findings().await?;
                self.ledger.forget_old_sizing().await?;
                self.ledger.forget_old_unreadable().await?;
            }
        }
        Ok(())
    }
}
