//! A stand-in for Neon: its management API v2 and a connection proxy, over a real PostgreSQL.
//!
//! `Emulator::start` serves both on ports of its own. The state is in PostgreSQL, so a restart forgets nothing; the
//! databases behind the projects are real ones in the same server. Start at `api` for the routes, `model` for how a
//! project changes, `proxy` for what a connection passes.

mod api;
mod apply;
mod arrivals;
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
mod organizations;
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
mod transfers;
mod unknowns;

pub use clock::Clock;
pub use config::{Config, DEFAULT_ORG};
pub use emulator::{Emulator, ProjectTruth};
pub use faults::{Cut, Fault, Faults, ProjectShare, Rule, Switches};
pub use fleet::{FleetSpec, Shares};
pub use keys::{Holder, Key};
pub use model::{Direction, Organization, Pattern, Plan, Quota, VIRGIN_SIZE};
pub use regions::DEFAULT_REGION;
pub use seed::{SeedProject, SeedUsage, SeededProject};
pub use stats::{AccountPeak, CallCount, NO_ANSWER, RoutePeak, Stats};
pub use store::ProjectRecord;
pub use unknowns::Unknowns;

/// The README's example, so that it compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
