//! Repair: rebuilds from Neon what a ledger has forgotten. The names of the projects say who holds them (`owner_tag.rs`); what they do not say is for a
//! person to decide. Without `apply` nothing is changed. Needs no engine that runs.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;
use uuid::Uuid;

use super::{
    Neon,
    owner_tag::{Tag, read_name},
};
use fleet_types::{DatabaseState, Time};
use ledger::{By, FoundOwner, KnownRow, Ledger, LedgerError, RebuiltProject};
use neon_client::{
    Class, NeonError, ProjectItem,
    project::{self, MAX_PAGE},
};
use probe::uri;
use secrets::Secrets;

/// A list that has not ended after so many pages is wrong.
const MOST_PAGES: usize = 5_000;
const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// Activity so soon after a database was verified was our own.
const OWN_ACTIVITY: TimeDelta = TimeDelta::minutes(2);
/// Lines of a kind that are told; there may be more.
const TOLD: usize = 100;

/// What a repair needs.
pub struct Repair {
    pub ledger: Ledger,
    pub neon: Neon,
    pub secrets: Arc<Secrets>,
}

/// What was done, or would be.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Withheld databases that their owners have again.
    pub given_back: Vec<String>,
    /// Databases that the ledger did not have at all.
    pub rebuilt: Vec<String>,
    /// What only a person can decide.
    pub decisions: Vec<String>,
    /// Withheld databases without any sign that somebody used them. A release looks into each.
    pub unused: usize,
    /// Projects that the ledger does not know, without any sign that somebody used them. They stay, and wait on the screen *Problems*.
    pub unknown: usize,
}

/// Why a repair ended early. What was given back by then stays so; run it again.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Neon(#[from] NeonError),
    #[error(
        "Neon's list of projects was not complete, which proves nothing about what it did not show. Try again in a moment."
    )]
    Incomplete,
}

impl Repair {
    /// Compares Neon's whole list with the ledger. With `apply`, gives back and rebuilds.
    ///
    /// # Errors
    /// [`RepairError`].
    pub async fn run(&self, apply: bool, by: &By) -> Result<RepairReport, RepairError> {
        let installation = self.ledger.installation().await?.id;
        let projects = self.list().await?;
        let (mut report, mut owned) = (RepairReport::default(), HashSet::new());
        for item in &projects {
            let Some((id, plain_name, tag)) = read_name(&self.secrets, &item.name) else { continue };
            let row = self.ledger.row_of_project(&item.id, id).await?;
            if !is_ours(&installation, plain_name, id, row.as_ref()) {
                continue;
            }
            let owner = match tag {
                Tag::Nobody => {
                    if row.is_none() {
                        report.tell_unknown(item);
                    }
                    continue;
                }
                Tag::Owner(owner) => owner,
                Tag::Somebody => {
                    if row.as_ref().is_none_or(|row| row.state != DatabaseState::Claimed) {
                        let why = "is held by somebody whom its name does not tell: its owner's id is long, or another key has sealed it";
                        report.decide(format!("Project {} {why}. {}", item.id, how_to_give(&item.id)));
                    }
                    owned.insert(item.id.clone());
                    continue;
                }
            };
            owned.insert(item.id.clone());
            let found = Found { item, id, plain_name, owner: &owner };
            self.settle(&found, row, apply, by, &mut report).await?;
        }
        let on_neon: HashMap<&str, &ProjectItem> = projects.iter().map(|item| (item.id.as_str(), item)).collect();
        self.tell_withheld(&on_neon, &owned, &mut report).await?;
        self.tell_lost(&on_neon, &mut report).await?;
        Ok(report)
    }

    /// Gives a database to the owner whom an operator names, where its project's name does not tell. `what` is the id of either.
    ///
    /// # Errors
    /// [`RepairError`], a `Conflict` when it cannot be given.
    pub async fn give(&self, what: &str, owner: &FoundOwner, by: &By) -> Result<Uuid, RepairError> {
        let projects = self.list().await?;
        let mut named = projects.iter().filter_map(|item| Some((item, read_name(&self.secrets, &item.name)?)));
        let Some((item, (id, plain_name, tag))) =
            named.find(|(item, (id, ..))| item.id == what || id.to_string() == what)
        else {
            return conflict(format!("Neon lists no project of Flotilla that is {what}, or was made for it."));
        };
        let row = self.ledger.row_of_project(&item.id, id).await?;
        if !is_ours(&self.ledger.installation().await?.id, plain_name, id, row.as_ref()) {
            return conflict(format!("Project {} belongs to another installation.", item.id));
        }
        if let Tag::Owner(told) = &tag
            && told.id != owner.id
        {
            return conflict(format!(
                "Its name on Neon says that {} holds it. `flotilla ledger repair --apply` gives it back to them.",
                told.id
            ));
        }
        let found = Found { item, id, plain_name, owner };
        let refused = match row {
            Some(row) if row.state == DatabaseState::Withheld => self.give_back(&found, &row, true, by).await?,
            Some(row) => {
                Some(format!("It is {} in this ledger; only what is withheld can be given.", row.state.as_str()))
            }
            None => self.rebuild(&found, by).await?,
        };
        refused.map_or(Ok(id), conflict)
    }

    async fn list(&self) -> Result<Vec<ProjectItem>, RepairError> {
        let neon = self.neon.0.with_class(Class::Reconcile).with_deadline(CALL_DEADLINE);
        let (mut cursor, mut all) = (None, Vec::new());
        for _ in 0..MOST_PAGES {
            let page = neon.list_projects(cursor.as_deref(), MAX_PAGE).await?;
            if page.unavailable > 0 || page.items.iter().any(|item| !item.is_whole) {
                break;
            }
            all.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
        Err(RepairError::Incomplete)
    }

    /// A project of which the name says whose it is.
    async fn settle(
        &self,
        found: &Found<'_>,
        row: Option<KnownRow>,
        apply: bool,
        by: &By,
        report: &mut RepairReport,
    ) -> Result<(), RepairError> {
        let line = format!("{} (project {}): {}", found.id, found.item.id, found.owner.id);
        match row {
            Some(row) if row.state == DatabaseState::Withheld => {
                let outcome = self.give_back(found, &row, apply, by).await?;
                report.note(outcome, line, |report| &mut report.given_back);
            }
            // One that they have given up is deleted when safe mode is over.
            Some(row)
                if matches!(row.state, DatabaseState::Claimed | DatabaseState::Releasing)
                    && row.owner_id.as_deref() == Some(&found.owner.id) => {}
            Some(row) => {
                let held = row.owner_id.map(|owner| format!(" by {owner}")).unwrap_or_default();
                report.decide(format!(
                    "{line} holds it by its name on Neon; the ledger says {}{held}.",
                    row.state.as_str()
                ));
            }
            None => {
                let outcome = if apply { self.rebuild(found, by).await? } else { None };
                report.note(outcome, line, |report| &mut report.rebuilt);
            }
        }
        Ok(())
    }

    async fn rebuild(&self, found: &Found<'_>, by: &By) -> Result<Option<String>, RepairError> {
        match self.read(found).await? {
            Ok(project) => refusal(self.ledger.rebuild_claimed(found.id, found.owner, &project, by).await),
            Err(why) => Ok(Some(why)),
        }
    }

    async fn give_back(
        &self,
        found: &Found<'_>,
        row: &KnownRow,
        apply: bool,
        by: &By,
    ) -> Result<Option<String>, RepairError> {
        if !apply {
            return Ok(None);
        }
        let project = match row.has_credentials {
            true => None,
            false => match self.read(found).await? {
                Ok(project) => Some(project),
                Err(why) => return Ok(Some(why)),
            },
        };
        refusal(self.ledger.give_back(row.id, found.owner, project.as_ref(), by).await)
    }

    /// What its creation would have answered. The inner error is why it is of no use.
    async fn read(&self, found: &Found<'_>) -> Result<Result<RebuiltProject, String>, RepairError> {
        let neon = self.neon.0.with_class(Class::Reconcile).with_deadline(CALL_DEADLINE);
        let item = found.item;
        let endpoint = neon.endpoints(&item.id).await?.into_iter().find(|endpoint| endpoint.is_writable());
        let Some(endpoint) = endpoint else { return Ok(Err(String::from("it has no writable endpoint"))) };
        let (database, role) = (project::DATABASE_NAME, project::ROLE_NAME);
        let text = neon.connection_uri(&item.id, &endpoint.branch_id, &endpoint.id, database, role, false).await?;
        let sealed = uri::connection(&text, &endpoint.id)
            .map_err(|error| error.to_string())
            .and_then(|connection| self.secrets.seal(found.id, &connection).map_err(|error| error.to_string()));
        Ok(sealed.map(|sealed_credentials| RebuiltProject {
            name: found.plain_name.to_owned(),
            project_id: item.id.clone(),
            branch_id: endpoint.branch_id,
            endpoint_id: endpoint.id,
            host: endpoint.host,
            database_name: database.to_owned(),
            role_name: role.to_owned(),
            sealed_credentials,
            region_id: item.region_id.clone(),
            pg_version: item.pg_version,
        }))
    }

    /// Withheld databases of which no name tells an owner.
    async fn tell_withheld(
        &self,
        on_neon: &HashMap<&str, &ProjectItem>,
        owned: &HashSet<String>,
        report: &mut RepairReport,
    ) -> Result<(), RepairError> {
        for row in self.ledger.withheld().await? {
            let Some(item) = row.project_id.as_deref().and_then(|id| on_neon.get(id)) else {
                report.unused += 1;
                continue;
            };
            if owned.contains(&item.id) {
                continue;
            }
            match used_at(row.proven_new_at.or(item.created_at), item.last_active_at.max(row.last_active_at)) {
                Some(at) => report.decide(format!(
                    "Database {} (project {}) was used at {} UTC, and no name tells by whom. {} Or release it.",
                    row.id,
                    item.id,
                    at.format("%Y-%m-%d %H:%M"),
                    how_to_give(&item.id)
                )),
                None => report.unused += 1,
            }
        }
        Ok(())
    }

    /// Claimed databases whose project is not there: released after the backup, it seems.
    async fn tell_lost(
        &self,
        on_neon: &HashMap<&str, &ProjectItem>,
        report: &mut RepairReport,
    ) -> Result<(), RepairError> {
        let mut after = Uuid::nil();
        loop {
            let rows = self.ledger.claimed_behind(after).await?;
            let Some((last, ..)) = rows.last() else { return Ok(()) };
            after = *last;
            for (id, project_id, owner) in rows.iter().filter(|(_, project, _)| !on_neon.contains_key(project.as_str()))
            {
                report.decide(format!(
                    "Database {id} of {owner}: Neon does not list its project {project_id}. If it was released since the backup, release it here too; else recover it on the screen Problems."
                ));
            }
        }
    }
}

/// A project with an owner in its name.
struct Found<'a> {
    item: &'a ProjectItem,
    id: Uuid,
    plain_name: &'a str,
    owner: &'a FoundOwner,
}

impl RepairReport {
    fn note(&mut self, refused: Option<String>, line: String, list: impl Fn(&mut Self) -> &mut Vec<String>) {
        match refused {
            None => list(self).push(line),
            Some(why) => self.decide(format!("{line}: {why}")),
        }
    }

    /// A project of this installation without a row and without an owner in its name.
    fn tell_unknown(&mut self, item: &ProjectItem) {
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

    fn decide(&mut self, text: String) {
        match self.decisions.len() {
            0..TOLD => self.decisions.push(text),
            TOLD => self.decisions.push(String::from("… and more: settle these first, and run the repair again.")),
            _ => {}
        }
    }
}

/// Whether the project is this installation's to judge: its name says so or, where it bears no installation's id, its row does. What was copied from
/// another installation remains that one's.
fn is_ours(installation: &str, plain_name: &str, id: Uuid, row: Option<&KnownRow>) -> bool {
    match row {
        Some(row) => !row.is_copied,
        None => plain_name == format!("flotilla-{installation}-{id}"),
    }
}

fn how_to_give(project_id: &str) -> String {
    format!("Ask whose it is, and give it to them: `flotilla ledger give-back {project_id} --owner ID`.")
}

fn conflict<T>(why: String) -> Result<T, RepairError> {
    Err(LedgerError::Conflict(why).into())
}

/// What the ledger refuses is for a person; that it does not answer ends the repair.
fn refusal(outcome: Result<(), LedgerError>) -> Result<Option<String>, RepairError> {
    match outcome {
        Ok(()) => Ok(None),
        Err(LedgerError::Conflict(why)) => Ok(Some(why)),
        Err(error) => Err(error.into()),
    }
}

/// When somebody used it, if it was active after what making and verifying it explains.
fn used_at(verified: Option<Time>, last_active: Option<Time>) -> Option<Time> {
    last_active.filter(|at| verified.is_none_or(|verified| *at > verified + OWN_ACTIVITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_installation_holds_is_not_taken_over() {
        let id = Uuid::from_u128(7);
        let row = |is_copied| {
            Some(KnownRow { id, state: DatabaseState::Claimed, owner_id: None, has_credentials: true, is_copied })
        };
        let ours = format!("flotilla-13ae773e-{id}");
        let (theirs, unsigned) = (format!("flotilla-557daf0f-{id}"), format!("flotilla-{id}"));
        let judge = |name: &str, row: Option<KnownRow>| is_ours("13ae773e", name, id, row.as_ref());
        assert!(judge(&ours, None) && judge(&ours, row(false)) && judge(&unsigned, row(false)));
        assert!(!judge(&theirs, None) && !judge(&unsigned, None) && !judge(&theirs, row(true)));
    }
}
