//! Who is told how things end in this process: whoever counts them for monitoring. The engine does not know who that is.

use std::time::Duration;

use ledger::DutyOutcome;

use super::Duty;

pub trait Outcomes: Send + Sync {
    /// A run of a duty has ended.
    fn duty_ran(&self, duty: Duty, outcome: DutyOutcome, took: Duration);

    /// A claim that had waited was given its database.
    fn cold_claim_served(&self, waited_seconds: f64);
}
