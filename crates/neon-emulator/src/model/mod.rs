//! What Neon knows about a project, and how it changes. Pure: no clock of its own, no database, no network.

mod action;
mod activity;
mod branch;
mod compute;
mod compute_state;
mod enforcement;
mod history;
mod journal;
mod modeled;
mod objects;
mod operation;
mod organization;
mod plan;
mod project;
mod quota;
mod refusal;
#[cfg(test)]
mod tests;
mod timing;
mod transfer;
mod usage;
#[cfg(test)]
mod usage_tests;

pub use action::Action;
pub use activity::{Activity, Pattern, mix, overlap};
pub use branch::NewEndpoint;
pub use compute_state::ComputeState;
pub use history::{History, Used};
pub use journal::{HourOfUse, Journal, Silence};
pub use objects::{Database, Objects, Role};
pub use operation::Operation;
pub use organization::Organization;
pub use plan::Plan;
pub use project::{Project, VIRGIN_SIZE};
pub use quota::{Quota, QuotaKind};
pub use refusal::Refusal;
pub use timing::Timing;
pub use transfer::{Batch, Direction, Facts, Move, Obstacle, Rules, clamp, time_in};
