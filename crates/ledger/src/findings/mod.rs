//! Findings: what is wrong between Neon and the ledger, from the first detection to the end.
//!
//! - `detect`: what a page of a sweep shows, and what a whole sweep did not show
//! - `confirm`: what a complete sweep confirms, and what it takes back
//! - `doubt`: why a project that no row knows may be somebody's
//! - `brake`: too much at once
//! - `due`: leases of what is to be acted on, and what came of it
//! - `retire`: what becomes of the rows behind ghosts, drifted and half-born ones
//! - `decide`: what an operator decides
//! - `listing`: for the screens and the API
//!
//! A sweep that was partial or broke off may show something for the first time, but confirms and takes back nothing. Before a project is deleted, one
//! statement makes sure that no row knows it and marks the finding as being acted on; adoption locks the same finding, so one of the two wins.

mod brake;
mod confirm;
mod decide;
mod detect;
mod doubt;
mod due;
mod listing;
mod retire;

pub use confirm::SweepOutcome;
pub use decide::AdoptedProject;
pub use detect::{PageOwners, PageProject};
pub use due::{DueFinding, Mended, Taken};
pub use retire::Retired;

use fleet_types::Time;

/// The sweep by which something is seen.
#[derive(Clone, Copy, Debug)]
pub struct SweepRef {
    pub sweep: i64,
    /// On PostgreSQL's clock: what changed after it proves nothing.
    pub started_at: Time,
}

/// How long things take until they count. In seconds; see the engine's settings for the defaults.
#[derive(Clone, Copy, Debug)]
pub struct FindingRules {
    /// Complete sweeps in which something must be seen.
    pub sweeps_to_confirm: i32,
    /// From the first detection until something is deleted or replaced.
    pub quarantine: f64,
    /// From the sweep that confirms until something is done about it.
    pub grace: f64,
    /// From the first detection until a drifted quota is sent again.
    pub drift_settles: f64,
    /// On the way to the pool for this long is too long.
    pub stuck_after: f64,
    /// A quota that drifts this often within `drift_memory` is no longer sent again.
    pub drift_tries: i32,
    pub drift_memory: f64,
    /// Whether a drifted quota is sent again at all.
    pub reapplies: bool,
    /// A sweep older than this is no reason to act any more.
    pub sweep_is_fresh: f64,
    /// Acted on in one pass: at least this many, or this share of the fleet.
    pub cap_least: i64,
    pub cap_share: f64,
    /// Projects that no row knows, deleted within 24 hours at most.
    pub cap_day: i64,
    /// Activity within this time after a database was verified, or a project looked into, is our own.
    pub own_activity: f64,
}
