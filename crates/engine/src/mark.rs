//! Mark: whether this ledger is the one that knows, before anything is handed out (`proof.rs`), and again and again.
//!
//! The mark is the name of one small project on Neon, `flotilla-mark-<installation>-<counter>-<nonce>`, renewed by one replica at a time: soon after
//! an event of any kind, and now and then without one. Each value is committed to the ledger before Neon is told. Whoever finds a mark on Neon that the ledger
//! has not written down has an old ledger, or not the only one.

use std::time::Duration;

use super::{CrashPoint, Duty, Inner, Report, crash, setback::Setback};
use ledger::{By, Installation, Ledger, LedgerError};
use neon_client::{Class, NeonClient, NeonError, NeonQuota, NewProject};

pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// How soon after an event the mark is renewed: a ledger that is restored to a moment before it is noticed by that.
const RENEW_AFTER_EVENT: Duration = Duration::from_secs(5);

const ANY_MARK: &str = "flotilla-mark-";

/// What Neon has for a mark.
pub(super) enum Seen {
    /// None at all: it was never made, or somebody deleted it.
    Nothing,
    Ours(Mark),
    Foreign(Mark),
}

/// The mark, for whoever has a ledger and Neon.
pub(super) struct Marks<'a> {
    pub ledger: &'a Ledger,
    pub neon: NeonClient,
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
        let mut report = Report::idle();
        if self.is_mark_due().await? {
            report = self.renew_mark().await?;
        }
        match self.look_at_doubtful().await? {
            0 => Ok(report),
            looked => Ok(Report { more_is_due: true, ..Report::done("looked at", looked) }),
        }
    }

    async fn is_mark_due(&self) -> Result<bool, LedgerError> {
        let every = self.settings.mark_every;
        let early = every.saturating_sub(RENEW_AFTER_EVENT);
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
        let marks = self.marks(Class::Reconcile);
        let seen = match marks.look(&installation).await? {
            Seen::Nothing => None,
            Seen::Ours(mark) => Some(mark),
            Seen::Foreign(mark) => {
                self.notice(&foreign(&mark)).await?;
                // Answered with a mark of ours, so that a second ledger notices too.
                return marks.write(&installation, Some(mark)).await;
            }
        };
        if self.ledger.settle().await? {
            tracing::warn!("nobody else writes the mark of this installation: databases are handed out again");
        }
        marks.write(&installation, seen).await
    }

    pub(super) fn marks(&self, class: Class) -> Marks<'_> {
        Marks { ledger: &self.ledger, neon: self.neon.with_class(class).with_deadline(CALL_DEADLINE) }
    }

    pub(super) async fn notice(&self, evidence: &str) -> Result<(), LedgerError> {
        self.ledger.enter_safe_mode(evidence, self.settle_seconds(), &by()).await
    }

    /// Long enough for whoever else writes the mark to have done so.
    pub(super) fn settle_seconds(&self) -> f64 {
        self.settings.mark_every.as_secs_f64() * 3.0
    }
}

impl Marks<'_> {
    /// Before something is given to somebody, and after, maybe while no server runs: a backup from before this moment is noticed by it. Where Neon has another
    /// mark, or the ledger was moved, what that means is for the next start to say.
    pub(super) async fn bring_forward(&self) -> Result<(), Setback> {
        let installation = self.ledger.installation().await?;
        if !installation.is_in_its_place || !installation.is_same_incarnation {
            return Ok(());
        }
        if let Seen::Ours(mark) = self.look(&installation).await? {
            self.write(&installation, Some(mark)).await?;
            if installation.is_stopped {
                self.ledger.record_stop().await?;
            }
        }
        Ok(())
    }

    /// Tells Neon a new mark, in place of the one that was seen there.
    pub(super) async fn write(&self, installation: &Installation, seen: Option<Mark>) -> Result<Report, Setback> {
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
                self.neon.rename_project(&mark.project_id, &name).await?;
                mark.project_id
            }
            None => self.neon.create_project(&small(name, pool.region, pool.pg_version)).await?.project_id,
        };
        crash::here(CrashPoint::MarkTold);
        self.ledger.record_mark(&project_id).await?;
        Ok(Report::done("renewed", 1))
    }

    /// The mark as Neon has it: by the project's id, or by its name where the id is not known or no longer valid.
    pub(super) async fn look(&self, installation: &Installation) -> Result<Seen, Setback> {
        let prefix = prefix(&installation.id);
        if let Some(id) = &installation.mark_project_id {
            match self.neon.get_project(id).await {
                Ok(project) if project.name.starts_with(&prefix) => {
                    return self.judge(&prefix, project.id, project.name).await;
                }
                Ok(_) | Err(NeonError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut newest = Seen::Nothing;
        for project in self.neon.find_projects_by_prefix(&prefix).await? {
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
