//! The doctor: checks every invariant, of the ledger alone and between the ledger and Neon. It changes nothing; what it finds is stored and shown.
//!
//! Absence is hard to prove. A page with projects that Neon could not read proves none; a project that is missing in a complete list is asked for by its id
//! before it counts as gone; a project without a row is ours only by its name, which is committed before Neon is asked to make it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use super::{CrashPoint, Duty, Engine, Inner, Neon, Report, crash};
use fleet_types::{Check, CheckVerdict, Examination, Outcome, Time, grouped};
use ledger::{Invariant, Ledger, LedgerError, ListedName};
use neon_client::{Class, NeonClient, NeonError, project::MAX_PAGE};

/// The check that needs Neon.
const NEON_AGREES: &str = "neon-agrees";
const NEON_AGREES_STATEMENT: &str = "Every project of ours on Neon has its row, and every living row its project.";
/// Pieces of evidence per check; there may be more.
const EVIDENCE: usize = 20;
/// A whole comparison with Neon; 300,000 projects are 750 pages, which the budget lets through in a few minutes.
const COMPARISON_LIMIT: Duration = Duration::from_secs(30 * 60);
const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// A list that has not ended after so many pages is wrong.
const MOST_PAGES: usize = 5_000;
/// A deletion may be missing in Neon's list for so long.
const LIST_LAG: chrono::TimeDelta = chrono::TimeDelta::minutes(5);
/// Living rows read by one statement.
const BATCH: i64 = 5_000;
/// How long somebody at the console waits for the result.
const EXAMINATION_DEADLINE: Duration = Duration::from_secs(5);

/// What is looked at.
#[derive(Clone)]
pub enum Extent {
    LedgerOnly,
    /// Also Neon's list of projects.
    WithNeon(Neon),
    /// Also Neon's list, but it cannot be asked: why.
    WithoutClient(String),
}

/// Examines a ledger. Needs no engine that runs.
#[derive(Clone)]
pub struct Doctor {
    ledger: Ledger,
}

/// Why a comparison with Neon ended without a verdict.
#[derive(Debug, thiserror::Error)]
enum Inconclusive {
    #[error(transparent)]
    Neon(#[from] NeonError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("Neon's list of projects does not end.")]
    Endless,
}

/// What a comparison with Neon has found.
#[derive(Default)]
struct Comparison {
    evidence: Vec<String>,
    listed: HashSet<String>,
    unavailable: usize,
}

impl Doctor {
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    /// Checks everything in this extent and stores what it found.
    ///
    /// # Errors
    /// The ledger's, when it cannot even say what time it is or store the result. A single check that fails is `Unknown`.
    pub async fn examine(&self, extent: Extent, by: &str) -> Result<Examination, LedgerError> {
        let started_at = self.ledger.clock().await?;
        let mut checks = Vec::new();
        for invariant in Invariant::ALL {
            checks.push(self.check(invariant, started_at).await);
        }
        let with_neon = !matches!(extent, Extent::LedgerOnly);
        match extent {
            Extent::LedgerOnly => {}
            Extent::WithNeon(neon) => checks.push(self.check_neon(&neon.0, started_at).await),
            Extent::WithoutClient(why) => {
                checks.push(unknown(NEON_AGREES, NEON_AGREES_STATEMENT, started_at, why));
            }
        }
        crash::here(CrashPoint::InvariantsChecked);
        let found = Examination { started_at, finished_at: started_at, by: by.to_owned(), checks };
        let found = self.ledger.record_examination(found, with_neon).await?;
        crash::here(CrashPoint::ExaminationRecorded);
        for check in found.checks.iter().filter(|check| check.verdict == CheckVerdict::Violated) {
            tracing::error!(
                check = check.name,
                evidence = check.evidence.join("; "),
                "what must always hold does not: {}",
                check.statement
            );
        }
        Ok(found)
    }

    async fn check(&self, invariant: Invariant, at: Time) -> Check {
        let (name, statement) = (invariant.name(), invariant.statement());
        match self.ledger.check(invariant).await {
            Ok(evidence) => judged(name, statement, at, evidence, None),
            Err(error) => unknown(name, statement, at, error.to_string()),
        }
    }

    async fn check_neon(&self, neon: &NeonClient, at: Time) -> Check {
        let neon = neon.with_class(Class::Reconcile).with_deadline(CALL_DEADLINE);
        let mut found = Comparison::default();
        let ended = tokio::time::timeout(COMPARISON_LIMIT, self.compare(&neon, at, &mut found)).await;
        let note = format!("{} projects were listed", grouped(found.listed.len() as i64));
        let why_not = match ended {
            Ok(Ok(())) if found.unavailable == 0 => None,
            Ok(Ok(())) => Some(format!("{} projects could not be read", found.unavailable)),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("not done within {} minutes", COMPARISON_LIMIT.as_secs() / 60)),
        };
        match why_not {
            None => judged(NEON_AGREES, NEON_AGREES_STATEMENT, at, found.evidence, Some(format!("{note}."))),
            // What was found on the pages that came stands.
            Some(why) if !found.evidence.is_empty() => {
                judged(NEON_AGREES, NEON_AGREES_STATEMENT, at, found.evidence, Some(format!("{note}, not all: {why}")))
            }
            Some(why) => {
                unknown(NEON_AGREES, NEON_AGREES_STATEMENT, at, format!("{note}, which proves nothing: {why}"))
            }
        }
    }

    /// First what Neon has and should not, page by page; then, if the list was complete, what it should have and has not.
    async fn compare(&self, neon: &NeonClient, at: Time, found: &mut Comparison) -> Result<(), Inconclusive> {
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let page = neon.list_projects(cursor.as_deref(), MAX_PAGE).await?;
            let listed: Vec<ListedName> =
                page.items.into_iter().map(|item| ListedName { project_id: item.id, name: item.name }).collect();
            let strays = self.ledger.strays(&listed, at - LIST_LAG).await?;
            let room = EVIDENCE.saturating_sub(found.evidence.len());
            let texts =
                strays.into_iter().map(|stray| format!("{}: {} ({})", stray.kind, stray.project_id, stray.name));
            found.evidence.extend(texts.take(room));
            found.listed.extend(listed.into_iter().map(|project| project.project_id));
            found.unavailable += page.unavailable;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        match cursor {
            Some(_) => Err(Inconclusive::Endless),
            None if found.unavailable > 0 => Ok(()),
            None => self.look_for_ghosts(neon, at, found).await,
        }
    }

    /// Living rows whose project is not in the list, and not to be had by its id either.
    async fn look_for_ghosts(&self, neon: &NeonClient, at: Time, found: &mut Comparison) -> Result<(), Inconclusive> {
        let mut after = Uuid::nil();
        loop {
            let rows = self.ledger.living_since(at, after, BATCH).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = *last;
            for (id, project_id) in rows.iter().filter(|(_, project_id)| !found.listed.contains(project_id)) {
                if found.evidence.len() >= EVIDENCE {
                    return Ok(());
                }
                match neon.get_project(project_id).await {
                    // The list has missed it.
                    Ok(_) => {}
                    Err(NeonError::NotFound { .. }) if self.ledger.still_lives(*id, project_id).await? => {
                        found.evidence.push(format!("ghost: database {id} has lost its project {project_id}"));
                    }
                    Err(NeonError::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

fn judged(name: &str, statement: &str, at: Time, evidence: Vec<String>, note: Option<String>) -> Check {
    let verdict = if evidence.is_empty() { CheckVerdict::Holds } else { CheckVerdict::Violated };
    Check {
        name: name.to_owned(),
        statement: statement.to_owned(),
        verdict,
        evidence,
        note,
        checked_at: at,
        violated_since: None,
    }
}

fn unknown(name: &str, statement: &str, at: Time, why: String) -> Check {
    Check { verdict: CheckVerdict::Unknown, ..judged(name, statement, at, Vec::new(), Some(why)) }
}

impl Engine {
    /// Checks everything now, and waits a few seconds for the result. One run at a time in a process.
    pub async fn examine_now(&self, by: &str) -> Outcome {
        let inner = Arc::clone(&self.inner);
        let Ok(permit) = Arc::clone(&inner.examining).try_acquire_owned() else {
            return Outcome::Pending(String::from("The checks are running already; their result appears here."));
        };
        let by = by.to_owned();
        let run = self.inner.tasks.spawn(async move {
            let extent = Extent::WithNeon(Neon(inner.neon.clone()));
            let outcome = tokio::select! {
                outcome = inner.doctor.examine(extent, &by) => outcome.map(|_| ()),
                () = inner.shutdown.cancelled() => Ok(()),
            };
            drop(permit);
            outcome
        });
        match tokio::time::timeout(EXAMINATION_DEADLINE, run).await {
            Ok(Ok(Ok(()))) => Outcome::Done,
            Ok(Ok(Err(error))) => Outcome::Pending(format!("The checks could not run: {error}")),
            Ok(Err(_)) => Outcome::Pending(String::from("The checks broke off; the log says why.")),
            Err(_) => Outcome::Pending(String::from("The checks are running; their result appears here.")),
        }
    }
}

impl Inner {
    /// The ledger every hour, Neon's list every day, over all replicas.
    pub(super) async fn examine(self: &Arc<Self>) -> Report {
        let (ledger_is_due, neon_is_due) = match self.ledger.examination_is_due(self.started.elapsed()).await {
            Ok(due) => due,
            Err(error) => return Report::ledger_failed(&error),
        };
        if !ledger_is_due && !neon_is_due {
            return Report::idle();
        }
        let extent = match neon_is_due && !self.neon_is_failing() {
            true => Extent::WithNeon(Neon(self.neon.clone())),
            false if ledger_is_due => Extent::LedgerOnly,
            false => return Report::idle(),
        };
        let began = Instant::now();
        let outcome = tokio::select! {
            outcome = self.doctor.examine(extent, Duty::Doctor.name()) => outcome,
            () = self.shutdown.cancelled() => return Report::idle(),
        };
        match outcome {
            Ok(found) => report(&found, began),
            Err(error) => Report::ledger_failed(&error),
        }
    }
}

fn report(found: &Examination, began: Instant) -> Report {
    let with = |verdict| found.checks.iter().filter(move |check| check.verdict == verdict);
    let bad: Vec<&str> = with(CheckVerdict::Violated).map(|check| check.name.as_str()).collect();
    let error = (!bad.is_empty()).then(|| format!("violated: {}", bad.join(", ")));
    tracing::debug!(took_ms = began.elapsed().as_millis(), "the invariants were checked");
    Report {
        done: vec![("checks hold", with(CheckVerdict::Holds).count() as u64)],
        postponed: with(CheckVerdict::Unknown).count() as u64,
        failed: bad.len() as u64,
        error,
        ..Report::idle()
    }
}
