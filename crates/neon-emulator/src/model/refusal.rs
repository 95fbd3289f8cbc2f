//! Why a change is not made. The texts are Neon's own where they are known.

use thiserror::Error;

use super::QuotaKind;

#[derive(Debug, Error)]
pub enum Refusal {
    #[error("{0} not found")]
    NotFound(&'static str),
    #[error("project already has running conflicting operations, scheduling of new ones is prohibited")]
    OperationsRunning,
    #[error("endpoint is in some transitive state, could not suspend")]
    Transitive,
    #[error("endpoint is disabled")]
    Disabled,
    #[error("{}", .0.message())]
    QuotaExceeded(QuotaKind),
    #[error("user projects limit of {0} exceeded, got {0}")]
    ProjectsLimit(i64),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Unprocessable(String),
    /// What the plan does not allow, where no limit has a code for it.
    #[error("{0}")]
    Precondition(&'static str),
    /// A branch is protected against what was asked for.
    #[error("{0}")]
    Protected(&'static str),
    /// A name that is taken.
    #[error("{0}")]
    Exists(String),
    /// With Neon's code for the limit.
    #[error("{1}")]
    LimitExceeded(&'static str, String),
    #[error("unknown internal server error")]
    Store(#[from] sqlx::Error),
}
