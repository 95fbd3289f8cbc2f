//! Roll: takes a changed template to the databases that nobody has claimed yet, oldest first; and a changed plan to those that are claimed.
//!
//! What Neon changes in place becomes desired state of the row, only so many at a time as Neon confirms. What it cannot change is released a few at a time, and only
//! while enough stay available; the refill makes new ones. Nothing is released while nothing can be created.

use std::sync::Arc;

use super::{CrashPoint, Duty, Inner, Report, crash};
use ledger::{By, LedgerError, Rolling};
use sizing::{Supply, next_batch};

/// Changes of a roll-out that wait for Neon at a time: the apply duty has others to carry out, too.
const UNCONFIRMED_AT_MOST: i64 = 20;

impl Inner {
    /// What ends by the clock comes first, and nothing that fails keeps the rest from being done.
    pub(super) async fn roll(self: &Arc<Self>) -> Report {
        let mut report = Report::idle();
        for part in [self.end_overrides().await, self.roll_pools().await, self.roll_plans().await] {
            report.add(part.unwrap_or_else(|error| Report::ledger_failed(&error)));
        }
        report
    }

    async fn roll_pools(&self) -> Result<Report, LedgerError> {
        let mut report = Report::idle();
        for pool in self.ledger.rolling_pools().await? {
            match self.roll_pool(&pool).await {
                Ok(done) => report.done.extend(done),
                Err(error) => report.add(Report::ledger_failed(&error)),
            }
        }
        Ok(report)
    }

    async fn roll_pool(&self, pool: &Rolling) -> Result<Vec<(&'static str, u64)>, LedgerError> {
        let by = By::duty(Duty::Roll.name());
        let rewritten = self.ledger.rewrite_requested(pool.pool_id).await?;
        crash::here(CrashPoint::RequestedRewritten);
        let fitted = match UNCONFIRMED_AT_MOST - pool.unconfirmed {
            room @ 1.. if pool.to_fit > 0 => self.ledger.fit_to_template(pool.pool_id, room, &by).await?,
            _ => 0,
        };
        if fitted > 0 {
            crash::here(CrashPoint::TemplateRequested);
            self.nudge(Duty::Apply);
        }
        let released = self.replace(pool, by.clone()).await?;
        if pool.to_fit + pool.to_replace + pool.older_in_flight + pool.unconfirmed == 0
            && self.ledger.end_roll_out(pool, &by).await?
        {
            crash::here(CrashPoint::RollOutEnded);
            tracing::info!(
                pool = pool.pool,
                template.revision = pool.revision,
                "a template has reached all unclaimed databases"
            );
        }
        Ok(vec![("rewritten", rewritten), ("changed in place", fitted), ("released for replacement", released)])
    }

    async fn replace(&self, pool: &Rolling, by: By) -> Result<u64, LedgerError> {
        let batch = next_batch(&Supply {
            target: pool.target,
            floor: pool.floor,
            available: pool.available,
            in_flight: pool.in_flight,
            old: pool.to_replace,
        });
        if self.ledger.set_surge(pool.pool_id, batch.surge).await? {
            crash::here(CrashPoint::SurgeSet);
            self.nudge(Duty::Refill);
        }
        if batch.release == 0 || pool.is_stopped || self.neon_is_failing() {
            return Ok(0);
        }
        let reason = format!("Template {} of the pool replaces it.", pool.revision);
        let by = By { reason: Some(reason), ..by };
        let released = self.ledger.release_outdated(pool.pool_id, batch.release, &by).await?;
        if released > 0 {
            crash::here(CrashPoint::OutdatedReleased);
            self.nudge(Duty::Refill);
            self.nudge(Duty::Release);
        }
        Ok(released)
    }
}
