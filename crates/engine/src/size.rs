//! Size: what target each pool's policy asks for now. It decides and writes down why; creating is the refill's work.

use std::sync::Arc;

use super::{CrashPoint, Duty, Inner, Report, crash};
use fleet_types::{SizingInputs, hours_of_cover};
use ledger::{By, LedgerError, SelfSized};
use sizing::{Situation, decide};

impl Inner {
    pub(super) async fn size(self: &Arc<Self>) -> Report {
        let pools = match self.ledger.self_sized_pools().await {
            Ok(pools) => pools,
            Err(error) => return Report::ledger_failed(&error),
        };
        let mut report = Report::idle();
        for pool in pools {
            match self.size_pool(&pool).await {
                Ok(true) => {
                    crash::here(CrashPoint::TargetDecided);
                    report.count("targets set");
                }
                Ok(false) => {}
                Err(error) => return Report::ledger_failed(&error),
            }
        }
        if !report.done.is_empty() {
            self.nudge(Duty::Refill);
        }
        report
    }

    /// Whether the target changed.
    async fn size_pool(&self, pool: &SelfSized) -> Result<bool, LedgerError> {
        let policy = &pool.policy.policy;
        let verdict = decide(&Situation {
            now: chrono::Utc::now(),
            target: pool.target,
            rates: pool.rates,
            policy,
            schedules: &pool.schedules,
            last_changed_at: pool.last_changed_at,
        });
        let inputs = SizingInputs {
            rates: pool.rates,
            available: pool.available,
            in_flight: pool.in_flight,
            cover_hours: hours_of_cover(pool.available, pool.rates.at(policy.rate)),
            policy: policy.clone(),
            schedule: verdict.schedule.clone(),
        };
        self.ledger.record_decision(pool, &verdict, &inputs, &By::duty(Duty::Size.name())).await
    }
}
