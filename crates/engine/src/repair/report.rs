//! What a repair has done, or would do, and what it leaves to a person, in words.

use chrono::TimeDelta;

use crate::owner_tag::as_argument;
use fleet_types::{DatabaseState, Time};
use ledger::{FoundOwner, KnownRow};
use neon_client::ProjectItem;

/// Activity so soon after a database was verified was our own.
const OWN_ACTIVITY: TimeDelta = TimeDelta::minutes(2);
/// Lines of a kind that are told; there may be more.
const TOLD: usize = 100;

/// What was done, or would be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Withheld databases that their owners have again.
    pub given_back: Vec<String>,
    /// Databases that the ledger did not have at all.
    pub rebuilt: Vec<String>,
    /// Databases that are held here as well, and whose quota was changed since.
    pub quotas: Vec<String>,
    /// What only a person can decide.
    pub decisions: Vec<String>,
    /// Withheld databases without any sign that somebody used them. A release looks into each.
    pub unused: usize,
    /// Withheld databases of which Neon has nothing any more.
    pub gone: usize,
    /// Projects that the ledger does not know, without any sign that somebody used them. They stay, and wait on the screen *Problems*.
    pub unknown: usize,
    /// Projects that bear the name of a database which has another one. They stay.
    pub namesakes: Vec<String>,
    /// Projects that Neon's list lacked, and that live.
    pub unlisted: usize,
    /// Claimed databases that the list lacked, or of which it did not tell the quota, and that were not asked for in this run.
    pub unasked: usize,
    /// Withheld ones of which the same is so.
    pub withheld_unasked: usize,
    /// Projects that were asked for by their ids.
    pub(super) asked: usize,
    /// No server runs with this ledger, so what it has as unclaimed is not withheld.
    pub is_provisional: bool,
}

impl RepairReport {
    pub(super) fn note(&mut self, refused: Option<String>, line: String, list: impl Fn(&mut Self) -> &mut Vec<String>) {
        match refused {
            None => list(self).push(line),
            Some(why) => self.decide(format!("{line}: {why}")),
        }
    }

    /// A project of this installation without a row and without an owner in its name.
    pub(super) fn tell_unknown(&mut self, item: &ProjectItem) {
        match used_at(item.created_at, item.last_active_at) {
            Some(at) => self.decide(format!(
                "Project {}, which this ledger does not know, was used at {} UTC, and no name tells by whom. {} Or delete it on the screen Problems once safe mode is over.",
                item.id,
                at.format("%Y-%m-%d %H:%M"),
                how_to_give(&item.id)
            )),
            None => self.unknown += 1,
        }
    }

    /// Once for each owner, however many databases they hold.
    pub(super) fn tell_plan(&mut self, named: &FoundOwner, here: &str) {
        let (owner, plan) = (as_argument(&named.id), as_argument(&named.plan));
        let text = format!(
            "Owner {}: the plan is {} by a project's name on Neon, and {here} by the ledger. If they have changed it since the backup, change it here too, before --apply: `flotilla owner change-plan {owner} {plan}`. If not, leave it: the name is told anew with the next change.",
            named.id, named.plan
        );
        if !self.decisions.contains(&text) {
            self.decide(text);
        }
    }

    pub(super) fn tell_namesake(&mut self, text: String) {
        if self.namesakes.len() < TOLD {
            self.namesakes.push(text);
        }
    }

    pub(super) fn decide(&mut self, text: String) {
        match self.decisions.len() {
            0..TOLD => self.decisions.push(text),
            TOLD => self.decisions.push(String::from("… and more: settle these first, and run the repair again.")),
            _ => {}
        }
    }
}

/// Why a row that says something else than the name on Neon is for a person. `line` names both, and the owner by the name.
pub(super) fn contradiction(line: &str, item: &ProjectItem, owner: &FoundOwner, row: &KnownRow) -> String {
    use DatabaseState::{Available, Deleted, Releasing};
    let give = format!("`flotilla ledger give-back {} --owner {}`", item.id, as_argument(&owner.id));
    let says = format!("{line} holds it by its name on Neon; the ledger says {}", row.state.as_str());
    match (row.state, row.owner_id.as_deref()) {
        (Deleted, Some(held)) if held == owner.id => format!(
            "{line}: it was deleted here, and somebody has brought it back on Neon. Give it back to its owner: {give}, or on the screen Problems, which lists it as a zombie after two sweeps. If it may go, end safe mode with --anyway, and delete it there; until one of both is done, --end refuses."
        ),
        (Releasing, Some(held)) if held == owner.id => format!(
            "{line}: it was being deleted at the time of the backup, and lives on Neon. Ask whether they hold it again: then give it back, {give}; else release it once more, `flotilla database release {} --reason WHY`.",
            row.id
        ),
        (Deleted, None) => format!(
            "{says}. Give it back to them: {give}. If it may go, end safe mode with --anyway, and delete it on the screen Problems, which lists it as a zombie after two sweeps."
        ),
        (Releasing, None) => format!(
            "{says}. Give it back to them: {give}. If it may go, end safe mode with --anyway, and release it once more with --anyway."
        ),
        (Available, _) => {
            format!("{says}. Start the server with this ledger, which then withholds it, and repair again.")
        }
        (_, Some(held)) => format!("{says} by {held}. Ask whose it is."),
        (_, None) => format!("{says}."),
    }
}

pub(super) fn how_to_give(project_id: &str) -> String {
    format!("Ask whose it is, and give it to them: `flotilla ledger give-back {project_id} --owner ID`.")
}

/// When somebody used it, if it was active after what making and verifying it explains.
pub(super) fn used_at(verified: Option<Time>, last_active: Option<Time>) -> Option<Time> {
    last_active.filter(|at| verified.is_none_or(|verified| *at > verified + OWN_ACTIVITY))
}
