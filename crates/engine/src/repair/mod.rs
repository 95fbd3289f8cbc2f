//! Repair: rebuilds from Neon what a ledger has forgotten. The names of the projects say who holds them (`owner_tag.rs`); what they do not say is for a
//! person to decide. Their quotas on Neon are newer than those that the ledger wants, and are taken. Without `apply` nothing is changed. Needs no engine that runs.

mod held;
mod namesakes;
mod report;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use uuid::Uuid;

use super::{
    Neon,
    mark::Marks,
    neon_quota,
    owner_tag::{Tag, bears_another_id, read_name},
    proof::is_vouched_for,
    rebuild::{Lacking, compute_of, rebuild},
    setback::Setback,
};
use fleet_types::{DatabaseState, Quota};
use ledger::{By, FoundOwner, KnownRow, Ledger, LedgerError, RebuiltProject};
use neon_client::{Class, NeonClient, NeonError, ProjectItem, project::MAX_PAGE};
use secrets::Secrets;

use namesakes::{Namesakes, several_of};
pub use report::RepairReport;
use report::{contradiction, how_to_give};

/// A list that has not ended after so many pages is wrong.
const MOST_PAGES: usize = 5_000;
const CALL_DEADLINE: Duration = Duration::from_secs(60);

/// What a repair needs.
pub struct Repair {
    pub ledger: Ledger,
    pub neon: Neon,
    pub secrets: Arc<Secrets>,
}

/// An owner as an operator names them. Their plan and address count where neither the ledger nor the project's name tells them.
pub struct NamedOwner {
    pub id: String,
    pub email: String,
    pub plan: Option<String>,
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

impl From<Setback> for RepairError {
    fn from(setback: Setback) -> Self {
        match setback {
            Setback::Neon(error) => error.into(),
            Setback::Ledger(error) => error.into(),
        }
    }
}

impl Repair {
    /// Compares Neon's whole list with the ledger. With `apply`, gives back and rebuilds.
    ///
    /// # Errors
    /// [`RepairError`].
    pub async fn run(&self, apply: bool, by: &By) -> Result<RepairReport, RepairError> {
        let installation = self.ledger.installation().await?.id;
        let projects = self.list().await?;
        if apply {
            self.marks().bring_forward().await?;
        }
        let namesakes = Namesakes::among(&self.secrets, &projects);
        let (mut report, mut owned) = (RepairReport::default(), HashSet::new());
        let mut made_for: HashMap<Uuid, Vec<&ProjectItem>> = HashMap::new();
        for item in &projects {
            let Some((id, plain_name, tag)) = read_name(&self.secrets, &item.name) else { continue };
            let row = self.ledger.row_of_project(&item.id, id).await?;
            if !is_ours(&installation, plain_name, id, row.as_ref()) {
                continue;
            }
            made_for.entry(id).or_default().push(item);
            if !self.is_its_own(item, id, plain_name, row.as_ref(), &namesakes, &mut report).await? {
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
            let found = Found { item, id, plain_name, owner: &owner, was_told: true };
            self.settle(&found, row, apply, by, &mut report).await?;
        }
        let on_neon: HashMap<&str, &ProjectItem> = projects.iter().map(|item| (item.id.as_str(), item)).collect();
        self.look_at_held(&on_neon, apply, by, &mut report).await?;
        self.tell_withheld(&on_neon, &made_for, &owned, &mut report).await?;
        if apply {
            self.marks().bring_forward().await?;
        }
        report.is_provisional = self.ledger.safe_mode().await?.is_none() && !is_vouched_for(&self.ledger).await?;
        Ok(report)
    }

    /// Gives a database to the owner whom an operator names: one that is withheld, being released, or deleted here and alive on Neon. `what` is its id or its
    /// project's.
    ///
    /// # Errors
    /// [`RepairError`], a `Conflict` when it cannot be given.
    pub async fn give(&self, what: &str, named: &NamedOwner, by: &By) -> Result<Uuid, RepairError> {
        let projects = self.list().await?;
        let ours = projects.iter().filter_map(|item| Some((item, read_name(&self.secrets, &item.name)?)));
        let mut meant: Vec<_> = ours.filter(|(item, (id, ..))| item.id == what || id.to_string() == what).collect();
        if meant.len() > 1 {
            return conflict(several_of(what, &meant.iter().map(|(item, _)| *item).collect::<Vec<_>>()));
        }
        let Some((item, (id, plain_name, tag))) = meant.pop() else {
            return conflict(format!("Neon lists no project of Flotilla that is {what}, or was made for it."));
        };
        let row = self.ledger.row_of_project(&item.id, id).await?;
        if !is_ours(&self.ledger.installation().await?.id, plain_name, id, row.as_ref()) {
            return conflict(format!("Project {} belongs to another installation.", item.id));
        }
        if row.is_none()
            && let Some(own) = self.project_of_namesake(item, id, plain_name).await?
        {
            return conflict(format!("Database {id} has the project {own}; {} only bears its name.", item.id));
        }
        let was_told = tag != Tag::Nobody;
        let owner = match tag {
            Tag::Owner(told) if told.id != named.id => {
                return conflict(format!("Its name on Neon says that {} holds it: it goes to nobody else.", told.id));
            }
            Tag::Owner(told) => told,
            Tag::Nobody | Tag::Somebody => match named.plan.clone() {
                Some(plan) => FoundOwner { id: named.id.clone(), email: named.email.clone(), plan },
                None => {
                    return conflict(format!(
                        "The ledger does not know the owner {}. Name their plan with --plan, and their address with --email.",
                        named.id
                    ));
                }
            },
        };
        self.marks().bring_forward().await?;
        let found = Found { item, id, plain_name, owner: &owner, was_told };
        let given = row.as_ref().map_or(id, |row| row.id);
        let refused = match row {
            Some(row) => self.give_back(&found, &row, true, by).await?,
            None => self.rebuild(&found, by).await?,
        };
        match refused {
            Some(why) if !self.is_theirs(&found).await? => conflict(why),
            _ => {
                self.marks().bring_forward().await?;
                Ok(given)
            }
        }
    }

    async fn list(&self) -> Result<Vec<ProjectItem>, RepairError> {
        let neon = self.neon();
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
                if outcome.is_some() && self.is_theirs(found).await? {
                    return Ok(());
                }
                report.note(outcome, line, |report| &mut report.given_back);
                self.compare_plan(found.owner, report).await?;
            }
            Some(row) if row.is_held_by(&found.owner.id) && !row.may_be_held_again => {
                if row.is_settled {
                    self.compare_plan(found.owner, report).await?;
                }
            }
            Some(row) => report.decide(contradiction(&line, found.item, found.owner, &row)),
            None => {
                let outcome = if apply { self.rebuild(found, by).await? } else { None };
                if outcome.is_some() && self.is_theirs(found).await? {
                    return Ok(());
                }
                report.note(outcome, line, |report| &mut report.rebuilt);
                self.compare_plan(found.owner, report).await?;
            }
        }
        Ok(())
    }

    /// The name on Neon has the plan that an owner had when it was told last, which may be after this ledger's time.
    async fn compare_plan(&self, named: &FoundOwner, report: &mut RepairReport) -> Result<(), RepairError> {
        let here = self.ledger.plan_of_old(&named.id).await?;
        if let Some(here) = here.filter(|here| *here != named.plan) {
            report.tell_plan(named, &here);
        }
        Ok(())
    }

    async fn rebuild(&self, found: &Found<'_>, by: &By) -> Result<Option<String>, RepairError> {
        let quota = self.quota_of(found).await?;
        match self.read(found.id, found).await? {
            Ok(project) => {
                refusal(self.ledger.rebuild_claimed(found.id, found.owner, &project, quota.as_ref(), by).await)
            }
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
            false => match self.read(row.id, found).await? {
                Ok(project) => Some(project),
                Err(why) => return Ok(Some(why)),
            },
        };
        let compute = match &project {
            Some(project) => project.compute,
            None => compute_of(&self.neon(), &found.item.id).await?,
        };
        let quota = self.quota_of(found).await?;
        refusal(
            self.ledger.give_back(row.id, found.owner, project.as_ref(), compute.as_ref(), quota.as_ref(), by).await,
        )
    }

    /// What the owner's quota was when it was set last. `None` where Neon was never told of the claim, and so of no quota of theirs.
    async fn quota_of(&self, found: &Found<'_>) -> Result<Option<Quota>, RepairError> {
        if !found.was_told {
            return Ok(None);
        }
        let quota = match found.item.quota {
            Some(quota) => quota,
            None => self.neon().get_project(&found.item.id).await?.quota,
        };
        Ok(Some(neon_quota::from_neon(&quota)))
    }

    fn marks(&self) -> Marks<'_> {
        Marks { ledger: &self.ledger, neon: self.neon() }
    }

    fn neon(&self) -> NeonClient {
        self.neon.0.with_class(Class::Reconcile).with_deadline(CALL_DEADLINE)
    }

    /// Whether somebody else has given it to them meanwhile.
    async fn is_theirs(&self, found: &Found<'_>) -> Result<bool, RepairError> {
        let row = self.ledger.row_of_project(&found.item.id, found.id).await?;
        Ok(row.is_some_and(|row| row.state == DatabaseState::Claimed && row.is_held_by(&found.owner.id)))
    }

    async fn read(&self, id: Uuid, found: &Found<'_>) -> Result<Result<RebuiltProject, String>, RepairError> {
        let lacking = Lacking::of_item(id, found.plain_name, found.item);
        Ok(rebuild(&self.neon(), &self.secrets, &lacking).await?)
    }
}

/// A project with an owner in its name.
struct Found<'a> {
    item: &'a ProjectItem,
    id: Uuid,
    plain_name: &'a str,
    owner: &'a FoundOwner,
    /// Neon was told of the claim, in the name, and so of the quota.
    was_told: bool,
}

/// Whether the project is this installation's to judge: its name says so or, where it bears no installation's id, its row does. What was copied from
/// another installation, or bears the id of one, remains that one's.
fn is_ours(installation: &str, plain_name: &str, id: Uuid, row: Option<&KnownRow>) -> bool {
    match row {
        Some(row) => !row.is_copied && !bears_another_id(installation, plain_name),
        None => plain_name == format!("flotilla-{installation}-{id}"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_installation_holds_is_not_taken_over() {
        let id = Uuid::from_u128(7);
        let row = |is_copied| {
            Some(KnownRow {
                id,
                state: DatabaseState::Claimed,
                owner_id: None,
                has_credentials: true,
                knows_its_project: true,
                is_copied,
                may_be_held_again: false,
                is_settled: true,
            })
        };
        let ours = format!("flotilla-13ae773e-{id}");
        let (theirs, unsigned) = (format!("flotilla-557daf0f-{id}"), format!("flotilla-{id}"));
        let judge = |name: &str, row: Option<KnownRow>| is_ours("13ae773e", name, id, row.as_ref());
        assert!(judge(&ours, None) && judge(&ours, row(false)) && judge(&unsigned, row(false)));
        assert!(!judge(&theirs, None) && !judge(&unsigned, None) && !judge(&theirs, row(true)));
        assert!(!judge(&ours, row(true)) && !judge(&unsigned, row(true)) && !judge(&theirs, row(false)));
    }
}
