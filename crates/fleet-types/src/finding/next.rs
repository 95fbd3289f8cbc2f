//! What becomes of a finding next, in words for the screens.

use super::{Finding, FindingKind, FindingStatus};
use crate::{DatabaseState, Time};

impl Finding {
    /// What Flotilla does next, in one sentence; [`Finding::next_at`] says when.
    pub fn doing(&self) -> String {
        match self.status {
            FindingStatus::Suspected => {
                String::from("Waits for a second complete sweep to confirm it. Nothing is done until then.")
            }
            FindingStatus::Quarantined if self.in_safe_mode => {
                format!("{} But this is safe mode: nothing is done until an operator has ended it.", self.plan())
            }
            FindingStatus::Quarantined if self.braked => {
                format!("{} But the brake is on: nothing is done until it is lifted.", self.plan())
            }
            FindingStatus::Quarantined => self.plan().to_owned(),
            FindingStatus::Acting if self.kind.ends_in_deletion() => {
                String::from("The project is being deleted on Neon.")
            }
            FindingStatus::Acting if self.kind == FindingKind::Drifted => {
                String::from("The ledger's quota was sent again; the next complete sweep shows whether it stays.")
            }
            FindingStatus::Acting => {
                String::from("Something was done; the next complete sweep shows whether it helped.")
            }
            FindingStatus::NeedsOperator => self.decision(),
            FindingStatus::Ignored => String::from("Nothing: it is ignored."),
            FindingStatus::Resolved => {
                self.resolution.map_or_else(|| String::from("It is resolved."), |how| how.sentence().to_owned())
            }
        }
    }

    /// When that is.
    pub fn next_at(&self) -> Option<Time> {
        self.action_due_at.filter(|_| self.status == FindingStatus::Quarantined && !self.braked && !self.in_safe_mode)
    }

    /// What is done when it is due.
    fn plan(&self) -> &'static str {
        match (self.kind, self.database_state) {
            (FindingKind::Ghost, Some(DatabaseState::Claimed)) => "Neon is asked about this very project.",
            (FindingKind::Ghost, _) => {
                "Neon is asked about this very project; if it is gone, the database is retired and replaced."
            }
            (FindingKind::Drifted, _) => "The ledger's quota is sent to Neon again.",
            (FindingKind::HalfBorn, Some(DatabaseState::Failed)) => {
                "The failed database is released, which deletes its project."
            }
            (FindingKind::HalfBorn, Some(DatabaseState::Creating)) if self.project_id.is_some() => {
                "Its project is adopted by name."
            }
            (FindingKind::HalfBorn, _) => "It is set aside as failed, and the pool replaces it.",
            _ => {
                "It is looked into once more; if nobody has used it and nothing is in it, the project is deleted. Neon keeps it recoverable for 7 days."
            }
        }
    }

    /// Why a person must decide.
    fn decision(&self) -> String {
        let decision = match self.kind {
            FindingKind::Ghost => {
                "It belongs to an owner, so nothing is done by itself. Recover the project on Neon while that is possible, or release the database."
            }
            FindingKind::Drifted => {
                "Somebody else has set this quota, or this ledger was restored from before it was changed: then Neon's is the newer one, accept it. Else send the ledger's again, and find out who changes it."
            }
            FindingKind::Zombie => {
                "Somebody has brought it back on Neon, so it is not deleted again by itself. Give it back to its owner, or delete it."
            }
            FindingKind::Orphan | FindingKind::Twin => {
                "It is not proven that nobody uses it, so nothing is done by itself. Its evidence and history are below. Give it to its owner with flotilla ledger give-back, delete it, or ignore it with a reason."
            }
            FindingKind::Stray => "Nothing: it is not ours. Ignore it, so that it is no longer listed here.",
            _ => "Nothing is done by itself. Decide what shall become of it.",
        };
        match self.doubt {
            Some(doubt) => format!("{} {decision}", doubt.sentence()),
            None => decision.to_owned(),
        }
    }
}
