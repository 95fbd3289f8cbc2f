//! What Neon knows about a project, and how it changes. Pure: no clock of its own, no database, no network.

mod branch;
mod compute;
mod objects;
mod operation;
mod project;
mod quota;
mod refusal;
#[cfg(test)]
mod tests;
mod timing;
mod usage;

pub use branch::NewEndpoint;
pub use compute::ComputeState;
pub use objects::{Database, Objects, Role};
pub use operation::{Action, Operation};
pub use project::{Project, VIRGIN_SIZE};
pub use quota::Quota;
pub use refusal::Refusal;
pub use timing::Timing;
