//! Interactive: what a person waits for. The engine takes the row at once, within the support share of the budget and a deadline of a few seconds. What is not done by
//! then stays intent, and the duty finishes it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Duty, Engine, Inner, Neon,
    apply::{self, ApplyError},
    clearance::{Releaser, Terms},
    crash,
    crash::CrashPoint,
    release::NotDeleted,
};
use fleet_types::{DatabaseState, Outcome};
use ledger::{By, LedgerError};
use neon_client::{Class, NeonClient, NeonError};

/// How long a person waits.
const INTERACTIVE_DEADLINE: Duration = Duration::from_secs(5);
/// Why a person waits, or is refused, while another ledger may run beside this one.
pub(super) const UNCERTAIN: &str =
    "It is not certain yet that this ledger is the newest, and the only one: nothing is changed on Neon before.";
/// How often a row that somebody else holds, or that Neon has locked, is tried within that time.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Why an attempt did not succeed.
struct NotDone {
    reason: String,
    /// Neon will not do it as things stand.
    is_refused: bool,
}

impl From<NeonError> for NotDone {
    fn from(error: NeonError) -> Self {
        Self { reason: error.to_string(), is_refused: error.is_refusal() }
    }
}

impl From<NotDeleted> for NotDone {
    fn from(error: NotDeleted) -> Self {
        Self { reason: error.to_string(), is_refused: error.is_refusal() }
    }
}

impl From<ApplyError> for NotDone {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Neon(error) => error.into(),
            error => Self { reason: error.to_string(), is_refused: false },
        }
    }
}

impl Engine {
    /// Takes what is desired of this database to Neon now.
    pub async fn apply_now(&self, id: Uuid) -> Outcome {
        crash::here(CrashPoint::IntentRecorded);
        self.within_deadline(Duty::Apply, |engine, neon| async move {
            let Some(row) = engine.ledger.take_change(id, apply::LEASE_SECONDS).await? else {
                let pending = engine.ledger.database(id).await?.row.pending;
                return Ok(if pending { Err(why_not_taken(&engine).await?) } else { Ok(()) });
            };
            Ok(engine.apply_row(&neon, &row).await?.map_err(NotDone::from))
        })
        .await
    }

    /// Gives a database up and deletes it on Neon now. What nobody is known to hold is looked into first, unless it may go anyway.
    ///
    /// # Errors
    /// As [`Releaser::release`].
    pub async fn release(&self, id: Uuid, terms: Terms, by: &By) -> Result<Outcome, LedgerError> {
        let (ledger, neon, secrets) = (&self.inner.ledger, &Neon(self.inner.neon.clone()), &self.inner.secrets);
        Releaser { ledger, neon, secrets }.release(id, terms, by).await?;
        Ok(self.release_now(id).await)
    }

    /// Deletes a released database on Neon now.
    pub async fn release_now(&self, id: Uuid) -> Outcome {
        crash::here(CrashPoint::ReleaseRecorded);
        self.within_deadline(Duty::Release, |engine, neon| async move {
            match engine.release_one(&neon, id).await? {
                Some(outcome) => Ok(outcome.map_err(NotDone::from)),
                None if engine.ledger.safe_mode().await?.is_some() => {
                    let reason = String::from("Safe mode: nothing is deleted until an operator has ended it.");
                    Ok(Err(NotDone { reason, is_refused: true }))
                }
                None if engine.ledger.database(id).await?.row.state == DatabaseState::Releasing => {
                    Ok(Err(why_not_taken(&engine).await?))
                }
                None => Ok(Ok(())),
            }
        })
        .await
    }

    /// Asks Neon how this database is now.
    pub async fn refresh_now(&self, id: Uuid) -> Outcome {
        let neon = self.inner.neon.with_class(Class::Support).with_deadline(INTERACTIVE_DEADLINE);
        match tokio::time::timeout(INTERACTIVE_DEADLINE, self.inner.observe(&neon, id)).await {
            Ok(Ok(())) => {
                self.inner.ask_usage_soon(id);
                Outcome::Done
            }
            Ok(Err(error)) => Outcome::Pending(format!("Not refreshed. {error}")),
            Err(_) => Outcome::Pending(String::from(
                "Not refreshed: Neon did not answer within 5 seconds. Try again in a moment.",
            )),
        }
    }

    /// Tries until it is done or the deadline has passed; then leaves it to the duty. An attempt that is under way then goes on, and writes down what came of
    /// it: given up, it would keep its lease, and hold the duty off, for minutes.
    async fn within_deadline<F, T>(&self, duty: Duty, attempt: F) -> Outcome
    where
        F: Fn(Arc<Inner>, NeonClient) -> T,
        T: Future<Output = Result<Result<(), NotDone>, LedgerError>> + Send + 'static,
    {
        let end = Instant::now() + INTERACTIVE_DEADLINE;
        let mut reason = String::from("Neon has not answered yet.");
        while Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            let neon = self.inner.neon.with_class(Class::Support).with_deadline(left);
            let attempt = self.inner.tasks.spawn(trace::carry_on(None, attempt(Arc::clone(&self.inner), neon)));
            let Ok(Ok(outcome)) = tokio::time::timeout_at(end, attempt).await else { break };
            match outcome {
                Ok(Ok(())) => return Outcome::Done,
                Ok(Err(NotDone { reason: why, is_refused: false })) => reason = why,
                // Asking at once again would change nothing.
                Ok(Err(NotDone { reason: why, is_refused: true })) => {
                    reason = why;
                    break;
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "could not carry out at once what a person asked for"
                    );
                    reason = String::from("The ledger did not answer.");
                    break;
                }
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
        self.inner.nudge(duty);
        Outcome::Pending(format!("Recorded, but not done yet; the engine goes on trying. {reason}"))
    }
}

/// Why a row could not be leased that is due.
async fn why_not_taken(engine: &Inner) -> Result<NotDone, LedgerError> {
    let reason = match engine.ledger.may_change_neon().await? {
        true => "The engine is busy with this database.",
        false => UNCERTAIN,
    };
    Ok(NotDone { reason: String::from(reason), is_refused: false })
}
