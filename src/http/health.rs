//! For load balancers and supervisors: is the process alive, and can it do its work?

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};

use super::limits;
use crate::state::AppState;

pub fn router() -> Router<AppState> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
}

async fn alive() -> &'static str {
    "ok\n"
}

/// Whether the process goes on and the ledger answers, as it was last seen by a connection of its own: a probe neither queues behind requests nor costs a
/// query, so that whoever asks often takes nothing away.
async fn ready(State(state): State<AppState>) -> Response {
    if state.stop.unready.is_cancelled() {
        return limits::come_back();
    }
    match state.ledger.require_reachable() {
        Ok(()) => "ok\n".into_response(),
        Err(_) => limits::come_back(),
    }
}
