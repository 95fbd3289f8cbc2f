//! Provision: from the request to the pool.
//!
//! Each row is carried one step at a time, by a task of its own, under a lease: ask Neon for the project (or adopt the one that an earlier,
//! unanswered call has made), make sure that it answers a connection, suspend it, put it into the pool. Two calls per database when all goes
//! well: that Neon accepts the suspension proves that the operations of its creation have ended.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::SecretString;

use super::{
    Duty, Inner, Report, crash,
    crash::CrashPoint,
    neon_quota,
    setback::{back_off, is_a_try},
};
use fleet_types::{CreationStep, DatabaseState};
use ledger::{Backoff, By, DueCreation, LedgerError, NewProjectRecord, Refusal};
use neon_client::{Class, Created, NeonClient, NeonError, NewProject};
use probe::{answers, uri};

/// Longer than the deadline of the calls and the probe of one step together.
const LEASE_SECONDS: f64 = 120.0;
const CALL_DEADLINE: Duration = Duration::from_secs(60);
const PROBE_DEADLINE: Duration = Duration::from_secs(15);
/// A new project needs about this long before it answers.
const FIRST_PROBE_AFTER_SECONDS: f64 = 3.0;
/// Tries of a step before the row is set aside as failed.
const CREATE_TRIES: i32 = 8;
const VERIFY_TRIES: i32 = 20;
/// A database that has just been made may need a few tries; from this one on, each counts for the breaker as a refused creation does.
const VERIFY_TRIES_EXPECTED: i32 = 3;
/// How soon a creation of a paused pool is looked for again.
const WHILE_PAUSED: Backoff = Backoff { base_seconds: 60.0, cap_seconds: 600.0, counts: false };

/// What became of the rows since the last report.
#[derive(Default)]
pub(super) struct Results(Mutex<Report>);

/// How a step ended when nothing went wrong on our side.
enum Step {
    Done(&'static str),
    Postponed(String, Backoff),
    Failed(String),
}

impl Inner {
    pub(super) async fn provision(self: &Arc<Self>) -> Report {
        if let Err(error) = self.serve_all_waiting().await {
            return Report::ledger_failed(&error);
        }
        // While Neon is away, one row at a time finds out whether it is back; the others keep their tries.
        let free = self.creations.available_permits();
        let limit = if self.neon_is_failing() { usize::from(free == super::CREATIONS_AT_ONCE) } else { free };
        let rows = match self
            .ledger
            .take_due_creations(limit as i64, LEASE_SECONDS, &By::duty(Duty::Provision.name()))
            .await
        {
            Ok(rows) => rows,
            Err(error) => return Report::ledger_failed(&error),
        };
        for row in rows {
            let engine = Arc::clone(self);
            let permit = Arc::clone(&self.creations).acquire_owned().await;
            self.tasks.spawn(trace::carry_on(None, async move {
                engine.carry(&row).await;
                drop(permit);
                engine.nudge(Duty::Provision);
            }));
        }
        self.creation_results.take()
    }

    async fn serve_all_waiting(&self) -> Result<(), LedgerError> {
        for pool_id in self.ledger.pools_with_waiting().await? {
            self.serve_waiting(pool_id).await?;
        }
        Ok(())
    }

    /// One step of one row, and what came of it.
    async fn carry(&self, row: &DueCreation) {
        let step = match row.state {
            DatabaseState::Creating => self.create(row).await,
            _ => self.verify(row).await,
        };
        let outcome = match step {
            Ok(step) => self.note(row, step).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            // The lease runs out, and the row is due again.
            tracing::warn!(database.id = %row.id, error = &error as &dyn std::error::Error, "could not write down a step of provisioning");
            self.creation_results.add(|report| {
                report.postponed += 1;
                report.error = Some(error.to_string());
            });
        }
    }

    async fn note(&self, row: &DueCreation, step: Step) -> Result<(), LedgerError> {
        match step {
            Step::Done(what) => self.creation_results.add(|report| report.count(what)),
            Step::Postponed(error, backoff) => {
                self.ledger.postpone(row.id, row.lease, Some(&error), backoff).await?;
                crash::here(CrashPoint::StepPostponed);
                self.creation_results.add(|report| {
                    report.postponed += 1;
                    report.error = Some(error);
                });
            }
            Step::Failed(error) => {
                crash::here(CrashPoint::FailureDecided);
                self.ledger.record_failed(row, &error, &By::duty(Duty::Provision.name())).await?;
                crash::here(CrashPoint::FailureRecorded);
                self.nudge(Duty::Refill);
                self.creation_results.add(|report| {
                    report.failed += 1;
                    report.error = Some(error);
                });
            }
        }
        Ok(())
    }

    /// `creating` → `verifying`: adopt what an unanswered call has made, else create.
    async fn create(&self, row: &DueCreation) -> Result<Step, LedgerError> {
        crash::here(CrashPoint::CreationLeased);
        let neon = self.client_for(row);
        let made = match row.asked_before {
            true => match self.adopt(&neon, &row.project_name).await {
                Ok(None) if row.is_paused => {
                    let text = "Its pool is paused, and Neon has no project of this name: it is created when the pool is resumed.";
                    return Ok(Step::Postponed(text.to_owned(), WHILE_PAUSED));
                }
                Ok(None) => {
                    crash::here(CrashPoint::NameNotFound);
                    neon.create_project(&new_project(row)).await
                }
                Ok(Some(found)) => Ok(found),
                Err(error) => Err(error),
            },
            false => neon.create_project(&new_project(row)).await,
        };
        match made {
            Ok(made) => self.record_created(row, &made).await,
            Err(error) => self.creation_refused(row, error).await,
        }
    }

    async fn record_created(&self, row: &DueCreation, made: &Created) -> Result<Step, LedgerError> {
        crash::here(CrashPoint::ProjectCreated);
        let connection = match uri::connection(&made.connection_uri, &made.endpoint_id) {
            Ok(connection) => connection,
            Err(error) => return Ok(Step::Failed(format!("Neon's connection string is of no use: {error}"))),
        };
        let sealed = match self.secrets.seal(row.id, &connection) {
            Ok(sealed) => sealed,
            Err(error) => return Ok(Step::Failed(error.to_string())),
        };
        let record = NewProjectRecord {
            project_id: &made.project_id,
            branch_id: &made.branch_id,
            endpoint_id: &made.endpoint_id,
            host: &made.endpoint_host,
            database_name: &connection.database,
            role_name: &connection.role,
            sealed_credentials: &sealed,
        };
        self.ledger.record_created(row, &record, FIRST_PROBE_AFTER_SECONDS, &By::duty(Duty::Provision.name())).await?;
        crash::here(CrashPoint::ProjectRecorded);
        Ok(Step::Done("created"))
    }

    async fn creation_refused(&self, row: &DueCreation, error: NeonError) -> Result<Step, LedgerError> {
        let text = error.to_string();
        // Neon as a whole is away, or asks us to wait: no fault of this row, and no try of it. A list that stays incomplete may be.
        let is_incomplete = matches!(error, NeonError::Incomplete { .. });
        if !error.may_have_been_carried_out() && error.is_worth_retrying() && !is_incomplete {
            return Ok(Step::Postponed(text, Backoff { counts: false, ..back_off(&error, 2.0, 15.0) }));
        }
        let is_refusal = !error.is_outage() && !is_incomplete && !matches!(error, NeonError::Unreadable { .. });
        if is_refusal || matches!(error, NeonError::Server { .. } | NeonError::Unauthorised { .. }) {
            self.count_failure(row, CreationStep::Creation, &text, error.request_id()).await?;
        }
        if row.attempts + 1 >= CREATE_TRIES {
            return Ok(Step::Failed(text));
        }
        // A list may lag behind a creation: five seconds at least before the name is looked up.
        Ok(Step::Postponed(text, Backoff { base_seconds: 10.0, cap_seconds: 300.0, counts: true }))
    }

    /// `verifying` → `available`: a connection answers, and the endpoint sleeps.
    async fn verify(&self, row: &DueCreation) -> Result<Step, LedgerError> {
        let (Some(project_id), Some(endpoint_id), Some(sealed)) =
            (&row.project_id, &row.endpoint_id, &row.sealed_credentials)
        else {
            return Ok(Step::Failed(String::from("The ledger has no project for a database that is being verified.")));
        };
        let uri = match self.secrets.open(row.id, sealed) {
            Ok(connection) => SecretString::from(connection.uri),
            Err(error) => return Ok(Step::Failed(format!("The credentials cannot be opened: {error}"))),
        };
        crash::here(CrashPoint::VerificationLeased);
        if let Err(error) = answers(&uri, PROBE_DEADLINE).await {
            return self.not_yet(row, error.to_string()).await;
        }
        crash::here(CrashPoint::DatabaseAnswered);
        // Somebody waits for it: it would be woken at once.
        if !row.is_waited_for {
            match self.client_for(row).suspend_endpoint(project_id, endpoint_id).await {
                Ok(_) => crash::here(CrashPoint::DatabaseSuspended),
                Err(error) if !is_a_try(&error) => {
                    return Ok(Step::Postponed(error.to_string(), back_off(&error, 1.0, 15.0)));
                }
                Err(error) => return self.not_yet(row, error.to_string()).await,
            }
        }
        let is_ours = self.ledger.record_available(row, &By::duty(Duty::Provision.name())).await?;
        crash::here(CrashPoint::DatabaseAvailable);
        if is_ours && row.is_waited_for {
            self.serve_waiting(row.pool_id).await?;
        }
        Ok(Step::Done("made available"))
    }

    /// Tried again soon; after many tries set aside, with what Neon says of its operations as evidence.
    async fn not_yet(&self, row: &DueCreation, error: String) -> Result<Step, LedgerError> {
        let counts = !self.neon_is_failing();
        if counts && row.attempts >= VERIFY_TRIES_EXPECTED {
            self.count_failure(row, CreationStep::Verification, &error, None).await?;
        }
        if counts && row.attempts + 1 >= VERIFY_TRIES {
            return Ok(Step::Failed(format!("{error}{}", self.operations_evidence(row).await)));
        }
        Ok(Step::Postponed(error, Backoff { base_seconds: 1.0, cap_seconds: 15.0, counts }))
    }

    async fn count_failure(
        &self,
        row: &DueCreation,
        step: CreationStep,
        error: &str,
        request_id: Option<&str>,
    ) -> Result<(), LedgerError> {
        let refusal = Refusal { step, error, request_id };
        self.ledger.count_creation_failure(row, &refusal, &By::duty(Duty::Provision.name())).await?;
        crash::here(CrashPoint::CreationFailureCounted);
        Ok(())
    }

    async fn operations_evidence(&self, row: &DueCreation) -> String {
        let Some(project_id) = &row.project_id else { return String::new() };
        match self.client_for(row).operations(project_id, 10).await {
            Ok(operations) => {
                let list: Vec<String> =
                    operations.iter().map(|operation| format!("{} {}", operation.action, operation.status)).collect();
                format!(" Operations on Neon: {}.", list.join(", "))
            }
            Err(error) => format!(" The operations could not be read: {error}"),
        }
    }

    fn client_for(&self, row: &DueCreation) -> NeonClient {
        let class = if row.is_waited_for { Class::WaitingClaim } else { Class::Refill };
        self.neon.with_class(class).with_deadline(CALL_DEADLINE)
    }
}

impl Results {
    fn add(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn take(&self) -> Report {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn new_project(row: &DueCreation) -> NewProject {
    NewProject {
        name: row.project_name.clone(),
        region_id: row.region_id.clone(),
        pg_version: row.pg_version,
        quota: neon_quota::to_neon(&row.quota),
        min_cu: row.min_cu,
        max_cu: row.max_cu,
        suspend_timeout_seconds: row.suspend_timeout_seconds,
    }
}
