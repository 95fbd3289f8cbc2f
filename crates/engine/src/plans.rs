//! Plans: takes a changed one to its members, and databases whose override has ended back to theirs; part of the duty *roll*.
//!
//! Members are brought to it a few at a time, and the next when Neon has confirmed those: so a roll-out takes what the budget leaves to changes, and
//! never fills the queue of all others. Nothing is brought to a plan before this process is proven: an older ledger has older plans.

use super::{CrashPoint, Duty, Inner, Report, crash};
use ledger::{By, LedgerError, RollingPlan};

/// Changes of a plan's roll-out that wait for Neon at a time.
const UNCONFIRMED_AT_MOST: i64 = 50;
/// Members that Neon refuses a plan for, and its roll-out goes on to the others all the same. When these are through, any stops it.
const REFUSED_AT_MOST: i64 = 4;

impl Inner {
    pub(super) async fn end_overrides(&self) -> Result<Report, LedgerError> {
        if !self.ledger.may_hand_out().await? {
            return Ok(Report::idle());
        }
        let ended = self.ledger.end_due_overrides(&By::duty(Duty::Roll.name())).await?;
        if ended.followed > 0 {
            crash::here(CrashPoint::OverridesEnded);
            self.nudge(Duty::Apply);
        }
        Ok(Report::done("back to their plan", ended.followed.unsigned_abs()))
    }

    /// One plan that cannot be rolled out does not hold up the others.
    pub(super) async fn roll_plans(&self) -> Result<Report, LedgerError> {
        if !self.ledger.may_hand_out().await? {
            return Ok(Report::idle());
        }
        let by = By::duty(Duty::Roll.name());
        let mut report = Report::idle();
        for plan in self.ledger.rolling_plans().await? {
            let brought = self.roll_plan(&plan, &by).await;
            report.add(brought.map_or_else(
                |error| Report::ledger_failed(&error),
                |count| Report::done("brought to their plan", count),
            ));
        }
        Ok(report)
    }

    async fn roll_plan(&self, plan: &RollingPlan, by: &By) -> Result<u64, LedgerError> {
        let is_through = !plan.is_behind && plan.unconfirmed == 0;
        let refused_at_most = if is_through { 0 } else { REFUSED_AT_MOST };
        if plan.refused > refused_at_most && self.ledger.halt_plan_roll_out(plan, by).await? {
            tracing::warn!(
                plan = plan.name,
                plan.version = plan.version,
                "the roll-out of a plan has stopped: Neon refuses it"
            );
            return Ok(0);
        }
        let room = UNCONFIRMED_AT_MOST - plan.unconfirmed;
        if plan.is_behind && room > 0 {
            let followed = self.ledger.roll_members(plan, room, by).await?;
            if followed.followed > 0 {
                crash::here(CrashPoint::MembersFollow);
                self.nudge(Duty::Apply);
            } else if plan.roll_out.is_some() && self.ledger.halt_plan_roll_out_in_doubt(plan, by).await? {
                tracing::warn!(
                    plan = plan.name,
                    "the roll-out of a plan has stopped: this ledger may have forgotten quotas"
                );
            }
            return Ok(followed.followed.unsigned_abs());
        }
        if is_through && plan.refused <= 0 && self.ledger.end_plan_roll_out(plan, by).await? {
            crash::here(CrashPoint::PlanRolledOut);
            tracing::info!(plan = plan.name, plan.version = plan.version, "a changed plan has reached all its members");
        }
        Ok(0)
    }
}
