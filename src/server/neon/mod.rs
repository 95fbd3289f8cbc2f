//! The client of the Neon management API v2, and nothing of our own rules.
//!
//! - [`NeonClient`]: typed calls; [`project`], [`branch`], [`endpoint`], [`operation`], [`role`] and [`consumption`] hold them with their types
//! - [`NeonError`]: what can come back, sorted by what a caller must do about it
//! - [`budget`]: stands in front of every call, so that the account's limits are never reached by our own doing; what it draws
//!   from is an [`Allowance`], which all replicas may share
//! - [`breaker`]: a route that fails again and again is not called for a while
//! - [`stats`]: what was called and how it went, for screens and metrics
//! - [`uri`] and [`probe`]: connection strings, and whether a database answers
//!
//! Invariants: no call is repeated here unless it only reads; no wait lacks an end; no secret stands in a log or an error.
//! It must not know what a pool, a claim or the ledger is: back-off and adoption after a lost answer are the engine's.

pub mod allowance;
mod answer;
pub mod branch;
pub mod breaker;
pub mod budget;
mod class;
mod client;
pub mod consumption;
pub mod endpoint;
mod error;
mod exchange;
mod line;
pub mod operation;
pub mod pace;
pub mod probe;
pub mod project;
mod quota;
mod record;
mod redact;
pub mod role;
mod route;
pub mod stats;
mod tank;
#[cfg(test)]
mod tests;
mod unreadable;
pub mod uri;
mod wire;

pub use allowance::{Allowance, AllowanceError, Bucket};
pub use branch::Branch;
pub use class::Class;
pub use client::{NeonClient, NeonConfig, prepare_tls};
pub use endpoint::{ComputeSettings, Endpoint};
pub use error::NeonError;
pub use operation::Operation;
pub use pace::Pace;
pub use probe::{ProbeError, answers, holds_nothing};
pub use project::{Created, Deletion, NewProject, Project, ProjectItem, ProjectPage};
pub use quota::NeonQuota;
pub use route::Route;
pub use stats::{CallCount, CallTally, NeonHealth};
pub use tank::LocalAllowance;
pub use unreadable::UnreadableRecord;
