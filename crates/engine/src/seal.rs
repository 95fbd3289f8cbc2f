//! Seal: after a change of keys, seals anew what an earlier key has sealed, so that the earlier key can go; and erases the credentials of databases that
//! were deleted long enough ago.
//!
//! A row is changed only if it still holds what was read, and a few rows at a time, so that neither a new password is lost nor a claim waits. Nothing else
//! is remembered than how many rows each key seals, which the ledger counts by itself: after a crash the walk begins anew, and passes what is done.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{CrashPoint, Duty, Inner, Report, crash};
use ledger::{By, LedgerError, Resealed, SealedRow};

/// A run tells how far it is this often.
const RUN: Duration = Duration::from_secs(5);
/// Rows that are read at a time.
const READ_AT_ONCE: i64 = 500;
/// Rows that are changed by one statement, a few milliseconds: a claim passes over them meanwhile.
const CHANGED_AT_ONCE: usize = 50;
const ERASED_AT_ONCE: i64 = 200;
/// What did not open is not tried again before.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(600);

/// Where the walk through the rows is.
#[derive(Default)]
pub(super) struct Progress(Mutex<Walk>);

#[derive(Clone, Copy, Default)]
struct Walk {
    after: Uuid,
    has_failed: bool,
    rests_until: Option<Instant>,
}

impl Inner {
    pub(super) async fn seal(&self) -> Report {
        let mut report = Report::idle();
        let outcome = match self.erase(&mut report).await {
            Ok(()) => self.seal_anew(&mut report).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            report.add(Report::ledger_failed(&error));
        }
        report
    }

    async fn erase(&self, report: &mut Report) -> Result<(), LedgerError> {
        let erased = self.ledger.erase_credentials(ERASED_AT_ONCE, &By::duty(Duty::Seal.name())).await?;
        if erased > 0 {
            crash::here(CrashPoint::CredentialsErased);
            report.done.push(("erased", erased));
        }
        report.more_is_due |= erased == ERASED_AT_ONCE as u64;
        Ok(())
    }

    async fn seal_anew(&self, report: &mut Report) -> Result<(), LedgerError> {
        let mut earlier = self.secrets.key_ids();
        let Some(resealing) = self.ledger.resealing(&earlier).await? else { return Ok(()) };
        earlier.retain(|key| *key != resealing.sealing_key);
        let mut walk = self.seal_progress.get();
        let rests = walk.rests_until.is_some_and(|until| Instant::now() < until);
        if !resealing.is_settled || resealing.left == 0 || rests || !self.secrets.seal_with(&resealing.sealing_key) {
            return Ok(());
        }
        let end = Instant::now() + RUN;
        let mut resealed = 0;
        while Instant::now() < end && !self.shutdown.is_cancelled() {
            let rows = self.observations.sealed_behind(walk.after, &earlier, READ_AT_ONCE).await?;
            let Some(last) = rows.last().map(|row| row.id) else {
                self.seal_progress.set(walk.over());
                report.done.push(("re-sealed", resealed));
                return self.tell_end(&earlier, &resealing.sealing_key).await;
            };
            let failed_before = report.failed;
            resealed += self.reseal(rows, report).await?;
            walk =
                Walk { after: last, has_failed: walk.has_failed || report.failed > failed_before, rests_until: None };
            self.seal_progress.set(walk);
        }
        report.done.push(("re-sealed", resealed));
        report.more_is_due = true;
        Ok(())
    }

    async fn reseal(&self, rows: Vec<SealedRow>, report: &mut Report) -> Result<u64, LedgerError> {
        let mut anew = Vec::new();
        for (id, was) in rows.into_iter().filter_map(|row| Some((row.id, row.sealed?))) {
            match self.secrets.reseal(id, &was) {
                Ok(sealed) => anew.push(Resealed { id, was, sealed }),
                Err(error) => {
                    report.failed += 1;
                    report.error = Some(format!("Database {id}: {error}."));
                }
            }
        }
        let mut resealed = 0;
        for part in anew.chunks(CHANGED_AT_ONCE) {
            crash::here(CrashPoint::SealedAnew);
            resealed += self.observations.record_resealed(part).await?;
            crash::here(CrashPoint::ResealRecorded);
        }
        Ok(resealed)
    }

    async fn tell_end(&self, earlier: &[String], sealing_key: &str) -> Result<(), LedgerError> {
        let is_over = self.ledger.resealing(earlier).await?.is_some_and(|resealing| resealing.left == 0);
        if is_over {
            tracing::info!(
                key.id = sealing_key,
                key.earlier = earlier.join(", "),
                "all credentials are sealed with the current key: the earlier ones can be taken out of FLOTILLA_PREVIOUS_SECRET_KEYS"
            );
        }
        Ok(())
    }
}

impl Walk {
    /// To begin anew: rows that somebody was at were passed over.
    fn over(self) -> Self {
        let rests_until = self.has_failed.then(|| Instant::now() + REST_AFTER_FAILURE);
        Self { rests_until, ..Self::default() }
    }
}

impl Progress {
    fn get(&self) -> Walk {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, walk: Walk) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = walk;
    }
}
