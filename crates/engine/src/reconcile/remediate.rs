//! The duty: acts on findings that are due. Each project is looked at once more by its id before anything changes.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::bears_our_prefix;
use crate::{CrashPoint, Duty, Inner, Report, crash, neon_quota, setback::back_off};
use fleet_types::{FindingKind, Resolution, Time};
use ledger::{Backoff, By, Clearance, DueFinding, LedgerError, Mended, Retired, Taken};
use neon_client::{Class, NeonClient, NeonError};

const AT_ONCE: usize = 8;
/// Until a start has seen its mark on Neon.
const UNTIL_PROVEN: Backoff = Backoff { base_seconds: 5.0, cap_seconds: 60.0, counts: false };
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Longer than the calls of all findings that are taken at once.
pub(super) const LEASE_SECONDS: f64 = 600.0;
/// How long Neon keeps a deleted project.
const RECOVERABLE: TimeDelta = TimeDelta::days(7);

/// How acting on a finding ended when the ledger did as asked.
pub(super) enum Step {
    Mended(Mended),
    /// The next complete sweep shows whether it helped.
    Awaits(&'static str),
    /// A person must decide; until when Neon can bring the project back.
    Handed(String, Option<Time>),
    Failed(NeonError),
    /// Not now, for a reason of our own.
    Postponed(String, Backoff),
}

impl Step {
    fn gone(what: &str) -> Self {
        Self::Mended(Mended::new(Resolution::Gone, what))
    }

    fn deleted(what: &str) -> Self {
        let recoverable_until = Some(Utc::now() + RECOVERABLE);
        Self::Mended(Mended { recoverable_until, ..Mended::new(Resolution::Deleted, what) })
    }
}

impl Inner {
    pub(crate) async fn reconcile(self: &Arc<Self>) -> Report {
        if self.neon_is_failing() {
            return Report::idle();
        }
        let mut report = match self.remediate_due().await {
            Ok(report) => report,
            Err(error) => return Report::ledger_failed(&error),
        };
        match self.look_into_withheld().await {
            Ok(looked) => report.add(looked),
            Err(error) => return Report::ledger_failed(&error),
        }
        report
    }

    async fn remediate_due(&self) -> Result<Report, LedgerError> {
        let (by, rules) = (By::duty(Duty::Reconcile.name()), &self.settings.findings);
        let due = match self.ledger.take_due_findings(AT_ONCE as i64, LEASE_SECONDS, rules, &by).await? {
            Taken::Due(due) => due,
            Taken::Braked(brake) => {
                let sentence = brake.sentence();
                tracing::error!(findings.due = brake.due, findings.cap = brake.cap, "the brake is on: {sentence}");
                return Ok(Report {
                    postponed: brake.due.unsigned_abs(),
                    error: Some(format!("the brake is on. {sentence}")),
                    ..Report::idle()
                });
            }
        };
        if !due.is_empty() {
            crash::here(CrashPoint::FindingsTaken);
        }
        let mut report = Report { more_is_due: due.len() == AT_ONCE, ..Report::idle() };
        let neon = self.neon.with_class(Class::Reconcile).with_deadline(CALL_DEADLINE);
        for finding in due {
            let step = self.remediate(&neon, &finding, &by).await?;
            self.note_step(&finding, step, &by, &mut report).await?;
            crash::here(CrashPoint::FindingSettled);
        }
        Ok(report)
    }

    async fn remediate(&self, neon: &NeonClient, due: &DueFinding, by: &By) -> Result<Step, LedgerError> {
        match due.kind {
            FindingKind::Orphan | FindingKind::Twin => self.delete_unknown(neon, due, None, by).await,
            FindingKind::Zombie => {
                Ok(Step::Handed(String::from("It was deleted, and lives again: somebody has brought it back."), None))
            }
            FindingKind::Ghost => self.look_for_ghost(neon, due, by).await,
            FindingKind::HalfBorn => self.end_creation(neon, due, by).await,
            FindingKind::Drifted => self.send_quota_again(neon, due, by).await,
            FindingKind::Stray => Ok(Step::Handed(String::from("It is not ours."), None)),
        }
    }

    async fn note_step(&self, due: &DueFinding, step: Step, by: &By, report: &mut Report) -> Result<(), LedgerError> {
        match step {
            Step::Mended(mended) => {
                report.count(mended.how.as_str());
                self.ledger.resolve_finding(due, &mended, by).await?;
            }
            Step::Awaits(what) => {
                report.count("set right");
                self.ledger.await_effect(due, what).await?;
            }
            Step::Handed(why, recoverable_until) => {
                report.count("left to an operator");
                self.ledger.hand_over_finding(due, &why, recoverable_until).await?;
            }
            Step::Failed(error) => {
                report.postponed += 1;
                report.error = Some(error.to_string());
                self.ledger.postpone_finding(due, &error.to_string(), backoff(&error)).await?;
            }
            Step::Postponed(why, backoff) => {
                report.postponed += 1;
                self.ledger.postpone_finding(due, &why, backoff).await?;
                report.error = Some(why);
            }
        }
        Ok(())
    }

    /// Deletes a project that the ledger does not know, or says is deleted, if that is still so. Without a person's clearance only if it is proven that nobody
    /// holds it.
    pub(super) async fn delete_unknown(
        &self,
        neon: &NeonClient,
        due: &DueFinding,
        clearance: Option<Clearance>,
        by: &By,
    ) -> Result<Step, LedgerError> {
        let Some(project_id) = &due.project_id else { return Ok(Step::gone("It names no project.")) };
        if let Some(step) = self.why_not_now().await? {
            return Ok(step);
        }
        let project = match neon.get_project(project_id).await {
            Ok(project) => project,
            Err(NeonError::NotFound { .. }) if due.was_acted_on => {
                return Ok(Step::deleted("Neon has deleted the project."));
            }
            Err(NeonError::NotFound { .. }) => return Ok(Step::gone("Neon no longer has the project.")),
            Err(error) => return Ok(Step::Failed(error)),
        };
        if !bears_our_prefix(&project.name) || Some(&project.name) != due.project_name.as_ref() {
            return Ok(Step::Handed(format!("It has another name now: {}.", project.name), None));
        }
        if clearance.is_none()
            && let Some(step) = self.why_not_by_itself(neon, due, &project).await?
        {
            return Ok(step);
        }
        // The look takes its time.
        if let Some(step) = self.why_not_now().await? {
            return Ok(step);
        }
        if !self.ledger.mark_deleting(due, clearance, by).await? {
            return Ok(Step::Mended(Mended::new(Resolution::Adopted, "A row of the ledger knows the project by now.")));
        }
        crash::here(CrashPoint::DeletionMarked);
        match neon.delete_project(project_id).await {
            Ok(_) => {
                crash::here(CrashPoint::UnknownDeleted);
                tracing::info!(
                    neon.project_id = project_id,
                    neon.project_name = project.name,
                    finding.kind = due.kind.as_str(),
                    "deleted a project that the ledger does not know"
                );
                Ok(Step::deleted("Neon has deleted the project."))
            }
            // As it does while a branch is protected: trying again helps only after somebody has acted on Neon.
            Err(error) if error.is_refusal() => Ok(Step::Handed(error.to_string(), None)),
            Err(error) => Ok(Step::Failed(error)),
        }
    }

    /// Nothing is deleted by a ledger that may be old.
    async fn why_not_now(&self) -> Result<Option<Step>, LedgerError> {
        if self.ledger.safe_mode().await?.is_some() {
            let why = "Safe mode: nothing is deleted until an operator has ended it.";
            return Ok(Some(Step::Handed(String::from(why), None)));
        }
        if !self.ledger.may_delete().await? {
            let why = "Nothing is deleted before a start has seen on Neon that this ledger is current.";
            return Ok(Some(Step::Postponed(String::from(why), UNTIL_PROVEN)));
        }
        Ok(None)
    }

    /// The list did not show the project of a living database: is it really gone?
    async fn look_for_ghost(&self, neon: &NeonClient, due: &DueFinding, by: &By) -> Result<Step, LedgerError> {
        let (Some(project_id), Some(id)) = (&due.project_id, due.database_id) else {
            return Ok(Step::gone("It names no database."));
        };
        match neon.get_project(project_id).await {
            Ok(_) => return Ok(Step::gone("Neon knows the project when asked about it: the list had missed it.")),
            Err(NeonError::NotFound { .. }) => {}
            Err(error) => return Ok(Step::Failed(error)),
        }
        let why = "Its project is not on Neon any more: two complete lists and a direct question say so.";
        match self.ledger.retire_ghost(id, project_id, why, by).await? {
            Retired::Retired => {
                crash::here(CrashPoint::GhostRetired);
                self.nudge(Duty::Release);
                self.nudge(Duty::Refill);
                Ok(Step::Mended(Mended::new(
                    Resolution::Replaced,
                    "Neon answered that it does not know the project; the database was retired.",
                )))
            }
            Retired::Claimed => {
                let until = neon.recoverable_until(project_id).await.unwrap_or_default();
                Ok(Step::Handed(
                    String::from("Neon answered that it does not know the project. The database belongs to an owner."),
                    until,
                ))
            }
            Retired::Changed => Ok(Step::gone("The database has changed meanwhile.")),
        }
    }

    /// Provisioning adopts what is still being created; what has failed, or does not come to an end, is retired.
    async fn end_creation(&self, neon: &NeonClient, due: &DueFinding, by: &By) -> Result<Step, LedgerError> {
        let Some(id) = due.database_id else { return Ok(Step::gone("It names no database.")) };
        if let Some(project_id) = &due.project_id {
            match neon.get_project(project_id).await {
                Ok(_) => {}
                Err(NeonError::NotFound { .. }) => return Ok(Step::gone("Neon no longer has the project.")),
                Err(error) => return Ok(Step::Failed(error)),
            }
            if self.ledger.hurry_creation(id).await? {
                self.nudge(Duty::Provision);
                return Ok(Step::Awaits("Provisioning was told to look the project up by its name now."));
            }
        }
        let rules = &self.settings.findings;
        match self.ledger.retire_half_born(id, rules, "Its creation did not come to an end.", by).await? {
            Retired::Retired => {
                self.nudge(Duty::Release);
                self.nudge(Duty::Refill);
                Ok(Step::Mended(Mended::new(Resolution::Replaced, "The creation was given up; the pool replaces it.")))
            }
            Retired::Claimed | Retired::Changed => self.note_that_it_went_on(due, id).await,
        }
    }

    async fn note_that_it_went_on(&self, due: &DueFinding, id: Uuid) -> Result<Step, LedgerError> {
        let row = match &due.project_id {
            Some(project_id) => self.ledger.row_of_project(project_id, id).await?,
            None => None,
        };
        let how = if row.is_some_and(|row| row.knows_its_project) { Resolution::Adopted } else { Resolution::Gone };
        Ok(Step::Mended(Mended::new(how, "The creation has gone on meanwhile.")))
    }

    async fn send_quota_again(&self, neon: &NeonClient, due: &DueFinding, by: &By) -> Result<Step, LedgerError> {
        let (Some(project_id), Some(id)) = (&due.project_id, due.database_id) else {
            return Ok(Step::gone("It names no database."));
        };
        let Some(wanted) = self.ledger.settled_quota(id).await? else {
            return Ok(Step::gone("The quota is being changed."));
        };
        let on_neon = match neon.get_project(project_id).await {
            Ok(project) => neon_quota::from_neon(&project.quota),
            Err(error) => return Ok(Step::Failed(error)),
        };
        if on_neon == wanted {
            return Ok(Step::gone("Neon has the ledger's quota when asked about the project."));
        }
        if self.ledger.may_have_forgotten_quota(id).await? {
            let why = "This ledger was found to be old after it had set this quota last: Neon's may be the newer one.";
            return Ok(Step::Handed(String::from(why), None));
        }
        if !self.ledger.reapply_quota(id, &json!(on_neon), by).await? {
            return Ok(Step::gone("The database is not in use any more."));
        }
        self.nudge(Duty::Apply);
        Ok(Step::Awaits("The ledger's quota is sent to Neon again."))
    }
}

pub(super) fn backoff(error: &NeonError) -> Backoff {
    back_off(error, 30.0, 3_600.0)
}
