//! Apply: takes what was wished for (quota, compute settings, suspend, resume) to Neon.

use std::{sync::Arc, time::Duration};

use super::{Duty, Inner, Report, crash, crash::CrashPoint, owner_tag::name_with_owner};
use crate::{
    server::{
        ledger::{Backoff, By, DueChange, LedgerError},
        neon::{Class, ComputeSettings, NeonClient, NeonError},
        trace,
    },
    types::EndpointWish,
};

const AT_ONCE: usize = 16;
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// Longer than the three calls of one row.
pub(super) const LEASE_SECONDS: f64 = 100.0;

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
            let wished_by = row.request_id.clone();
            let work = async move { engine.apply_row(&neon, &row).await };
            tasks.spawn(trace::carry_on(wished_by.as_deref(), work));
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

    /// Calls Neon and writes down what came of it. The inner error is Neon's; the row then stays due.
    pub(super) async fn apply_row(
        &self,
        neon: &NeonClient,
        row: &DueChange,
    ) -> Result<Result<(), NeonError>, LedgerError> {
        let by = By::duty(Duty::Apply.name());
        crash::here(CrashPoint::ChangeLeased);
        // Told with every change: the sealed part differs each time, what it says does not.
        let name = row.owner.as_ref().map(|owner| name_with_owner(&self.secrets, row.id, &row.project_name, owner));
        match make_change(neon, row, name.as_deref()).await {
            Ok(endpoint_state) => {
                self.ledger.record_applied(row, endpoint_state, &by).await?;
                crash::here(CrashPoint::ChangeRecorded);
                Ok(Ok(()))
            }
            Err(error) => {
                let base_seconds = error.retry_after().map_or(1.0, |wait| wait.as_secs_f64());
                let counts = !error.is_held_back() && !matches!(error, NeonError::RateLimited { .. });
                self.ledger
                    .postpone(
                        row.id,
                        row.lease,
                        Some(&error.to_string()),
                        Backoff { base_seconds, cap_seconds: base_seconds.max(60.0), counts },
                    )
                    .await?;
                crash::here(CrashPoint::ChangePostponed);
                Ok(Err(error))
            }
        }
    }
}

/// Every call of it may be repeated. Answers the endpoint's state that a wish leads to.
async fn make_change(
    neon: &NeonClient,
    row: &DueChange,
    name: Option<&str>,
) -> Result<Option<&'static str>, NeonError> {
    if row.settings_differ {
        neon.update_project(&row.project_id, &row.quota.into(), name).await?;
        crash::here(CrashPoint::QuotaTaken);
    }
    if row.compute_differs {
        let settings = ComputeSettings {
            min_cu: row.min_cu,
            max_cu: row.max_cu,
            suspend_timeout_seconds: row.suspend_timeout_seconds,
        };
        neon.update_endpoint(&row.project_id, &row.endpoint_id, &settings).await?;
        crash::here(CrashPoint::ComputeTaken);
    }
    match row.wish {
        None => Ok(None),
        Some(EndpointWish::Suspend) => {
            neon.suspend_endpoint(&row.project_id, &row.endpoint_id).await?;
            crash::here(CrashPoint::EndpointSuspended);
            Ok(Some("idle"))
        }
        Some(EndpointWish::Resume) => {
            neon.start_endpoint(&row.project_id, &row.endpoint_id).await?;
            crash::here(CrashPoint::EndpointStarted);
            Ok(Some("active"))
        }
    }
}
