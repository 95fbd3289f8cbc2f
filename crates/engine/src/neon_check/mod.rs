//! `flotilla neon check`: how Neon behaves for this account where it is documented nowhere, or in two ways.
//!
//! The checks run one after another on a project of their own. It is deleted whatever becomes of them, and bears a name that the engine of no installation
//! adopts or deletes. Every wait has an end and the calls have a bound. No ledger is needed, and nothing is changed that was there before.
//!
//! - `birth`, `finding`, `quotas`, `compute`, `access`, `usage`, `absence`: the checks, each a constant with what it tries and a function that judges
//! - `trial`: the project and the calls; `cleanup`: its end

mod absence;
mod access;
mod birth;
mod check;
mod cleanup;
mod compute;
mod finding;
mod quotas;
mod trial;
mod usage;
mod verdict;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Neon;
use check::Check;
pub use check::CheckRow;
use neon_client::NeonError;
use trial::{CALLS, Trial};
pub use verdict::Verdict;

/// In this order: what is about the first moments of a project comes first, what ends it last.
const CHECKS: [Check; 25] = [
    birth::CREATION,
    birth::BUSY_PROJECT,
    finding::NAME_LOOKUP,
    finding::LIST,
    birth::READ_AT_ONCE,
    birth::OPERATIONS,
    finding::SEARCH_BY_PART,
    finding::LAST_PAGE,
    quotas::STORED,
    quotas::PATCH,
    quotas::ZERO,
    finding::RENAMING,
    access::CONNECTION_STRING,
    access::PASSWORD,
    compute::SUSPENSION,
    compute::SUSPEND_TIMEOUT,
    compute::DISABLED,
    quotas::USED_UP,
    usage::CONSUMPTION,
    usage::COUNTERS,
    absence::MISSING,
    absence::DELETION,
    absence::DELETED,
    absence::RECOVERY,
    usage::RATE_LIMIT_HEADERS,
];

/// A run that is about to begin.
pub struct NeonCheck {
    trial: Trial,
}

/// What was found out. Holds no secret, no id and no name of the account.
#[derive(Debug)]
pub struct NeonCheckReport {
    pub rows: Vec<CheckRow>,
    pub calls: u32,
    /// Projects of earlier runs that were deleted.
    pub leftovers_deleted: u32,
    /// For whoever runs the check: projects that may still be on Neon, and what to do. Names and ids of projects stand in it.
    pub left: Vec<String>,
    /// Whether the project of this run is gone, or never was.
    pub is_clean: bool,
}

impl NeonCheck {
    /// The checks of this account, in this region. `wait`: how much longer than ten minutes it may take, for what Neon counts late. After `stop` nothing
    /// further is tried; the project is deleted all the same.
    pub fn new(neon: &Neon, region: &str, wait: Duration, stop: CancellationToken) -> Self {
        Self { trial: Trial::new(&neon.0, region, wait, stop) }
    }

    /// What the project of this run is called, until it is renamed to another name of the same beginning.
    pub fn project_name(&self) -> &str {
        &self.trial.name
    }

    /// What a run will do and cost, for who has to agree to it.
    pub fn announcement(region: &str, wait_minutes: u64) -> String {
        format!(
            "This check tries {} things on your Neon account. It\n\
             - makes one project, {}…, in {region}, with a compute of 0.25 CU; deletes it, recovers it once, and deletes it again\n\
             - reads the first page of the list of projects, the counters of up to three of them, and the consumption of the last day; it changes none of them\n\
             - deletes projects of that name that an earlier check left more than two hours ago\n\
             - makes {} calls to Neon's API at most, and takes a few minutes, {} at most\n\
             - costs at most {:.1} US cents of compute where compute is paid by use (at $0.106 an hour, Neon's price of 2026); a place for one project has to be free",
            CHECKS.len(),
            trial::PREFIX,
            u64::from(CALLS) + wait_minutes,
            10 + wait_minutes,
            cents(10 + wait_minutes),
        )
    }

    /// Runs all checks; `progress` is told each row as it is known.
    ///
    /// # Errors
    /// When Neon does not tell its list of projects at all: then nothing was made.
    pub async fn run(mut self, mut progress: impl FnMut(&CheckRow)) -> Result<NeonCheckReport, NeonError> {
        let leftovers = self.trial.delete_leftovers().await?;
        let mut rows = Vec::with_capacity(CHECKS.len());
        for check in &CHECKS {
            let row = check.row(&mut self.trial).await;
            progress(&row);
            rows.push(row);
        }
        let cleaned = self.trial.clean_up().await;
        let is_clean = cleaned.is_ok();
        let left = leftovers.spared.into_iter().chain(cleaned.err()).collect();
        Ok(NeonCheckReport { rows, calls: self.trial.calls, leftovers_deleted: leftovers.deleted, left, is_clean })
    }
}

/// What a quarter of a compute unit costs in so many minutes, at $0.106 an hour.
fn cents(minutes: u64) -> f64 {
    0.25 * 10.6 * minutes as f64 / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own_and_says_what_it_tries() {
        let mut names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
        for check in &CHECKS {
            assert!(
                !check.tried.is_empty() && !check.documented.is_empty() && !check.source.is_empty(),
                "{}",
                check.name
            );
        }
    }

    #[test]
    fn its_project_is_nobodys_database() {
        let secrets = secrets::Secrets::from_keys(&secrets::Secrets::generate_key(), &[""; 0]).unwrap();
        let name = trial::new_name();
        assert!(crate::owner_tag::read_name(&secrets, &name).is_none(), "a repair takes {name} for a database's");
        assert!(!crate::reconcile::bears_our_prefix(&name), "the reconciler could act on {name}");
    }
}
