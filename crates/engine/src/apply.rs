//! Apply: takes what is desired (quota, compute settings, suspend, resume) to Neon.

use std::{sync::Arc, time::Duration};

use super::{Duty, Inner, Report, crash, crash::CrashPoint, neon_quota, owner_tag::name_with_owner, setback::back_off};
use fleet_types::EndpointAction;
use ledger::{Backoff, By, DueChange, LedgerError, Parts};
use neon_client::{Class, ComputeSettings, NeonClient, NeonError};
use probe::uri::UriError;
use secrets::SecretsError;

const AT_ONCE: usize = 16;
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Longer than the calls of one row.
pub(super) const LEASE_SECONDS: f64 = 160.0;
const BASE_SECONDS: f64 = 1.0;
const CAP_SECONDS: f64 = 60.0;
const LOCKED_SECONDS: f64 = 2.0;
const REFUSED_CAP_SECONDS: f64 = 6.0 * 3600.0;

/// Why a change is not made yet. The row stays due.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    #[error(transparent)]
    Neon(#[from] NeonError),
    #[error("The stored credentials cannot be opened or sealed: {0}.")]
    Secrets(#[from] SecretsError),
    #[error("The stored connection string is of no use: {0}.")]
    Uri(#[from] UriError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("Another replica has taken this change over.")]
    LeaseLost,
}

impl ApplyError {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Neon(error) if error.is_refusal())
    }

    /// What Neon refuses is tried again ever more rarely: it helps only after somebody has changed something.
    fn backoff(&self) -> Backoff {
        let cap_seconds = if self.is_refusal() { REFUSED_CAP_SECONDS } else { CAP_SECONDS };
        match self {
            // Often by what was told a moment before.
            Self::Neon(NeonError::Locked { .. }) => {
                Backoff { base_seconds: LOCKED_SECONDS, cap_seconds, counts: false }
            }
            Self::Neon(error) => back_off(error, BASE_SECONDS, cap_seconds),
            _ => Backoff { base_seconds: BASE_SECONDS, cap_seconds, counts: true },
        }
    }
}

impl Inner {
    pub(super) async fn apply(self: &Arc<Self>) -> Report {
        let limit = if self.neon_is_failing() { 1 } else { AT_ONCE };
        let rows = match self.ledger.take_due_changes(limit as i64, LEASE_SECONDS).await {
            Ok(rows) => rows,
            Err(error) => return Report::ledger_failed(&error),
        };
        let mut report = Report { more_is_due: rows.len() == AT_ONCE, ..Report::idle() };
        let neon = self.neon.with_class(Class::Apply).with_deadline(CALL_DEADLINE);
        let mut tasks = tokio::task::JoinSet::new();
        for row in rows {
            let (engine, neon) = (Arc::clone(self), neon.clone());
            let requested_by = row.request_id.clone();
            let work = async move { engine.apply_row(&neon, &row).await };
            tasks.spawn(trace::carry_on(requested_by.as_deref(), work));
        }
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok(Ok(Ok(()))) => report.count("applied"),
                Ok(Ok(Err(error))) => {
                    report.postponed += 1;
                    report.error = Some(error.to_string());
                }
                Ok(Err(error)) => return Report::ledger_failed(&error),
                Err(error) => {
                    report.failed += 1;
                    report.error = Some(error.to_string());
                }
            }
        }
        report
    }

    /// Calls Neon and writes down what came of it. With the inner error the row stays due, but for what Neon has taken.
    pub(super) async fn apply_row(
        &self,
        neon: &NeonClient,
        row: &DueChange,
    ) -> Result<Result<(), ApplyError>, LedgerError> {
        let by = By::duty(Duty::Apply.name());
        crash::here(CrashPoint::ChangeLeased);
        let mut done = Parts::default();
        match self.make_all(neon, row, &mut done).await {
            Ok(()) => {
                self.ledger.record_applied(row, &done, &by).await?;
                crash::here(CrashPoint::ChangeRecorded);
                Ok(Ok(()))
            }
            Err(error) => {
                self.ledger.record_taken(row, &done, &by).await?;
                crash::here(CrashPoint::ChangeRecordedInPart);
                self.ledger.postpone(row.id, row.lease, Some(&error.to_string()), error.backoff()).await?;
                crash::here(CrashPoint::ChangePostponed);
                Ok(Err(error))
            }
        }
    }

    /// Part by part, and each may be repeated: what Neon refuses holds up no other part. A new password comes late, because others notice it; the history last,
    /// because Neon locks the project for it.
    async fn make_all(&self, neon: &NeonClient, row: &DueChange, done: &mut Parts) -> Result<(), ApplyError> {
        let mut outcome = FirstRefusal::default();
        // Told with every change: the sealed part differs each time, what it says does not.
        let name = row.owner.as_ref().map(|owner| name_with_owner(&self.secrets, row.id, &row.project_name, owner));
        outcome.add(change_project(neon, row, name.as_deref()).await)?;
        done.compute = outcome.add(change_compute(neon, row).await)?.is_some();
        done.endpoint_action = outcome.add(start_or_stop(neon, row).await)?.flatten();
        if let Some(reset) = &row.reset {
            done.credentials = outcome.add(self.reset_password(neon, row, reset).await)?;
        }
        done.history = outcome.add(change_history(neon, row).await)?.is_some();
        outcome.end()
    }
}

/// What becomes of a change of several parts: the first refusal, when all have been tried; anything else at once.
#[derive(Default)]
struct FirstRefusal(Option<ApplyError>);

impl FirstRefusal {
    fn add<T>(&mut self, part: Result<T, impl Into<ApplyError>>) -> Result<Option<T>, ApplyError> {
        match part.map_err(Into::into) {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.is_refusal() => {
                self.0.get_or_insert(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn end(self) -> Result<(), ApplyError> {
        self.0.map_or(Ok(()), Err)
    }
}

/// Quota and owner.
async fn change_project(neon: &NeonClient, row: &DueChange, name: Option<&str>) -> Result<(), NeonError> {
    let quota = row.quota.as_ref().map(neon_quota::to_neon);
    if row.settings_differ && (quota.is_some() || name.is_some()) {
        neon.update_project(&row.project_id, quota.as_ref(), name).await?;
        crash::here(CrashPoint::QuotaTaken);
    }
    Ok(())
}

async fn change_compute(neon: &NeonClient, row: &DueChange) -> Result<(), NeonError> {
    let settings = ComputeSettings { size: row.size, suspend_timeout_seconds: row.suspend_timeout_seconds };
    if row.compute_differs && settings != ComputeSettings::default() {
        neon.update_endpoint(&row.project_id, &row.endpoint_id, &settings).await?;
        crash::here(CrashPoint::ComputeTaken);
    }
    Ok(())
}

/// Answers what was done.
async fn start_or_stop(neon: &NeonClient, row: &DueChange) -> Result<Option<EndpointAction>, NeonError> {
    match row.endpoint_action {
        None => {}
        Some(EndpointAction::Suspend) => {
            neon.suspend_endpoint(&row.project_id, &row.endpoint_id).await?;
            crash::here(CrashPoint::EndpointSuspended);
        }
        Some(EndpointAction::Resume) => {
            neon.start_endpoint(&row.project_id, &row.endpoint_id).await?;
            crash::here(CrashPoint::EndpointStarted);
        }
    }
    Ok(row.endpoint_action)
}

async fn change_history(neon: &NeonClient, row: &DueChange) -> Result<(), NeonError> {
    if let Some(seconds) = row.history_retention_seconds {
        neon.set_history_retention(&row.project_id, seconds).await?;
        crash::here(CrashPoint::RetentionTaken);
    }
    Ok(())
}
