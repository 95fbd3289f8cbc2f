//! What an operator asks for about a finding. It is done at once, ahead of background work, or refused with the reason; the brake does not hold it.

use std::time::Duration;

use serde_json::json;

use super::{
    remediate::{LEASE_SECONDS, Step, backoff},
    unattended::Unproven,
};
use crate::{
    Duty, Engine,
    contents::{Look, LookError, Otherwise, look},
    interactive::UNCERTAIN,
    neon_quota,
    owner_tag::{Tag, UNKNOWN_EMAIL, bears_another_id, read_name},
    rebuild::{Lacking, compute_of, rebuild},
};
use fleet_types::{AppError, Finding, FindingAction, Outcome, Resolution, text};
use ledger::{AdoptedProject, By, Clearance, DueFinding, FoundOwner, KnownRow, LedgerError, Mended};
use neon_client::{Class, NeonClient, NeonError, Project};
use probe::ProbeError;

/// How long a person waits for one call, and for a sleeping database to wake.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// What to do about a project that may be somebody's.
const OTHERWISE: Otherwise = Otherwise {
    held: "If the name is wrong, choose to delete it anyway.",
    filled: "Find out whose it is. If it may be deleted whatever is in it, choose to delete it anyway.",
};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum FindingError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Neon(#[from] NeonError),
    #[error("The database could not be looked into: {0}. Try again in a moment.")]
    Probe(#[from] ProbeError),
    #[error("{0}")]
    Refused(String),
}

impl From<LookError> for FindingError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Neon(error) => Self::Neon(error),
            LookError::Probe(error) => Self::Probe(error),
            error @ LookError::NoEndpoint => Self::Refused(error.to_string()),
        }
    }
}

impl From<FindingError> for AppError {
    fn from(error: FindingError) -> Self {
        match error {
            FindingError::Ledger(error) => error.into(),
            FindingError::Neon(error) if error.is_worth_retrying() => {
                Self::Busy { message: error.to_string(), retry_after_seconds: 5 }
            }
            error @ (FindingError::Neon(_) | FindingError::Probe(_) | FindingError::Refused(_)) => {
                Self::Conflict(error.to_string())
            }
        }
    }
}

impl Engine {
    /// Puts an orphan into the pool, if it is proven that nobody holds it.
    ///
    /// # Errors
    /// [`FindingError`], with a text for the operator.
    pub async fn adopt_finding(&self, id: i64, by: &By) -> Result<Outcome, FindingError> {
        let (due, _) = self.take(id, FindingAction::Adopt).await?;
        let adopted = self.adopt(&due, by).await;
        self.let_go_after(&due, &adopted).await?;
        adopted?;
        self.inner.nudge(Duty::Provision);
        Ok(Outcome::Pending(String::from("The engine makes sure that it answers, and then puts it into the pool.")))
    }

    async fn adopt(&self, due: &DueFinding, by: &By) -> Result<(), FindingError> {
        let neon = self.for_support();
        let project = neon.get_project(due.project_id.as_deref().unwrap_or_default()).await?;
        match self.inner.why_held(&neon, due, &project).await? {
            None => {}
            Some(Unproven::Held(why)) => {
                self.inner.ledger.hand_over_finding(due, &why, None).await?;
                return Err(FindingError::Refused(format!(
                    "{why} It cannot go into the pool. Find out whose it is; delete it, or ignore it with a reason."
                )));
            }
            Some(Unproven::Unseen(error)) => return Err(error.into()),
        }
        let found =
            AdoptedProject { name: &project.name, region_id: &project.region_id, pg_version: project.pg_version };
        self.inner.ledger.adopt_orphan(due, &found, by).await?;
        Ok(())
    }

    /// Deletes the project on Neon now, if its name gives it to nobody and nothing is in it, or in any case if it may go `anyway`. `confirmation` must be its
    /// name.
    ///
    /// # Errors
    /// [`FindingError`], with a text for the operator.
    pub async fn delete_finding(
        &self,
        id: i64,
        confirmation: &str,
        anyway: bool,
        by: &By,
    ) -> Result<Outcome, FindingError> {
        let name = self.inner.ledger.finding(id).await?.title();
        if text::visible(confirmation.trim()) != text::visible(name.trim()) {
            return Err(
                LedgerError::Invalid { field: "confirmation", message: format!("Type {name} to confirm.") }.into()
            );
        }
        let (due, _) = self.take(id, FindingAction::Delete).await?;
        let cleared = self.clear(&due, anyway).await;
        self.let_go_after(&due, &cleared).await?;
        self.delete(&due, cleared?, by).await
    }

    /// Looks into it, unless it may go whatever is in it.
    async fn clear(&self, due: &DueFinding, anyway: bool) -> Result<Clearance, FindingError> {
        let Some(project_id) = due.project_id.as_deref().filter(|_| !anyway) else { return Ok(Clearance::Anyway) };
        self.inner.ledger.note_probe(due).await?;
        let neon = self.for_support();
        let why = match look(&neon, &self.inner.secrets, project_id, &OTHERWISE).await {
            Look::Clear => return Ok(Clearance::LookedInto),
            Look::Sign(sign) => format!("may be somebody's. {}", sign.advice(&OTHERWISE)),
            Look::Unseen(why) => why,
        };
        Err(FindingError::Refused(format!("Nothing was done: it {why}")))
    }

    async fn delete(&self, due: &DueFinding, clearance: Clearance, by: &By) -> Result<Outcome, FindingError> {
        match self.inner.delete_unknown(&self.for_support(), due, Some(clearance), by).await? {
            Step::Mended(mended) => {
                self.inner.ledger.resolve_finding(due, &mended, by).await?;
                match mended.how {
                    Resolution::Deleted | Resolution::Gone => Ok(Outcome::Done),
                    _ => Err(FindingError::Refused(mended.what)),
                }
            }
            Step::Failed(error) => {
                self.inner.ledger.postpone_finding(due, &error.to_string(), backoff(&error)).await?;
                Ok(Outcome::Pending(error.to_string()))
            }
            Step::Handed(why, _) => {
                self.inner.ledger.hand_over_finding(due, &why, None).await?;
                Err(FindingError::Refused(why))
            }
            Step::Postponed(why, backoff) => {
                self.inner.ledger.postpone_finding(due, &why, backoff).await?;
                Ok(Outcome::Pending(why))
            }
            Step::Awaits(what) => Ok(Outcome::Pending(what.to_owned())),
        }
    }

    /// Brings the project back on Neon.
    ///
    /// # Errors
    /// [`FindingError`], with a text for the operator.
    pub async fn recover_finding(&self, id: i64, by: &By) -> Result<Outcome, FindingError> {
        if !self.inner.ledger.may_change_neon().await? {
            return Err(FindingError::Refused(format!("Nothing was done. {UNCERTAIN} Try again in a moment.")));
        }
        let (due, _) = self.take(id, FindingAction::Recover).await?;
        let recovered = self.for_support().recover_project(due.project_id.as_deref().unwrap_or_default()).await;
        let recovered = recovered.map_err(|error| match error {
            NeonError::NotFound { .. } => FindingError::Refused(String::from(
                "Neon does not keep this project any more: it can be recovered for 7 days after its deletion only.",
            )),
            error => error.into(),
        });
        self.let_go_after(&due, &recovered).await?;
        recovered?;
        self.inner.ledger.record_recovered(&due, by).await?;
        Ok(Outcome::Done)
    }

    /// Gives a deleted database that is alive on Neon back to the owner who had it, or to whom its name gives it.
    ///
    /// # Errors
    /// [`FindingError`], with a text for the operator.
    pub async fn take_back_finding(&self, id: i64, by: &By) -> Result<Outcome, FindingError> {
        let (due, _) = self.take(id, FindingAction::TakeBack).await?;
        let taken = self.take_back(&due, by).await;
        self.let_go_after(&due, &taken).await?;
        taken?;
        self.inner.nudge(Duty::Apply);
        Ok(Outcome::Done)
    }

    async fn take_back(&self, due: &DueFinding, by: &By) -> Result<(), FindingError> {
        let (neon, ledger) = (self.for_support(), &self.inner.ledger);
        let project = neon.get_project(due.project_id.as_deref().unwrap_or_default()).await?;
        let Some(row) = ledger.row_of_project(&project.id, due.database_id.unwrap_or_default()).await? else {
            return Err(FindingError::Refused(String::from("No row of the ledger knows the project any more.")));
        };
        let installation = ledger.installation().await?.id;
        let named = read_name(&self.inner.secrets, &project.name);
        if named.is_some_and(|(_, plain_name, _)| bears_another_id(&installation, plain_name)) {
            return Err(FindingError::Refused(String::from("Its name on Neon bears another installation's id.")));
        }
        let owner = self.owner_of(&row, &project).await?;
        let lacks = match row.has_credentials {
            true => None,
            false => {
                let found = rebuild(&neon, &self.inner.secrets, &Lacking::of(row.id, &project)).await?;
                Some(found.map_err(FindingError::Refused)?)
            }
        };
        let compute = match &lacks {
            Some(project) => project.compute,
            None => compute_of(&neon, &project.id).await?,
        };
        let quota = neon_quota::from_neon(&project.quota);
        Ok(ledger.give_back(row.id, &owner, lacks.as_ref(), compute.as_ref(), Some(&quota), by).await?)
    }

    /// Who had it, or has it by its name.
    async fn owner_of(&self, row: &KnownRow, project: &Project) -> Result<FoundOwner, FindingError> {
        let tag = read_name(&self.inner.secrets, &project.name).map_or(Tag::Nobody, |(.., tag)| tag);
        let by_hand = format!("`flotilla ledger give-back {} --owner ID`", project.id);
        let why = match (row.owner_id.clone(), tag) {
            (Some(had), Tag::Owner(named)) if had != named.id => {
                format!(
                    "It was {had}'s in this ledger, and its name on Neon says that {} holds it. Ask whose it is. Ignore it until you know.",
                    named.id
                )
            }
            (Some(id), _) => {
                let plan = self.inner.ledger.plan_of(&id).await?.unwrap_or_default();
                return Ok(FoundOwner { id, email: String::from(UNKNOWN_EMAIL), plan });
            }
            (None, Tag::Owner(named)) => return Ok(named),
            (None, Tag::Somebody) => format!(
                "It had no owner in this ledger, and its name on Neon says that somebody holds it, but not who. Ask whose it is, and give it to them: {by_hand}."
            ),
            (None, Tag::Nobody) => format!(
                "It had no owner in this ledger, and its name on Neon tells none. If you know whose it is, give it to them: {by_hand}. Else delete it, or ignore it."
            ),
        };
        Err(FindingError::Refused(why))
    }

    /// Sends the ledger's quota to Neon again.
    ///
    /// # Errors
    /// [`FindingError`], with a text for the operator.
    pub async fn reapply_finding(&self, id: i64, by: &By) -> Result<Outcome, FindingError> {
        let (due, finding) = self.take(id, FindingAction::Reapply).await?;
        let (Some(database), Some((on_neon, _))) = (due.database_id, finding.quotas()) else { return Err(no_quota()) };
        if !self.inner.ledger.reapply_quota(database, &json!(on_neon), by).await? {
            self.inner.ledger.let_go(&due).await?;
            return Err(FindingError::Refused(String::from("The database is not in use any more.")));
        }
        self.inner.ledger.await_effect(&due, "An operator had the ledger's quota sent to Neon again.").await?;
        Ok(self.apply_now(database).await)
    }

    /// Makes the quota that Neon has the wanted one.
    ///
    /// # Errors
    /// [`FindingError`], with a text for the operator.
    pub async fn accept_finding(&self, id: i64, by: &By) -> Result<Outcome, FindingError> {
        let (due, finding) = self.take(id, FindingAction::Accept).await?;
        let (Some(database), Some((on_neon, _))) = (due.database_id, finding.quotas()) else { return Err(no_quota()) };
        let accepted = self.inner.ledger.set_quota(database, &on_neon, by).await.map_err(FindingError::from);
        self.let_go_after(&due, &accepted).await?;
        accepted?;
        let mended = Mended::new(Resolution::Accepted, "Neon's quota is the wanted one now.");
        self.inner.ledger.resolve_finding(&due, &mended, by).await?;
        Ok(self.apply_now(database).await)
    }

    /// The brake was lifted: act on what waits.
    pub fn nudge_reconcile(&self) {
        self.inner.nudge(Duty::Reconcile);
    }

    async fn take(&self, id: i64, action: FindingAction) -> Result<(DueFinding, Finding), FindingError> {
        Ok(self.inner.ledger.take_finding(id, action, LEASE_SECONDS).await?)
    }

    /// What was refused is free for the next who acts.
    async fn let_go_after<T>(&self, due: &DueFinding, result: &Result<T, FindingError>) -> Result<(), FindingError> {
        if result.is_err() {
            self.inner.ledger.let_go(due).await?;
        }
        Ok(())
    }

    fn for_support(&self) -> NeonClient {
        self.inner.neon.with_class(Class::Support).with_deadline(CALL_DEADLINE)
    }
}

fn no_quota() -> FindingError {
    FindingError::Refused(String::from("The finding does not tell the quotas. Wait for the next sweep."))
}
