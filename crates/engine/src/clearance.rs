//! Clearance: a database that the ledger gives to nobody, and that was or may have been in the pool, may hold somebody's data all the same. Whoever releases
//! it has it looked into first, or says that it may go whatever is in it.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Neon,
    contents::{LookError, contents},
};
use ledger::{By, Clearance, Ledger, LedgerError};
use neon_client::{Class, NeonError};

/// How long a person waits for one call.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// And for all of it, a cold start included.
pub(super) const LOOK_DEADLINE: Duration = Duration::from_secs(30);
/// What to do about a refusal; ends a sentence in the history, on the screens and in the API.
pub(super) const ANYWAY: &str =
    "Find out whose it is. If it may be deleted whatever is in it, release it with \"anyway\" and a reason.";

/// Gives a database up, after it was looked into where nobody is known to hold it. With `anyway` it is not looked into; that needs a reason.
///
/// # Errors
/// The ledger's; `Conflict` with what was found, or why it could not be looked into.
pub async fn release(ledger: &Ledger, neon: &Neon, id: Uuid, anyway: bool, by: &By) -> Result<(), LedgerError> {
    let clearance = match anyway {
        true if by.reason.is_none() => {
            return Err(LedgerError::Invalid {
                field: "reason",
                message: String::from("Say why it may be deleted whatever is in it."),
            });
        }
        true => Some(Clearance::Anyway),
        false => look(ledger, neon, id).await?,
    };
    ledger.release_cleared(id, clearance, by).await
}

/// `None` when there is nothing to look into.
async fn look(ledger: &Ledger, neon: &Neon, id: Uuid) -> Result<Option<Clearance>, LedgerError> {
    let Some(unheld) = ledger.unheld(id).await? else { return Ok(None) };
    let neon = neon.0.with_class(Class::Support).with_deadline(CALL_DEADLINE);
    let state = unheld.state.as_str();
    match tokio::time::timeout(LOOK_DEADLINE, contents(&neon, &unheld.project_id)).await {
        Ok(Ok(None)) => Ok(Some(Clearance::LookedInto)),
        // The release finds out that there is nothing to delete.
        Ok(Err(LookError::Neon(NeonError::NotFound { .. }))) => Ok(None),
        Ok(Ok(Some(what))) => {
            Err(LedgerError::Conflict(format!("Nothing was done: it is {state}, and not empty. {what} {ANYWAY}")))
        }
        Ok(Err(error)) => Err(LedgerError::Conflict(format!(
            "Nothing was done: it is {state}, and could not be looked into. {error} Try again in a moment. {ANYWAY}"
        ))),
        Err(_) => Err(LedgerError::Conflict(format!(
            "Nothing was done: it is {state}, and could not be looked into within {} seconds. Try again in a moment. {ANYWAY}",
            LOOK_DEADLINE.as_secs()
        ))),
    }
}
