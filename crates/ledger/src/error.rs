//! What the ledger answers when it cannot do as asked.

/// Refusals are typed; everything else is PostgreSQL's own error.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("{0} was not found")]
    NotFound(String),
    #[error("{message}")]
    Invalid { field: &'static str, message: String },
    /// The row is not in a state in which this can be done.
    #[error("{0}")]
    Conflict(String),
    /// What was asked for needs a claim that goes on, and this one does not.
    #[error("{message}")]
    ClaimEnded {
        /// What became of it, for programs: `served`, `released`, `cancelled`.
        code: &'static str,
        message: &'static str,
    },
    /// The token may not do this, whatever its scopes.
    #[error("{0}")]
    Forbidden(String),
    /// It is not known whether this ledger is the one that knows who owns what.
    #[error("nothing is handed out")]
    NotHandingOut,
    /// Beyond a limit that holds for this caller alone.
    #[error("{message}")]
    TooMany { message: String, retry_after_seconds: u32 },
    #[error("PostgreSQL does not answer")]
    Unreachable,
    #[error(transparent)]
    Sql(sqlx::Error),
    /// One migration; those before it stay.
    #[error(
        "migration {version} ({name}) failed and was undone, the ledger is as the one before it left it; put right what PostgreSQL says and run `flotilla migrate`: {cause}"
    )]
    Migration { version: i64, name: String, cause: sqlx::migrate::MigrateError },
    #[error(transparent)]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        super::connections::learn_from(&error);
        Self::Sql(error)
    }
}

impl LedgerError {
    /// PostgreSQL works, and refuses what it was given: trying the same again does not help, but without what it stumbles over it may go well.
    pub fn is_about_the_data(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
            }
            Self::Sql(sqlx::Error::Encode(_)) => true,
            _ => false,
        }
    }
}

impl LedgerError {
    /// A claim that the unique indexes refuse because the owner has one already is a conflict, with what to do about it.
    pub(super) fn if_holds_another(error: sqlx::Error, what_to_do: &str) -> Self {
        match error.as_database_error().and_then(|inner| inner.constraint()) {
            Some("databases_one_per_owner" | "claims_one_live_per_owner") => {
                Self::Conflict(format!("The owner holds another database in this pool by now. {what_to_do}"))
            }
            _ => error.into(),
        }
    }
}
