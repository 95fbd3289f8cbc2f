//! Everything that never reaches the browser.
//!
//! Three sentences are the architecture: only [`ledger`] writes SQL, only [`engine`] calls Neon, only `rpc` and [`http`] see a request.

pub mod auth;
pub mod cli;
pub mod config;
pub mod demo;
pub mod http;
pub mod metrics;
pub mod site;
pub mod start;
pub mod stop;
pub mod telemetry;

pub use ::{engine, ledger, secrets, sizing, trace};

use std::sync::Arc;

/// What every request handler and server function works with.
#[derive(Clone)]
pub struct AppState {
    pub config: Arc<config::Config>,
    pub ledger: ledger::Ledger,
    pub engine: engine::Engine,
    pub secrets: Arc<secrets::Secrets>,
    pub timings: Arc<engine::ClaimTimings>,
    pub metrics: Arc<metrics::Metrics>,
    pub stop: stop::Stop,
}
