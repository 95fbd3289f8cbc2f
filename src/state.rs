//! What the server's parts share with each other.

use std::sync::Arc;

use crate::{config::Config, metrics::Metrics, stop::Stop};

/// What every request handler and server function works with.
#[derive(Clone)]
pub struct AppState {
    pub config: Arc<Config>,
    pub ledger: ledger::Ledger,
    pub engine: engine::Engine,
    pub secrets: Arc<secrets::Secrets>,
    pub timings: Arc<engine::ClaimTimings>,
    pub metrics: Arc<Metrics>,
    pub stop: Stop,
}
