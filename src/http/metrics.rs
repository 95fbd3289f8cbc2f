//! Where monitoring reads: `/metrics` behind a token with the scope `read`, and, if it is set up, without one on an address of its own.

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use super::{api, connections, health, limits};
use crate::{auth::Scope, metrics, state::AppState, stop::Stop};

/// For the address that everybody reaches.
pub fn router(state: &AppState) -> Router<AppState> {
    let behind_token = from_fn_with_state((state.clone(), Scope::Read), api::require_token);
    Router::new().route("/metrics", get(scrape)).route_layer(behind_token)
}

/// Answers scrapes and probes, and nothing else, on an address that only monitoring reaches.
pub async fn serve(state: AppState, listener: TcpListener) {
    // Monitoring sees the process to its end.
    let stop = Stop { closing: state.stop.ending.clone(), ..state.stop.clone() };
    let watch = tokio::spawn(state.ledger.clone().watch(stop.ending.clone()));
    let (config, metrics) = (state.config.clone(), state.metrics.clone());
    let limits = connections::Limits::of(&config);
    let router = Router::new()
        .route("/metrics", get(scrape))
        .merge(health::router())
        .layer(from_fn_with_state(limits::Gate::new(metrics.clone()), limits::bounded))
        .with_state(state);
    connections::serve(router, listener, config, limits, metrics, stop).await;
    watch.abort();
}

async fn scrape(State(state): State<AppState>) -> Response {
    let AppState { config, ledger, engine, metrics, .. } = &state;
    match metrics::text(metrics, ledger, engine, config.neon_calls_per_minute).await {
        Ok(text) => ([(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))], text).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
