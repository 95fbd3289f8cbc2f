//! What becomes of the ledger's errors where a person reads them: what they can do something about is said, the rest stays in the log.

use fleet_types::{AppError, text::TextError};

use super::LedgerError;

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
            LedgerError::Unreachable => ledger_is_unreachable(),
            LedgerError::Sql(error) if is_unavailable(&error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the ledger's PostgreSQL does not answer");
                ledger_is_unreachable()
            }
            LedgerError::Sql(error) if is_no_text(&error) => Self::invalid("text", TextError::Control.to_string()),
            error => Self::Internal { reference: trace::logged(&error) },
        }
    }
}

fn ledger_is_unreachable() -> AppError {
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
