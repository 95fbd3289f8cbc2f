//! Apply: takes what is desired (quota, compute settings, suspend, resume) to Neon.

use std::{sync::Arc, time::Duration};

use super::{Duty, Inner, Report, crash, crash::CrashPoint, neon_quota, owner_tag::name_with_owner, setback::back_off};
use fleet_types::EndpointAction;
use ledger::{Backoff, By, DueChange, LedgerError};
use neon_client::{Class, ComputeSettings, NeonClient, NeonError};
use probe::uri::UriError;
use secrets::SecretsError;

const AT_ONCE: usize = 16;
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Longer than the calls of one row.
pub(super) const LEASE_SECONDS: f64 = 160.0;

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

    /// Calls Neon and writes down what came of it. With the inner error the row stays due.
    pub(super) async fn apply_row(
        &self,
        neon: &NeonClient,
        row: &DueChange,
    ) -> Result<Result<(), ApplyError>, LedgerError> {
        let by = By::duty(Duty::Apply.name());
        crash::here(CrashPoint::ChangeLeased);
        match self.make_all(neon, row).await {
            Ok((endpoint_state, credentials)) => {
                self.ledger.record_applied(row, endpoint_state, credentials.as_deref(), &by).await?;
                crash::here(CrashPoint::ChangeRecorded);
                Ok(Ok(()))
            }
            Err(error) => {
                let backoff = match &error {
                    ApplyError::Neon(neon) => back_off(neon, 1.0, 60.0),
                    _ => Backoff { base_seconds: 1.0, cap_seconds: 60.0, counts: true },
                };
                self.ledger.postpone(row.id, row.lease, Some(&error.to_string()), backoff).await?;
                crash::here(CrashPoint::ChangePostponed);
                Ok(Err(error))
            }
        }
    }

    /// Settings first, a new password last: it is what others notice.
    async fn make_all(
        &self,
        neon: &NeonClient,
        row: &DueChange,
    ) -> Result<(Option<&'static str>, Option<Vec<u8>>), ApplyError> {
        // Told with every change: the sealed part differs each time, what it says does not.
        let name = row.owner.as_ref().map(|owner| name_with_owner(&self.secrets, row.id, &row.project_name, owner));
        let endpoint_state = make_change(neon, row, name.as_deref()).await?;
        let credentials = match &row.reset {
            Some(reset) => Some(self.reset_password(neon, row, reset).await?),
            None => None,
        };
        Ok((endpoint_state, credentials))
    }
}

/// Every call of it may be repeated. Answers the endpoint's state that an action leads to.
async fn make_change(
    neon: &NeonClient,
    row: &DueChange,
    name: Option<&str>,
) -> Result<Option<&'static str>, NeonError> {
    let quota = row.quota.as_ref().map(neon_quota::to_neon);
    if row.settings_differ && (quota.is_some() || name.is_some()) {
        neon.update_project(&row.project_id, quota.as_ref(), name).await?;
        crash::here(CrashPoint::QuotaTaken);
    }
    if row.compute_differs {
        let settings = ComputeSettings { size: row.size, suspend_timeout_seconds: row.suspend_timeout_seconds };
        neon.update_endpoint(&row.project_id, &row.endpoint_id, &settings).await?;
        crash::here(CrashPoint::ComputeTaken);
    }
    let endpoint_state = match row.endpoint_action {
        None => None,
        Some(EndpointAction::Suspend) => {
            neon.suspend_endpoint(&row.project_id, &row.endpoint_id).await?;
            crash::here(CrashPoint::EndpointSuspended);
            Some("idle")
        }
        Some(EndpointAction::Resume) => {
            neon.start_endpoint(&row.project_id, &row.endpoint_id).await?;
            crash::here(CrashPoint::EndpointStarted);
            Some("active")
        }
    };
    // Last and alone: Neon refuses what its own plan does not have, and that must not keep quota and owner from the project. It locks it for a moment, too.
    if let Some(seconds) = row.history_retention_seconds {
        neon.set_history_retention(&row.project_id, seconds).await?;
        crash::here(CrashPoint::RetentionTaken);
    }
    Ok(endpoint_state)
}
