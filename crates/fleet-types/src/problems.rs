//! The one screen of everything that is wrong: why, since when, and what Flotilla does about it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{BlockReason, Brake, FindingKind, FindingStatus, Problem, SafeMode, Time};

/// Everything but the list of findings, which has pages of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problems {
    /// Worst first.
    pub problems: Vec<Problem>,
    pub safe_mode: Option<SafeMode>,
    pub brake: Option<Brake>,
    /// Findings that are not resolved, by kind and status.
    pub counts: Vec<(FindingKind, FindingStatus, i64)>,
    pub last_sweep: Option<SweepFacts>,
    /// Creations that were given up and wait for somebody to look at them, and the newest of them.
    pub failed: i64,
    pub failed_rows: Vec<TroubledRow>,
    /// Changes that have failed several times, worst first; bounded.
    pub stuck_rows: Vec<TroubledRow>,
    /// Claimed databases that cannot be used as they should, by why, most first.
    pub blocked: Vec<Blocked>,
    pub as_of: Time,
}

impl Problems {
    /// Open findings of a kind.
    pub fn open(&self, kind: FindingKind) -> i64 {
        self.counts.iter().filter(|(of, status, _)| *of == kind && status.is_open()).map(|(.., count)| count).sum()
    }

    /// Findings of a status, of all kinds or of one.
    pub fn count(&self, kind: Option<FindingKind>, status: FindingStatus) -> i64 {
        // A stray waits for nobody: it is not ours.
        let waits = |of: FindingKind| of != FindingKind::Stray || status != FindingStatus::NeedsOperator;
        let is_asked = |of: FindingKind| kind.map_or_else(|| waits(of), |kind| kind == of);
        self.counts.iter().filter(|(of, is, _)| is_asked(*of) && *is == status).map(|(.., count)| count).sum()
    }

    /// How many findings the list of this kind and status has; without a status those that are open. What is resolved is not counted.
    pub fn listed(&self, kind: Option<FindingKind>, status: Option<FindingStatus>) -> Option<i64> {
        match status {
            None => Some(
                FindingKind::ALL
                    .into_iter()
                    .filter(|of| kind.is_none_or(|kind| kind == *of))
                    .map(|of| self.open(of))
                    .sum(),
            ),
            Some(FindingStatus::Resolved) => None,
            Some(status) => Some(self.count(kind, status)),
        }
    }

    /// Neither a problem nor an open finding but strays, which are nobody's fault.
    pub fn is_healthy(&self) -> bool {
        let findings: i64 =
            FindingKind::ALL.into_iter().filter(|kind| *kind != FindingKind::Stray).map(|kind| self.open(kind)).sum();
        self.problems.is_empty() && findings == 0 && self.failed == 0 && self.stuck_rows.is_empty()
    }
}

/// Claimed databases that are blocked for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    pub reason: BlockReason,
    pub count: i64,
    /// Since when the first of them has been, as far as it was seen.
    pub since: Option<Time>,
}

/// The last complete reading of Neon's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepFacts {
    pub id: i64,
    pub finished_at: Time,
    /// Projects in the list, and those of them that are named by us or known to the ledger.
    pub projects: i64,
    pub ours: i64,
    /// Those that bear the id of another installation: never ours to judge.
    pub others: i64,
}

/// A database that something is wrong with, and Neon's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TroubledRow {
    pub id: Uuid,
    pub pool: String,
    pub since: Time,
    pub attempts: i32,
    pub error: Option<String>,
    /// When it is tried again; `None` when it is not.
    pub next_attempt_at: Option<Time>,
}
