//! Look: what was withheld because Neon shows activity is looked into. Neon checks idle computes by itself, and a pool that gave up every member that was
//! checked would be emptied and refilled for ever. What Neon's own operations explain, and what is proven to be empty, goes back to the pool; everything else
//! stays withheld for a person. Bounded: a few at a time, behind all other work, and so many an hour.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use secrecy::SecretString;

use super::{
    Duty, Inner, Report,
    contents::{LookError, around_the_database, in_the_database},
    explain::{Known, unexplained},
    setback::{back_off, is_a_try},
};
use ledger::{Backoff, By, DueLook, LedgerError};
use neon_client::{Class, NeonClient, NeonError, Project};
use probe::ProbeError;

const AT_ONCE: usize = 8;
/// With eight calls each, a sixth of what Neon allows.
const PER_HOUR: i64 = 1_000;
const CALL_DEADLINE: Duration = Duration::from_secs(20);
/// Longer than the calls and the probe of one look.
const LEASE_SECONDS: f64 = 240.0;
const OPERATIONS: u32 = 200;
/// Looks that came to nothing until a person is asked.
pub(super) const TRIES: i32 = 6;
/// A compute that was woken sleeps again after five minutes.
const WHILE_AWAKE: Backoff = Backoff { base_seconds: 30.0, cap_seconds: 30.0, counts: false };
pub(super) const AFTER_A_FAILURE: Backoff = Backoff { base_seconds: 15.0, cap_seconds: 300.0, counts: true };
const LATER: Backoff = Backoff { base_seconds: 15.0, cap_seconds: 60.0, counts: false };

enum Verdict {
    New,
    /// Why it is not proven that nobody has used it.
    Kept(String),
    Later(String, Backoff),
}

impl Verdict {
    fn kept(why: &str) -> Self {
        Self::Kept(why.to_owned())
    }
}

impl Inner {
    pub(super) async fn look_into_withheld(self: &Arc<Self>) -> Result<Report, LedgerError> {
        let rows = self.ledger.take_due_looks(AT_ONCE as i64, PER_HOUR, LEASE_SECONDS).await?;
        let mut report = Report { more_is_due: rows.len() == AT_ONCE, ..Report::idle() };
        let mut looks = tokio::task::JoinSet::new();
        for row in rows {
            let engine = Arc::clone(self);
            looks.spawn(trace::carry_on(None, async move { engine.look_and_record(&row).await }));
        }
        while let Some(joined) = looks.join_next().await {
            match joined {
                Ok(Ok(Verdict::New)) => report.count("back in the pool"),
                Ok(Ok(Verdict::Kept(_))) => report.count("kept withheld"),
                Ok(Ok(Verdict::Later(why, _))) => {
                    report.postponed += 1;
                    report.error = Some(why);
                }
                Ok(Err(error)) => return Err(error),
                Err(error) => {
                    report.failed += 1;
                    report.error = Some(error.to_string());
                }
            }
        }
        Ok(report)
    }

    async fn look_and_record(&self, row: &DueLook) -> Result<Verdict, LedgerError> {
        let neon = self.neon.with_class(Class::Reconcile).with_deadline(CALL_DEADLINE);
        let by = By::duty(Duty::Reconcile.name());
        let verdict = match self.look_into(&neon, row).await? {
            Ok(verdict) => verdict,
            Err(error) => undecided(&error, row.attempts),
        };
        match &verdict {
            Verdict::New => {
                let why = "Neon's own operations explain its activity, and nothing is in it.";
                if self.ledger.record_proven_new(row, why, &by).await? {
                    self.serve_waiting(row.pool_id).await?;
                }
            }
            Verdict::Kept(why) => {
                if self.ledger.record_kept(row, why, &by).await? {
                    tracing::warn!(database.id = %row.id, why, "a database of the pool may have been used; it stays withheld");
                    self.nudge(Duty::Refill);
                }
            }
            Verdict::Later(why, backoff) => {
                self.ledger.postpone(row.id, row.lease, Some(why), *backoff).await?;
            }
        }
        Ok(verdict)
    }

    /// Asks Neon first, and connects last: that wakes its compute.
    async fn look_into(&self, neon: &NeonClient, row: &DueLook) -> Result<Result<Verdict, LookError>, LedgerError> {
        let uri = match self.secrets.open(row.id, &row.sealed_credentials) {
            Ok(connection) => SecretString::from(connection.uri),
            Err(error) => return Ok(Ok(Verdict::Kept(format!("Its credentials cannot be opened: {error}")))),
        };
        match self.ask_about(neon, row).await {
            Ok(None) => {}
            Ok(Some(verdict)) => return Ok(Ok(verdict)),
            Err(error) => return Ok(Err(error)),
        }
        if !self.ledger.note_probe_of(row).await? {
            return Ok(Ok(Verdict::Later(String::from("Somebody else has decided about it meanwhile."), LATER)));
        }
        let found = in_the_database(&uri).await;
        // If this fails, it sleeps after five minutes by itself.
        if let Err(error) = neon.suspend_endpoint(&row.project_id, &row.endpoint_id).await {
            tracing::debug!(database.id = %row.id, error = &error as &dyn std::error::Error, "could not suspend what was looked into");
        }
        Ok(found.map(|found| found.map_or(Verdict::New, Verdict::kept)))
    }

    /// What Neon tells. `None` when only a connection can tell more.
    async fn ask_about(&self, neon: &NeonClient, row: &DueLook) -> Result<Option<Verdict>, LookError> {
        let project = match neon.get_project(&row.project_id).await {
            Ok(project) => project,
            Err(NeonError::NotFound { .. }) => return Ok(Some(Verdict::kept("Neon does not know its project."))),
            Err(error) => return Err(error.into()),
        };
        if project.name != row.project_name {
            return Ok(Some(Verdict::kept("Its name on Neon says that somebody holds it.")));
        }
        let endpoints = neon.endpoints(&row.project_id).await?;
        let is_awake = match endpoints.as_slice() {
            [one] if one.id == row.endpoint_id && one.disabled => {
                return Ok(Some(Verdict::kept("Its endpoint is disabled.")));
            }
            [one] if one.id == row.endpoint_id => one.is_changing() || one.state == "active",
            _ => return Ok(Some(Verdict::kept("Its endpoints are not the one that it was made with."))),
        };
        if let Some(why) = self.unexplained_activity(neon, row, &project).await? {
            return Ok(Some(Verdict::Kept(why)));
        }
        if is_awake {
            let why = "Its compute runs: it is looked into when it sleeps again.";
            return Ok(Some(Verdict::Later(why.to_owned(), WHILE_AWAKE)));
        }
        Ok(around_the_database(neon, &row.project_id).await?.map(Verdict::kept))
    }

    async fn unexplained_activity(
        &self,
        neon: &NeonClient,
        row: &DueLook,
        project: &Project,
    ) -> Result<Option<String>, NeonError> {
        let operations = neon.operations(&row.project_id, OPERATIONS).await?;
        let own = TimeDelta::milliseconds((self.settings.findings.own_activity * 1_000.0) as i64);
        let known = Known {
            settled: row.proven_new_at + own,
            probed_at: &row.probed_at,
            lasts: TimeDelta::from_std(self.settings.own_activity_lasts).unwrap_or(TimeDelta::MAX),
            asked_for: OPERATIONS as usize,
        };
        Ok(unexplained(&operations, project.last_active_at, &known))
    }
}

/// What could not be looked into is tried again, and then is for a person. That the password is another one is an answer.
fn undecided(error: &LookError, attempts: i32) -> Verdict {
    let text = error.to_string();
    match error {
        LookError::Neon(neon) if !is_a_try(neon) => {
            Verdict::Later(text, back_off(neon, LATER.base_seconds, LATER.cap_seconds))
        }
        LookError::Probe(ProbeError::Refused { .. }) => {
            Verdict::Kept(format!("It cannot be connected to with the credentials that would be handed out: {text}"))
        }
        _ if error.is_passing() && attempts + 1 < TRIES => Verdict::Later(text, AFTER_A_FAILURE),
        _ => Verdict::Kept(format!("It was active, and could not be looked into: {text}")),
    }
}
