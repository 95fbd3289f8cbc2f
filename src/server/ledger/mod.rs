//! The ledger: all SQL, one file per subject. It records facts and intents, each with its event in the same transaction,
//! and is the only truth about who owns what. It never calls Neon and never sees an unsealed credential.

mod error;

use sqlx::PgPool;

pub use error::LedgerError;

/// A handle on the ledger's PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    db: PgPool,
}

/// Who makes a change, by which way, and why: goes into the event of the change.
#[derive(Clone, Debug)]
pub struct By {
    /// An operator's e-mail, an API token's name, or a duty's.
    pub actor: String,
    pub via: Via,
    pub reason: Option<String>,
    pub request_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    Console,
    Api,
    Engine,
    Cli,
}

impl Via {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Api => "api",
            Self::Engine => "engine",
            Self::Cli => "cli",
        }
    }
}

impl By {
    /// A duty of the engine.
    pub fn duty(name: &str) -> Self {
        Self { actor: name.to_owned(), via: Via::Engine, reason: None, request_id: None }
    }

    /// Somebody at the command line.
    pub fn cli() -> Self {
        Self { actor: String::from("command line"), via: Via::Cli, reason: None, request_id: None }
    }
}
