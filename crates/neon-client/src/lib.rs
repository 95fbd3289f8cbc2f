#![doc = include_str!("../README.md")]

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
mod fair_queue;
pub mod operation;
pub mod project;
mod quota;
pub mod rate;
pub mod rate_limiter;
mod record;
mod redact;
pub mod role;
mod route;
pub mod stats;
#[cfg(test)]
mod tests;
mod token_bucket;
mod unreadable;
mod wire;

pub use branch::Branch;
pub use class::Class;
pub use client::{Call, NeonClient, NeonConfig, RawAnswer, prepare_tls};
pub use endpoint::{ComputeSettings, Endpoint};
pub use error::NeonError;
pub use operation::Operation;
pub use project::{Created, Deletion, NewProject, Project, ProjectItem, ProjectPage};
pub use quota::NeonQuota;
pub use rate::Rate;
pub use rate_limiter::{Bucket, RateLimiter, RateLimiterError};
pub use redact::presentable;
pub use route::Route;
pub use stats::{CallCount, CallTally, NeonHealth};
pub use token_bucket::LocalRateLimiter;
pub use unreadable::UnreadableRecord;
