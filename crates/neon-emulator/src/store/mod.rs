//! All SQL of the emulator. The state lives in a database of its own; tenants' databases live beside it.

mod backing;
mod branches;
mod changes;
mod copy;
mod copying;
mod keys;
mod lock;
mod objects;
mod operations;
mod organizations;
mod places;
mod projects;
mod records;
mod room;
mod seeding;
mod setup;
mod size_limit;
mod sweeping;
mod transfers;
mod usage;

pub use backing::Backing;
pub use changes::Which;
pub use lock::StateLock;
pub use places::Place;
pub use projects::{Page, ProjectRecord};
pub use sweeping::BATCH as SWEEP_BATCH;
pub use usage::{Consumer, Consumers};

use sqlx::PgPool;

use crate::clock::Clock;
use crate::model::Timing;

/// The emulator's state.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    timing: Timing,
    clock: Clock,
}
