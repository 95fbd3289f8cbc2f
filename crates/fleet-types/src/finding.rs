//! Findings: what a comparison of Neon's whole list with the ledger has shown to be wrong. The words for them, and which action is possible when,
//! stand here once for the engine, the screens and the API.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DatabaseState, QueryReader, Quota, Time};

/// What is wrong, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A living database whose project is not on Neon.
    Ghost,
    /// Deleted in the ledger, alive on Neon.
    Zombie,
    /// Named by us, and no row of the ledger knows it.
    Orphan,
    /// A second project with the name of one of our databases.
    Twin,
    /// On its way to the pool for too long, or failed with a project that its row does not know.
    HalfBorn,
    /// The quota on Neon is another than the one that Neon had confirmed.
    Drifted,
    /// A project that is not named by us.
    Stray,
}

impl FindingKind {
    /// Worst first.
    pub const ALL: [Self; 7] =
        [Self::Ghost, Self::Drifted, Self::Zombie, Self::Orphan, Self::Twin, Self::HalfBorn, Self::Stray];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ghost => "ghost",
            Self::Zombie => "zombie",
            Self::Orphan => "orphan",
            Self::Twin => "twin",
            Self::HalfBorn => "half-born",
            Self::Drifted => "drifted",
            Self::Stray => "stray",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// For the head of a group.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Ghost => "Ghosts",
            Self::Zombie => "Zombies",
            Self::Orphan => "Orphans",
            Self::Twin => "Twins",
            Self::HalfBorn => "Half-born",
            Self::Drifted => "Drifted",
            Self::Stray => "Strays",
        }
    }

    /// What is wrong.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ghost => "The ledger has the database, Neon does not have its project.",
            Self::Zombie => "The ledger says deleted, but the project still lives on Neon.",
            Self::Orphan => "The project bears a name of ours, but no row of the ledger knows it.",
            Self::Twin => "A second project bears the name of one of our databases.",
            Self::HalfBorn => {
                "A database has been on its way to the pool for too long, or its project is not known to its row."
            }
            Self::Drifted => "The quota on Neon is not the one that the ledger wants and Neon had confirmed.",
            Self::Stray => "The project is not named by us. It is counted and never touched.",
        }
    }

    /// Whether acting on it deletes a project on Neon.
    pub fn ends_in_deletion(self) -> bool {
        matches!(self, Self::Orphan | Self::Twin | Self::Zombie)
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// Seen, not yet confirmed by a second complete sweep.
    Suspected,
    /// Confirmed; waits until it is due.
    Quarantined,
    /// Something is being done.
    Acting,
    /// Nothing is done without a person's decision.
    NeedsOperator,
    /// A person has decided that it may stay.
    Ignored,
    Resolved,
}

impl FindingStatus {
    pub const ALL: [Self; 6] =
        [Self::NeedsOperator, Self::Acting, Self::Quarantined, Self::Suspected, Self::Ignored, Self::Resolved];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Quarantined => "quarantined",
            Self::Acting => "acting",
            Self::NeedsOperator => "needs_operator",
            Self::Ignored => "ignored",
            Self::Resolved => "resolved",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// For a badge.
    pub fn label(self) -> &'static str {
        match self {
            Self::NeedsOperator => "needs you",
            other => other.as_str(),
        }
    }

    /// Somebody or something still has to do with it.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Ignored | Self::Resolved)
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The project was deleted on Neon.
    Deleted,
    /// The row was retired; the pool has replaced it.
    Replaced,
    /// The ledger knows the project now.
    Adopted,
    /// The project was brought back on Neon.
    Recovered,
    /// Neon has the ledger's quota again.
    Reapplied,
    /// The ledger has taken over Neon's quota.
    Accepted,
    /// The owner has it again.
    TakenBack,
    /// It was not so any more.
    Gone,
}

impl Resolution {
    const ALL: [Self; 8] = [
        Self::Deleted,
        Self::Replaced,
        Self::Adopted,
        Self::Recovered,
        Self::Reapplied,
        Self::Accepted,
        Self::TakenBack,
        Self::Gone,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Replaced => "replaced",
            Self::Adopted => "adopted",
            Self::Recovered => "recovered",
            Self::Reapplied => "reapplied",
            Self::Accepted => "accepted",
            Self::TakenBack => "taken_back",
            Self::Gone => "gone",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resolution| resolution.as_str() == text)
    }

    pub fn sentence(self) -> &'static str {
        match self {
            Self::Deleted => "The project was deleted on Neon.",
            Self::Replaced => "The database was retired, and the pool replaces it.",
            Self::Adopted => "The ledger knows the project now.",
            Self::Recovered => "The project was brought back on Neon.",
            Self::Reapplied => "Neon has the ledger's quota again.",
            Self::Accepted => "The ledger has taken over Neon's quota.",
            Self::TakenBack => "The owner has the database again.",
            Self::Gone => "It was not so any more when it was looked at again.",
        }
    }
}

/// What an operator can do about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingAction {
    /// Put the orphan into the pool.
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

/// One line of what was done and decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingStep {
    pub at: Time,
    pub what: String,
    #[serde(default)]
    pub by: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
}

/// One thing that is wrong, with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub id: i64,
    pub kind: FindingKind,
    pub status: FindingStatus,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    pub database_id: Option<Uuid>,
    /// Of the database, now.
    pub database_state: Option<DatabaseState>,
    /// E-mail address of the database's owner.
    pub owner: Option<String>,
    pub first_seen_at: Time,
    pub last_seen_at: Time,
    pub first_sweep: i64,
    pub last_sweep: i64,
    /// Complete sweeps in which it was seen.
    pub sightings: i32,
    /// How often the same was mended shortly before.
    pub earlier: i32,
    /// `neon`: the project's fields in the list; `ledger`: what the ledger has instead.
    pub evidence: serde_json::Value,
    pub timeline: Vec<FindingStep>,
    /// Data and history as billed; `None` where Neon's list does not tell it.
    pub synthetic_size_bytes: Option<i64>,
    /// When the engine acts, or may act.
    pub action_due_at: Option<Time>,
    pub attempts: i32,
    pub last_error: Option<String>,
    pub last_error_at: Option<Time>,
    pub recoverable_until: Option<Time>,
    pub resolved_at: Option<Time>,
    pub resolution: Option<Resolution>,
    pub decided_by: Option<String>,
    pub reason: Option<String>,
    /// The brake is on: nothing is done about any finding.
    pub braked: bool,
    pub as_of: Time,
}

impl Finding {
    /// Seen in two complete sweeps, and old enough to be acted on.
    pub fn is_confirmed(&self) -> bool {
        self.action_due_at.is_some_and(|due| due <= self.as_of)
    }

    /// What it is about, for a title: the project's name or id, else the database's id.
    pub fn title(&self) -> String {
        let text = self.project_name.clone().or_else(|| self.project_id.clone());
        text.or_else(|| self.database_id.map(|id| id.to_string())).unwrap_or_default()
    }

    /// What Flotilla does next, in one sentence; [`Finding::next_at`] says when.
    pub fn doing(&self) -> String {
        match self.status {
            FindingStatus::Suspected => {
                String::from("Waits for a second complete sweep to confirm it. Nothing is done until then.")
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
            FindingStatus::NeedsOperator => self.decision().to_owned(),
            FindingStatus::Ignored => String::from("Nothing: it is ignored."),
            FindingStatus::Resolved => {
                self.resolution.map_or_else(|| String::from("It is resolved."), |how| how.sentence().to_owned())
            }
        }
    }

    /// When that is.
    pub fn next_at(&self) -> Option<Time> {
        self.action_due_at.filter(|_| self.status == FindingStatus::Quarantined && !self.braked)
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
    fn decision(&self) -> &'static str {
        match self.kind {
            FindingKind::Ghost => {
                "It belongs to an owner, so nothing is done by itself. Recover the project on Neon while that is possible, or release the database."
            }
            FindingKind::Drifted => {
                "Somebody else sets this quota. Send the ledger's again, or accept Neon's; find out who changes it."
            }
            FindingKind::Zombie => {
                "Somebody has brought it back on Neon, so it is not deleted again by itself. Give it back to its owner, or delete it."
            }
            FindingKind::Orphan | FindingKind::Twin => {
                "It is not proven that nobody uses it, so nothing is done by itself. Its evidence and history are below. Delete it, or ignore it with a reason."
            }
            FindingKind::Stray => "Nothing: it is not ours. Ignore it, so that it is no longer listed here.",
            _ => "Nothing is done by itself. Decide what shall become of it.",
        }
    }

    /// What an operator can do about it now.
    pub fn actions(&self) -> Vec<FindingAction> {
        use FindingAction::{Accept, Adopt, Delete, Ignore, LookAgain, Reapply, Recover, TakeBack};
        use FindingKind::{Drifted, Ghost, Orphan, Zombie};
        let is_recoverable = self.recoverable_until.is_some_and(|until| until > self.as_of);
        let (is_held, is_open) = (self.status == FindingStatus::Acting, self.status.is_open());
        let is_decidable = (is_open || self.status == FindingStatus::Ignored) && !is_held;
        let possible = [
            (Recover, self.kind == Ghost && is_decidable),
            (Recover, self.resolution == Some(Resolution::Deleted) && is_recoverable),
            (Reapply, self.kind == Drifted && is_decidable),
            (Accept, self.kind == Drifted && is_decidable),
            (TakeBack, self.kind == Zombie && is_decidable),
            (Adopt, self.kind == Orphan && is_decidable),
            (Delete, self.kind.ends_in_deletion() && is_decidable && self.is_confirmed()),
            (Ignore, is_open && !is_held),
            (LookAgain, self.status == FindingStatus::Ignored),
        ];
        possible.into_iter().filter(|(_, is_possible)| *is_possible).map(|(action, _)| action).collect()
    }

    /// The quota that Neon had in the list, and the one that the ledger wants; for drifted ones.
    pub fn quotas(&self) -> Option<(Quota, Quota)> {
        let side = |name: &str| {
            self.evidence.get(name)?.get("quota").and_then(|quota| serde_json::from_value(quota.clone()).ok())
        };
        Some((side("neon")?, side("ledger")?))
    }
}

/// Which findings. Everything empty means all that are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingFilter {
    #[serde(default)]
    pub kind: Option<FindingKind>,
    #[serde(default)]
    pub status: Option<FindingStatus>,
    /// The `id` of the last one on the page before: newest first.
    #[serde(default)]
    pub after: Option<i64>,
}

impl FindingFilter {
    /// Takes the fields from the query of a URL.
    pub fn read(query: &mut QueryReader<'_>) -> Self {
        Self {
            kind: query.choice("kind", &FindingKind::ALL, FindingKind::as_str),
            status: query.choice("status", &FindingStatus::ALL, FindingStatus::as_str),
            after: query.number(&["after"], 1..=i64::MAX),
        }
    }
}

/// A page of findings, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingPage {
    pub rows: Vec<Finding>,
    pub next: Option<i64>,
}

/// Too much looked wrong at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brake {
    pub set_at: Time,
    pub due: i64,
    pub cap: i64,
    /// How many of each kind were due.
    pub kinds: Vec<(FindingKind, i64)>,
}

impl Brake {
    /// What happened, in one sentence.
    pub fn sentence(&self) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
        format!(
            "{} findings were due at once ({}); at most {} are acted on in one pass.",
            self.due,
            kinds.join(", "),
            self.cap
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn every_word_is_read_back() {
        assert!(FindingKind::ALL.into_iter().all(|kind| FindingKind::parse(kind.as_str()) == Some(kind)));
        assert!(FindingStatus::ALL.into_iter().all(|status| FindingStatus::parse(status.as_str()) == Some(status)));
        assert!(Resolution::ALL.into_iter().all(|how| Resolution::parse(how.as_str()) == Some(how)));
    }
}
