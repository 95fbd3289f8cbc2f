//! What an operator can do about a finding, and when.

use serde::{Deserialize, Serialize};

use super::{Finding, FindingKind, FindingStatus, Resolution};

/// What an operator can do about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingAction {
    /// Put the orphan into the pool: nobody can have been told its connection.
    Adopt,
    /// Let it be, with a reason.
    Ignore,
    /// No longer ignore it.
    LookAgain,
    /// Delete the project on Neon now.
    Delete,
    /// Bring the project back on Neon.
    Recover,
    /// Send the ledger's quota to Neon again.
    Reapply,
    /// Make Neon's quota the wanted one.
    Accept,
    /// Give the database back to the owner who had it.
    TakeBack,
}

impl Finding {
    /// What an operator can do about it now.
    pub fn actions(&self) -> Vec<FindingAction> {
        use FindingAction::{Accept, Adopt, Delete, Ignore, LookAgain, Reapply, Recover, TakeBack};
        use FindingKind::{Drifted, Ghost, Zombie};
        if self.belongs_elsewhere {
            return Vec::new();
        }
        let is_recoverable = self.recoverable_until.is_some_and(|until| until > self.as_of);
        let (is_held, is_open) = (self.status == FindingStatus::Acting, self.status.is_open());
        let is_decidable = (is_open || self.status == FindingStatus::Ignored) && !is_held;
        let possible = [
            (Recover, self.kind == Ghost && is_decidable),
            (Recover, self.resolution == Some(Resolution::Deleted) && is_recoverable),
            (Reapply, self.kind == Drifted && is_decidable),
            (Accept, self.kind == Drifted && is_decidable),
            (TakeBack, self.kind == Zombie && is_decidable),
            (Adopt, self.is_adoptable()),
            (Delete, self.kind.ends_in_deletion() && is_decidable && self.is_confirmed() && !self.in_safe_mode),
            (Ignore, is_open && !is_held),
            (LookAgain, self.status == FindingStatus::Ignored),
        ];
        possible.into_iter().filter(|(_, is_possible)| *is_possible).map(|(action, _)| action).collect()
    }

    /// What is left to an operator, or ignored, was found to be somebody's, or may be.
    fn is_adoptable(&self) -> bool {
        let waits = self.kind == FindingKind::Orphan && self.status == FindingStatus::Quarantined;
        waits && self.doubt.is_none() && !self.in_safe_mode
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Doubt, Time};

    fn finding(kind: FindingKind, status: FindingStatus) -> Finding {
        let at = Time::from_timestamp(1_800_000_000, 0).expect("in range");
        Finding {
            id: 1,
            kind,
            status,
            project_id: Some(String::from("quiet-hill-1")),
            project_name: Some(String::from("flotilla-1")),
            database_id: None,
            database_state: None,
            owner: None,
            first_seen_at: at,
            last_seen_at: at,
            first_sweep: 1,
            last_sweep: 2,
            sightings: 2,
            earlier: 0,
            evidence: serde_json::Value::Null,
            timeline: Vec::new(),
            synthetic_size_bytes: None,
            action_due_at: Some(at),
            attempts: 0,
            last_error: None,
            last_error_at: None,
            recoverable_until: None,
            resolved_at: None,
            resolution: None,
            decided_by: None,
            reason: None,
            braked: false,
            in_safe_mode: false,
            belongs_elsewhere: false,
            doubt: None,
            as_of: at,
        }
    }

    #[test]
    fn nothing_is_deleted_by_hand_before_the_quarantine_has_passed() {
        let mut orphan = finding(FindingKind::Orphan, FindingStatus::Quarantined);
        assert!(orphan.actions().contains(&FindingAction::Delete));
        orphan.as_of = orphan.first_seen_at - chrono::TimeDelta::seconds(1);
        assert!(!orphan.actions().contains(&FindingAction::Delete));
        orphan.action_due_at = None;
        assert!(!orphan.actions().contains(&FindingAction::Delete));
        assert_eq!(finding(FindingKind::Stray, FindingStatus::NeedsOperator).actions(), [FindingAction::Ignore]);
    }

    #[test]
    fn what_may_be_somebodys_is_not_adopted() {
        use FindingAction::{Adopt, Delete};
        let orphan = finding(FindingKind::Orphan, FindingStatus::Quarantined);
        assert!(orphan.actions().contains(&Adopt));
        for doubt in [Doubt::Named, Doubt::Unsigned, Doubt::Forgotten] {
            let doubted = Finding { doubt: Some(doubt), ..orphan.clone() };
            assert!(!doubted.actions().contains(&Adopt) && doubted.actions().contains(&Delete), "{doubt:?}");
        }
        let in_safe_mode = Finding { in_safe_mode: true, ..orphan };
        assert_eq!(in_safe_mode.actions(), [FindingAction::Ignore]);
        assert_eq!(in_safe_mode.next_at(), None);
        assert!(in_safe_mode.doing().contains("safe mode"), "{}", in_safe_mode.doing());
        for status in [FindingStatus::Suspected, FindingStatus::NeedsOperator, FindingStatus::Ignored] {
            assert!(!finding(FindingKind::Orphan, status).actions().contains(&Adopt), "{status:?}");
        }
    }

    #[test]
    fn what_is_being_deleted_can_no_longer_be_decided_about() {
        assert_eq!(finding(FindingKind::Orphan, FindingStatus::Acting).actions(), []);
    }

    #[test]
    fn a_deleted_project_can_be_recovered_for_as_long_as_neon_keeps_it() {
        let mut deleted = finding(FindingKind::Orphan, FindingStatus::Resolved);
        deleted.resolution = Some(Resolution::Deleted);
        assert_eq!(deleted.actions(), []);
        deleted.recoverable_until = Some(deleted.as_of + chrono::TimeDelta::seconds(1));
        assert_eq!(deleted.actions(), [FindingAction::Recover]);
    }
}
