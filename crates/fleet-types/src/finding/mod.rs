//! Findings: what a comparison of Neon's whole list with the ledger has shown to be wrong. The words for them, and which action is possible when,
//! stand here once for the engine, the screens and the API.

mod action;
mod brake;
mod doubt;
mod kind;
mod next;
mod page;
mod status;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use action::FindingAction;
pub use brake::Brake;
pub use doubt::Doubt;
pub use kind::FindingKind;
pub use page::{FindingFilter, FindingPage};
pub use status::{FindingStatus, Resolution};

use super::{DatabaseState, Quota, Time};

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
    /// This ledger may be an older one: nothing is done about any finding, and nothing is adopted or deleted.
    pub in_safe_mode: bool,
    /// It belongs to another installation: nothing is done about it here.
    pub belongs_elsewhere: bool,
    /// Why the project may be somebody's; of those that no row knows.
    pub doubt: Option<Doubt>,
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

    /// The quota that Neon had in the list, and the one that the ledger wants; for drifted ones.
    pub fn quotas(&self) -> Option<(Quota, Quota)> {
        let side = |name: &str| {
            self.evidence.get(name)?.get("quota").and_then(|quota| serde_json::from_value(quota.clone()).ok())
        };
        Some((side("neon")?, side("ledger")?))
    }
}
