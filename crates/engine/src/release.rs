//! Release: deletes what was given up, and what failed on its way to the pool once its evidence has been kept for a while. A project that Neon does not
//! know any more counts as deleted. What nobody is known to have held, and may have been handed out all the same, is looked into first, whoever gave it up.
//! What its name gives to an owner, what is not empty, and what Neon refuses to delete, as it does while a branch is protected, stays `releasing` with the
//! reason and is tried again ever more seldom.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    Duty, Inner, Report,
    clearance::OTHERWISE,
    contents::{LookError, sign_of_use},
    crash,
    crash::CrashPoint,
    setback::back_off,
};
use ledger::{Backoff, By, DueRelease, LedgerError};
use neon_client::{Class, NeonClient, NeonError};
use secrets::Secrets;

const AT_ONCE: usize = 16;
/// Failed creations that are given up in one run.
const FAILED_AT_ONCE: i64 = 100;
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Longer than the calls, and the looks, of all rows that are taken at once usually take; whoever loses it writes nothing.
const LEASE_SECONDS: f64 = 240.0;
/// Tries to look into a database until it counts as one that cannot be looked into.
const LOOKS: i32 = 4;
/// A creation that was never answered may still be under way: absence counts when it is seen twice, this far apart.
const LOOK_AGAIN: Backoff = Backoff { base_seconds: 120.0, cap_seconds: 120.0, counts: true };

/// What a person does about one that an older ledger was to delete.
const HELD_AGAIN: &str = "It was given up before this ledger was found to be old, and lives on Neon: it may have been given back since. If it may go, release it once more.";

/// Why it is not deleted yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotDeleted {
    #[error(transparent)]
    Neon(#[from] NeonError),
    #[error("It could not be looked into yet: {0}")]
    NotLookedInto(LookError),
    /// It is not proven to be empty.
    #[error("{0}")]
    Kept(String),
    #[error("It is not this process's to delete any more.")]
    LeaseLost,
}

impl NotDeleted {
    /// Trying again soon would change nothing.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Neon(error) => error.is_refusal(),
            Self::NotLookedInto(_) | Self::LeaseLost => false,
            Self::Kept(_) => true,
        }
    }

    fn backoff(&self) -> Backoff {
        let (base_seconds, cap_seconds) = (2.0, 300.0);
        match self {
            Self::Neon(error) | Self::NotLookedInto(LookError::Neon(error)) => {
                back_off(error, base_seconds, cap_seconds)
            }
            _ => Backoff { base_seconds, cap_seconds, counts: !matches!(self, Self::LeaseLost) },
        }
    }
}

impl Inner {
    pub(super) async fn release(self: &Arc<Self>) -> Report {
        let limit = if self.neon_is_failing() { 1 } else { AT_ONCE };
        let neon = self.neon.with_class(Class::Apply).with_deadline(CALL_DEADLINE);
        let (kept_for, by) = (self.settings.failed_kept_for.as_secs_f64(), By::duty(Duty::Release.name()));
        if let Err(error) = self.ledger.release_failed(kept_for, FAILED_AT_ONCE, &by).await {
            return Report::ledger_failed(&error);
        }
        let rows = match self.ledger.take_due_releases(None, limit as i64, LEASE_SECONDS).await {
            Ok(rows) => rows,
            Err(error) => return Report::ledger_failed(&error),
        };
        let mut report = Report { more_is_due: rows.len() == AT_ONCE, ..Report::idle() };
        for row in rows {
            match trace::carry_on(row.request_id.as_deref(), self.release_row(&neon, &row)).await {
                Ok(Ok(())) => report.count("deleted"),
                Ok(Err(error)) => {
                    report.postponed += 1;
                    report.error = Some(error.to_string());
                }
                Err(error) => return Report::ledger_failed(&error),
            }
        }
        report
    }

    /// Takes this row if it is free, deletes its project, and answers whether there was anything to do.
    pub(super) async fn release_one(
        &self,
        neon: &NeonClient,
        id: Uuid,
    ) -> Result<Option<Result<(), NotDeleted>>, LedgerError> {
        match self.ledger.take_due_releases(Some(id), 1, LEASE_SECONDS).await?.pop() {
            Some(row) => Ok(Some(self.release_row(neon, &row).await?)),
            None => Ok(None),
        }
    }

    async fn release_row(&self, neon: &NeonClient, row: &DueRelease) -> Result<Result<(), NotDeleted>, LedgerError> {
        crash::here(CrashPoint::ReleaseLeased);
        match self.delete(neon, row).await? {
            Ok(Found::Nothing) if row.attempts == 0 => {
                self.ledger.postpone(row.id, row.lease, None, LOOK_AGAIN).await?;
                crash::here(CrashPoint::ReleasePostponed);
                Ok(Ok(()))
            }
            Ok(_) => {
                self.ledger.record_deleted(row, &By::duty(Duty::Release.name())).await?;
                crash::here(CrashPoint::DeletionRecorded);
                Ok(Ok(()))
            }
            Err(error) if error.is_refusal() => {
                let by = By::duty(Duty::Release.name());
                self.ledger.record_release_refused(row, &error.to_string(), &by).await?;
                crash::here(CrashPoint::ReleasePostponed);
                Ok(Err(error))
            }
            Err(error) => {
                self.ledger.postpone(row.id, row.lease, Some(&error.to_string()), error.backoff()).await?;
                crash::here(CrashPoint::ReleasePostponed);
                Ok(Err(error))
            }
        }
    }
}

/// What there was to delete.
enum Found {
    Project,
    Nothing,
}

impl Inner {
    async fn delete(&self, neon: &NeonClient, row: &DueRelease) -> Result<Result<Found, NotDeleted>, LedgerError> {
        let id = match project_to_delete(neon, &self.secrets, row).await {
            Ok(Some(id)) => id,
            Ok(None) => return Ok(Ok(Found::Nothing)),
            Err(error) => return Ok(Err(error)),
        };
        // The looks take their time, and whoever was stopped meanwhile comes back to another world.
        if !self.ledger.is_release_due(row).await? {
            return Ok(Err(NotDeleted::LeaseLost));
        }
        if let Err(error) = neon.delete_project(&id).await {
            return Ok(Err(error.into()));
        }
        crash::here(CrashPoint::ProjectDeleted);
        Ok(Ok(Found::Project))
    }
}

/// The project, once nothing speaks against its deletion. A row that failed before its project was known may have one all the same: it is looked up by name.
async fn project_to_delete(
    neon: &NeonClient,
    secrets: &Secrets,
    row: &DueRelease,
) -> Result<Option<String>, NotDeleted> {
    let id = match &row.project_id {
        Some(id) => Some(id.clone()),
        None => {
            let found = neon.find_project_by_name(&row.project_name).await?;
            crash::here(CrashPoint::NameLookedUp);
            found.map(|project| project.id)
        }
    };
    if let Some(id) = &id {
        if row.may_be_held_again {
            prove_gone(neon, id).await?;
        }
        if row.must_be_empty {
            prove_unheld(neon, secrets, id, row.attempts).await?;
        }
    }
    Ok(id)
}

/// What an older ledger was to delete is deleted by now, or somebody has brought it back.
async fn prove_gone(neon: &NeonClient, project_id: &str) -> Result<(), NotDeleted> {
    match neon.get_project(project_id).await {
        Err(NeonError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(NotDeleted::Kept(String::from(HELD_AGAIN))),
    }
}

/// Nothing that may be somebody's is deleted. That the project is gone proves it, too.
async fn prove_unheld(neon: &NeonClient, secrets: &Secrets, project_id: &str, attempts: i32) -> Result<(), NotDeleted> {
    match sign_of_use(neon, secrets, project_id).await {
        Ok(None) | Err(LookError::Neon(NeonError::NotFound { .. })) => Ok(()),
        Ok(Some(sign)) => Err(NotDeleted::Kept(sign.advice(&OTHERWISE))),
        Err(LookError::Neon(error)) if error.is_worth_retrying() => Err(error.into()),
        Err(error) if error.is_passing() && attempts < LOOKS => Err(NotDeleted::NotLookedInto(error)),
        Err(error) => Err(NotDeleted::Kept(format!(
            "It could not be looked into, so it is not proven to be empty: {error} {}",
            OTHERWISE.filled
        ))),
    }
}
