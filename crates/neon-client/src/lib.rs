#![doc = include_str!("../README.md")]

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
mod wire;

pub use allowance::{Allowance, AllowanceError, Bucket};
pub use branch::Branch;
pub use class::Class;
pub use client::{NeonClient, NeonConfig, prepare_tls};
pub use endpoint::{ComputeSettings, Endpoint};
pub use error::NeonError;
pub use operation::Operation;
pub use pace::Pace;
pub use project::{Created, Deletion, NewProject, Project, ProjectItem, ProjectPage};
pub use quota::NeonQuota;
pub use route::Route;
pub use stats::{CallCount, CallTally, NeonHealth};
pub use tank::LocalAllowance;
pub use unreadable::UnreadableRecord;
