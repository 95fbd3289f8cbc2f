//! Clearance: a database that the ledger gives to nobody, and that was or may have been in the pool, may hold somebody's data all the same. Whoever releases
//! it has it looked into first, or says that it may go whatever is in it. What its name on Neon gives to an owner goes against the name only where the ledger
//! is known to be the newest: in safe mode, and before the first start with a restored ledger, the name is right and the ledger is not.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Neon,
    contents::{Look, Otherwise, look, sign_in_the_name},
    proof::is_vouched_for,
};
use fleet_types::DatabaseState;
use ledger::{By, Clearance, Ledger, LedgerError, Unheld};
use neon_client::{Class, NeonClient, NeonError};
use secrets::Secrets;

/// How long a person waits for one call.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// What to do about a refusal; ends a sentence in the history, on the screens and in the API.
pub(super) const OTHERWISE: Otherwise = Otherwise {
    held: "If the name is wrong, release it with \"anyway\" and a reason while a server runs, outside safe mode.",
    filled: "Find out whose it is. If it may be deleted whatever is in it, release it with \"anyway\" and a reason.",
};

/// What a person says of a release.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// What nobody is known to hold may go whatever is in it. Needs a reason.
    pub anyway: bool,
    /// It goes only if nobody has claimed it.
    pub only_unclaimed: bool,
}

/// What a release needs that no engine carries out.
pub struct Releaser<'a> {
    pub ledger: &'a Ledger,
    pub neon: &'a Neon,
    pub secrets: &'a Secrets,
}

impl Releaser<'_> {
    /// Gives a database up, after it was looked into where nobody is known to hold it, or as the terms say.
    ///
    /// # Errors
    /// The ledger's; `Conflict` with what was found, why it could not be looked into, or who holds it.
    pub async fn release(&self, id: Uuid, terms: Terms, by: &By) -> Result<(), LedgerError> {
        if terms.anyway && by.reason.is_none() {
            return Err(LedgerError::Invalid {
                field: "reason",
                message: String::from("Say why it may be deleted whatever is in it."),
            });
        }
        let clearance = match (terms.anyway, self.ledger.unheld(id).await?) {
            (true, Some(unheld)) => {
                if !self.is_newest().await? {
                    self.refuse_if_named(&unheld).await?;
                }
                Some(Clearance::Anyway)
            }
            (true, None) => Some(Clearance::Anyway),
            // It is looked into before it is deleted.
            (false, Some(unheld)) if unheld.state == DatabaseState::Releasing => {
                self.refuse_if_named(&unheld).await?;
                None
            }
            (false, Some(unheld)) => Some(self.look(&unheld).await?),
            (false, None) => None,
        };
        self.ledger.release_cleared(id, clearance, terms.only_unclaimed, by).await
    }

    /// Whether a process has seen on Neon that this ledger is the newest, and goes on with it.
    async fn is_newest(&self) -> Result<bool, LedgerError> {
        Ok(self.ledger.safe_mode().await?.is_none() && is_vouched_for(self.ledger).await?)
    }

    async fn refuse_if_named(&self, unheld: &Unheld) -> Result<(), LedgerError> {
        let state = unheld.state.as_str();
        let refusal = match sign_in_the_name(&self.neon(), self.secrets, &unheld.project_id).await {
            // The release finds out that there is nothing to delete.
            Ok(None) | Err(NeonError::NotFound { .. }) => return Ok(()),
            Ok(Some(why)) => format!("it is {state} here. {why} {}", OTHERWISE.held),
            Err(error) => {
                format!("it is {state}, and its name on Neon could not be read. {error} Try again in a moment.")
            }
        };
        Err(LedgerError::Conflict(format!("Nothing was done: {refusal}")))
    }

    async fn look(&self, unheld: &Unheld) -> Result<Clearance, LedgerError> {
        let state = unheld.state.as_str();
        let refusal = match look(&self.neon(), self.secrets, &unheld.project_id, &OTHERWISE).await {
            Look::Clear => return Ok(Clearance::LookedInto),
            Look::Sign(sign) => {
                format!("it is {state} here, and may be somebody's all the same. {}", sign.advice(&OTHERWISE))
            }
            Look::Unseen(why) => format!("it is {state}, and {why}"),
        };
        Err(LedgerError::Conflict(format!("Nothing was done: {refusal}")))
    }

    fn neon(&self) -> NeonClient {
        self.neon.0.with_class(Class::Support).with_deadline(CALL_DEADLINE)
    }
}
