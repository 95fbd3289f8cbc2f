//! A stand-in for Neon: its management API v2 and a connection proxy, over a real PostgreSQL.
//!
//! `Emulator::start` serves both on ports of its own. The state is in PostgreSQL, so a restart forgets nothing; the
//! databases behind the projects are real ones in the same server. Start at `api` for the routes, `model` for how a
//! project changes, `proxy` for what a connection passes.

mod api;
mod apply;
pub mod cli;
mod clock;
mod config;
mod connection_string;
mod connections;
mod console;
mod context;
mod control;
mod emulator;
mod faults;
mod fleet;
mod keys;
mod limits;
mod listener;
mod model;
mod names;
mod proxy;
mod quotas;
mod regions;
mod route;
mod router;
mod seed;
mod sizes;
mod stats;
mod store;
mod sweep;

pub use clock::Clock;
pub use config::{Config, DEFAULT_ORG, Unknowns};
pub use emulator::{Emulator, ProjectTruth};
pub use faults::{Cut, Fault, Faults, ProjectShare, Rule, Switches};
pub use fleet::{FleetSpec, Shares};
pub use model::{Pattern, Quota, VIRGIN_SIZE};
pub use regions::DEFAULT_REGION;
pub use seed::{SeedProject, SeedUsage, SeededProject};
pub use stats::{CallCount, NO_ANSWER, RoutePeak, Stats};
pub use store::ProjectRecord;

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
