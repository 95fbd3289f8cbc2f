//! The client of the Neon management API v2, and nothing of our own rules.
//!
//! - [`NeonClient`]: typed calls; [`project`], [`branch`], [`endpoint`] and [`operation`] hold them with their types
//! - [`NeonError`]: what can come back, sorted by what a caller must do about it
//! - [`budget`]: stands in front of every call, so that the account's limits are never reached by our own doing
//! - [`stats`]: what was called and how it went, for screens and metrics
//! - [`uri`] and [`probe`]: connection strings, and whether a database answers
//!
//! Invariants: no call is repeated here unless it only reads; no wait lacks an end; no secret stands in a log or an error.
//! It must not know what a pool, a claim or the ledger is: back-off and adoption after a lost answer are the engine's.

mod answer;
pub mod branch;
pub mod budget;
mod class;
mod client;
pub mod endpoint;
mod error;
mod exchange;
pub mod operation;
pub mod probe;
pub mod project;
mod quota;
mod redact;
mod route;
pub mod stats;
#[cfg(test)]
mod tests;
pub mod uri;
mod wire;

pub use branch::Branch;
pub use class::Class;
pub use client::{NeonClient, NeonConfig, prepare_tls};
pub use endpoint::{ComputeSettings, Endpoint};
pub use error::NeonError;
pub use operation::Operation;
pub use probe::{ProbeError, answers, holds_nothing};
pub use project::{Created, Deletion, NewProject, Project, ProjectItem, ProjectPage};
pub use quota::NeonQuota;
pub use route::Route;
pub use stats::{CallCount, NeonHealth};
