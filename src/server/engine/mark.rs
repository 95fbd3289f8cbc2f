//! Mark: whether this ledger is the one that knows, before anything is handed out, and again and again.
//!
//! The mark is the name of one small project on Neon, `flotilla-mark-<installation>-<counter>-<nonce>`, renewed by one replica at a time. Each value is
//! committed to the ledger before Neon is told. Whoever finds a mark on Neon that the ledger has not written down has an old ledger, or not the only one.
//!
//! Each process also changes its proof in the ledger every few seconds. When the ledger lacks it, another one was put in its place.

use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

use super::{CrashPoint, Duty, Inner, Report, crash, setback::Setback};
use crate::server::{
    ledger::{By, Installation, LedgerError, ProofState},
    neon::{Class, NeonClient, NeonError, NeonQuota, NewProject},
};

const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// How often the proof is exchanged: a backup older than this does not have it.
const RENEW_PROOF_EVERY: Duration = Duration::from_secs(5);

/// When this process last exchanged its proof.
#[derive(Default)]
pub(super) struct Progress(Mutex<Option<Instant>>);

const ANY_MARK: &str = "flotilla-mark-";

/// What Neon has for a mark.
enum Seen {
    /// None at all: it was never made, or somebody deleted it.
    Nothing,
    Ours(Mark),
    Foreign(Mark),
}

struct Mark {
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
        let is_fresh = self.mark_progress.lock().is_some_and(|at| at.elapsed() < RENEW_PROOF_EVERY);
        if !is_fresh {
            match self.ledger.renew_proof().await? {
                ProofState::Held => self.mark_progress.set(),
                ProofState::None => return self.prove().await,
                ProofState::Lost => {
                    self.notice(
                        "The ledger lacks what this process has committed to it: another one was put in its place.",
                    )
                    .await?;
                    return self.prove().await;
                }
            }
        }
        match !self.neon_is_failing() && self.ledger.take_mark_turn(self.settings.mark_every.as_secs_f64()).await? {
            true => self.renew_mark().await,
            false => Ok(Report::idle()),
        }
    }

    /// Is the ledger current? Asked of Neon; while Neon is away, a ledger that is where its last mark was written from is taken to be.
    async fn prove(&self) -> Result<Report, Setback> {
        let installation = self.ledger.installation().await?;
        let neon = self.neon.with_class(Class::Support).with_deadline(CALL_DEADLINE);
        match self.look(&neon, &installation).await {
            Ok(Seen::Foreign(mark)) => self.notice(&foreign(&mark)).await?,
            Ok(Seen::Nothing) if installation.was_marked => {
                self.notice(
                    "Neon no longer has the mark of this ledger: whether the ledger is the newest cannot be seen.",
                )
                .await?;
            }
            Ok(Seen::Nothing) if self.ledger.has_databases().await? => self.look_for_successor(&neon).await?,
            Ok(_) if installation.was_marked && !installation.is_in_its_place => {
                self.ledger.wait_after_move(self.settle_seconds()).await?;
            }
            Ok(_) => {}
            Err(Setback::Neon(_)) if installation.is_in_its_place => {}
            Err(error) => return Err(error),
        }
        self.ledger.grant_proof(self.replica).await?;
        self.mark_progress.set();
        self.nudge(Duty::Mark);
        Ok(Report::done("proven", 1))
    }

    /// A ledger with databases that was never marked is one from before marks, or a backup from then: that has another id than the ledger that it was
    /// taken of, so any mark on Neon may be its successor's.
    async fn look_for_successor(&self, neon: &NeonClient) -> Result<(), Setback> {
        match neon.find_projects_by_prefix(ANY_MARK).await?.first() {
            None => Ok(()),
            Some(project) => Ok(self
                .notice(&format!(
                    "This ledger has databases and was never marked, and Neon has the mark {}: it may be a backup from before that mark.",
                    project.name
                ))
                .await?),
        }
    }

    async fn renew_mark(&self) -> Result<Report, Setback> {
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

    async fn write_mark(
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
    async fn look(&self, neon: &NeonClient, installation: &Installation) -> Result<Seen, Setback> {
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
    fn settle_seconds(&self) -> f64 {
        self.settings.mark_every.as_secs_f64() * 3.0
    }
}

impl Progress {
    fn lock(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set(&self) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Instant::now());
    }
}

fn by() -> By {
    By::duty(Duty::Mark.name())
}

fn prefix(installation: &str) -> String {
    format!("{ANY_MARK}{installation}-")
}

fn foreign(mark: &Mark) -> String {
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
