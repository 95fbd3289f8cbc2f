//! Mark: whether this ledger is the one that knows, before anything is handed out (`proof.rs`), and again and again.
//!
//! The mark is the name of one small project on Neon, `flotilla-mark-<installation>-<counter>-<nonce>`, renewed by one replica at a time: soon after claims,
//! and now and then without them. Each value is committed to the ledger before Neon is told. Whoever finds a mark on Neon that the ledger has not written
//! down has an old ledger, or not the only one.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use super::{CrashPoint, Duty, Inner, Report, crash, setback::Setback};
use ledger::{By, Installation, LedgerError};
use neon_client::{Class, NeonClient, NeonError, NeonQuota, NewProject};

pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// How soon after a claim the mark is renewed: a ledger that is restored to a moment before that claim is noticed by it.
const RENEW_AFTER_CLAIM: Duration = Duration::from_secs(5);

/// The claim after which Neon was last told a mark, or was about to be.
#[derive(Default)]
pub(super) struct Progress(Mutex<Option<Uuid>>);

const ANY_MARK: &str = "flotilla-mark-";

/// What Neon has for a mark.
pub(super) enum Seen {
    /// None at all: it was never made, or somebody deleted it.
    Nothing,
    Ours(Mark),
    Foreign(Mark),
}

pub(super) struct Mark {
    project_id: String,
    name: String,
    counter: i64,
}

impl Inner {
    pub(super) async fn mark(&self) -> Report {
        match self.keep_mark().await {
            Ok(report) => report,
            Err(Setback::Neon(error)) => Report { postponed: 1, error: Some(error.to_string()), ..Report::idle() },
            Err(Setback::Ledger(error)) => Report::ledger_failed(&error),
        }
    }

    async fn keep_mark(&self) -> Result<Report, Setback> {
        match self.is_proven().await? {
            true => self.while_proven(self.go_on_marking()).await,
            false => self.prove().await,
        }
    }

    async fn go_on_marking(&self) -> Result<Report, Setback> {
        let (last_claim, mut report) = (self.ledger.last_claim(), Report::idle());
        if self.is_mark_due(last_claim).await? {
            report = self.renew_mark().await?;
            self.mark_progress.set(last_claim);
        }
        match self.look_at_doubtful().await? {
            0 => Ok(report),
            looked => Ok(Report { more_is_due: true, ..Report::done("looked at", looked) }),
        }
    }

    async fn is_mark_due(&self, last_claim: Option<Uuid>) -> Result<bool, LedgerError> {
        let every = self.settings.mark_every;
        let early = match last_claim == self.mark_progress.get() {
            true => Duration::ZERO,
            false => every.saturating_sub(RENEW_AFTER_CLAIM),
        };
        Ok(!self.neon_is_failing() && self.ledger.take_mark_turn(every.as_secs_f64(), early.as_secs_f64()).await?)
    }

    /// A ledger with databases that was never marked is one from before marks, or a backup from then: that has another id than the ledger that it was
    /// taken of, so any mark on Neon may be its successor's. One of this id is a process's that starts at the same time, or ended a moment ago.
    pub(super) async fn look_for_successor(
        &self,
        neon: &NeonClient,
        installation: &Installation,
    ) -> Result<(), Setback> {
        let (marks, ours) = (neon.find_projects_by_prefix(ANY_MARK).await?, prefix(&installation.id));
        match marks.iter().find(|project| !project.name.starts_with(&ours)) {
            None => Ok(()),
            Some(project) => Ok(self
                .notice(&format!(
                    "This ledger has databases and was never marked, and Neon has the mark {}: it may be a backup from before that mark.",
                    project.name
                ))
                .await?),
        }
    }

    pub(super) async fn renew_mark(&self) -> Result<Report, Setback> {
        let installation = self.ledger.installation().await?;
        if installation.in_safe_mode {
            self.ledger.withhold_all(&by()).await?;
        }
        let neon = self.neon.with_class(Class::Reconcile).with_deadline(CALL_DEADLINE);
        let seen = match self.look(&neon, &installation).await? {
            Seen::Nothing => None,
            Seen::Ours(mark) => Some(mark),
            Seen::Foreign(mark) => {
                self.notice(&foreign(&mark)).await?;
                // Answered with a mark of ours, so that a second ledger notices too.
                return self.write_mark(&neon, &installation, Some(mark)).await;
            }
        };
        if self.ledger.settle().await? {
            tracing::warn!("nobody else writes the mark of this installation: databases are handed out again");
        }
        self.write_mark(&neon, &installation, seen).await
    }

    pub(super) async fn write_mark(
        &self,
        neon: &NeonClient,
        installation: &Installation,
        seen: Option<Mark>,
    ) -> Result<Report, Setback> {
        // Made in the region of the default pool; without a pool there is nothing to guard.
        let Some(pool) = self.ledger.pools().await?.into_iter().max_by_key(|pool| pool.is_default) else {
            return Ok(Report::idle());
        };
        if seen.is_none() && !self.ledger.may_make_mark().await? {
            return Ok(Report::idle());
        }
        let (counter, nonce) = self.ledger.next_mark(seen.as_ref().map_or(0, |mark| mark.counter)).await?;
        crash::here(CrashPoint::MarkWritten);
        let name = format!("{}{counter}-{nonce}", prefix(&installation.id));
        let project_id = match seen {
            Some(mark) => {
                neon.rename_project(&mark.project_id, &name).await?;
                mark.project_id
            }
            None => neon.create_project(&small(name, pool.region, pool.pg_version)).await?.project_id,
        };
        crash::here(CrashPoint::MarkTold);
        self.ledger.record_mark(&project_id).await?;
        Ok(Report::done("renewed", 1))
    }

    /// The mark as Neon has it: by the project's id, or by its name where the id is not known or no longer valid.
    pub(super) async fn look(&self, neon: &NeonClient, installation: &Installation) -> Result<Seen, Setback> {
        let prefix = prefix(&installation.id);
        if let Some(id) = &installation.mark_project_id {
            match neon.get_project(id).await {
                Ok(project) if project.name.starts_with(&prefix) => {
                    return self.judge(&prefix, project.id, project.name).await;
                }
                Ok(_) | Err(NeonError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut newest = Seen::Nothing;
        for project in neon.find_projects_by_prefix(&prefix).await? {
            match self.judge(&prefix, project.id, project.name).await? {
                Seen::Foreign(mark) => return Ok(Seen::Foreign(mark)),
                seen => newest = seen,
            }
        }
        Ok(newest)
    }

    async fn judge(&self, prefix: &str, project_id: String, name: String) -> Result<Seen, Setback> {
        let read = name.strip_prefix(prefix).and_then(|rest| rest.split_once('-'));
        let read = read.and_then(|(counter, nonce)| Some((counter.parse::<i64>().ok()?, nonce.to_owned())));
        let Some((counter, nonce)) = read else {
            return Ok(Seen::Foreign(Mark { project_id, name, counter: 0 }));
        };
        let is_known = self.ledger.knows_mark(counter, &nonce).await?;
        let mark = Mark { project_id, name, counter };
        Ok(if is_known { Seen::Ours(mark) } else { Seen::Foreign(mark) })
    }

    pub(super) async fn notice(&self, evidence: &str) -> Result<(), LedgerError> {
        self.ledger.enter_safe_mode(evidence, self.settle_seconds(), &by()).await
    }

    /// Long enough for whoever else writes the mark to have done so.
    pub(super) fn settle_seconds(&self) -> f64 {
        self.settings.mark_every.as_secs_f64() * 3.0
    }
}

impl Progress {
    fn get(&self) -> Option<Uuid> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, claim: Option<Uuid>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = claim;
    }
}

fn by() -> By {
    By::duty(Duty::Mark.name())
}

fn prefix(installation: &str) -> String {
    format!("{ANY_MARK}{installation}-")
}

pub(super) fn foreign(mark: &Mark) -> String {
    format!("Neon has the mark {}, which this ledger has not written.", mark.name)
}

/// The smallest there is. Nobody connects to it, so it sleeps.
fn small(name: String, region_id: String, pg_version: i32) -> NewProject {
    NewProject {
        name,
        region_id,
        pg_version,
        quota: NeonQuota::default(),
        min_cu: 0.25,
        max_cu: 0.25,
        suspend_timeout_seconds: 0,
    }
}
