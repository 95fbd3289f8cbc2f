//! The one place where inner errors become what a person reads. The cause is logged once, here, under a reference; nothing of it leaks.

use uuid::Uuid;

use super::{engine::FindingError, ledger::LedgerError, secrets::SecretsError};
use crate::types::{AppError, text::TextError};

impl From<LedgerError> for AppError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::NotFound(what) => Self::NotFound(what),
            LedgerError::Invalid { field, message } => Self::invalid(field, message),
            LedgerError::Conflict(message) => Self::Conflict(message),
            LedgerError::ClaimEnded { message, .. } => Self::Conflict(message.to_owned()),
            LedgerError::Forbidden(message) => Self::Forbidden(message),
            LedgerError::NotHandingOut => Self::Busy {
                message: String::from(
                    "Nothing is handed out until it is certain that the ledger is current. The screen Problems says why. Try again in a moment.",
                ),
                retry_after_seconds: 5,
            },
            LedgerError::TooMany { message, retry_after_seconds } => Self::TooMany { message, retry_after_seconds },
            LedgerError::Away => ledger_is_away(),
            LedgerError::Sql(error) if is_unavailable(&error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the ledger's PostgreSQL does not answer");
                ledger_is_away()
            }
            LedgerError::Sql(error) if is_no_text(&error) => Self::invalid("text", TextError::Control.to_string()),
            error => internal(&error),
        }
    }
}

impl From<SecretsError> for AppError {
    fn from(error: SecretsError) -> Self {
        internal(&error)
    }
}

impl From<FindingError> for AppError {
    fn from(error: FindingError) -> Self {
        match error {
            FindingError::Ledger(error) => error.into(),
            FindingError::Neon(error) if error.is_worth_retrying() => {
                Self::Busy { message: error.to_string(), retry_after_seconds: 5 }
            }
            error @ (FindingError::Neon(_) | FindingError::Probe(_) | FindingError::Refused(_)) => {
                Self::Conflict(error.to_string())
            }
        }
    }
}

/// Logs the whole chain of causes and answers with a reference to it.
pub fn internal(error: &(dyn std::error::Error + 'static)) -> AppError {
    let reference = Uuid::now_v7().simple().to_string()[20..].to_owned();
    tracing::error!(reference, error, "request failed");
    AppError::Internal { reference }
}

fn ledger_is_away() -> AppError {
    AppError::Busy {
        message: String::from("The ledger is not available right now. Try again in a moment."),
        retry_after_seconds: 1,
    }
}

/// Whether a text holds what PostgreSQL keeps in none: the NUL character. (22021 in a text, 22P05 in JSON.)
fn is_no_text(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "22021" || code == "22P05")
}

/// Whether PostgreSQL is gone, starting, stopping or out of connections, so that trying again makes sense.
fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        // Something else answers at PostgreSQL's address while it is away; on one machine even our own connection, to itself.
        sqlx::Error::Protocol(_) => true,
        // Classes 08 (connection), 53 (resources) and 57 (operator intervention: shutdown, cannot connect now, statement timeout).
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["08", "53", "57"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}
