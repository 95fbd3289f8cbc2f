//! Everything that comes in over HTTP: pages and server functions for operators, the API for programs, files for browsers.
//!
//! Deny by default: a route is public only if it stands in [`router`] outside of [`session`], [`api`] and [`metrics`]; what is not listed
//! at all is answered with 404. Every answer passes [`headers`] and [`own_errors`], whatever made it.

mod access_log;
mod address;
mod api;
mod assets;
mod cross_site;
mod error_page;
mod headers;
mod health;
mod limits;
mod metrics;
mod own_errors;
mod pages;
mod request_id;
mod rpc;
mod session;
mod sign_in;

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    serve::ListenerExt,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

pub use api::document as openapi_document;
pub use metrics::serve as serve_metrics;
pub use request_id::RequestId;

use super::AppState;

/// How long requests under way may take after the signal to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Answers requests until `shutdown`, and then for at most [`GRACE`] those that are under way.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(state: AppState, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
    let watch = tokio::spawn(state.ledger.clone().watch(shutdown.clone()));
    let sweep = tokio::spawn(session::sweep_until(state.clone(), shutdown.clone()));
    // Small answers must not wait for company.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection keeps its delay");
        }
    });
    let service = router(state).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let outcome = tokio::select! {
        outcome = server => outcome,
        () = grace(&shutdown) => Ok(()),
    };
    sweep.abort();
    watch.abort();
    outcome
}

/// Every route with every layer. The layer added last sees a request first.
pub fn router(state: AppState) -> Router {
    let signed_in = pages::router(&state)
        .layer(from_fn(session::require))
        .merge(sign_in::router())
        .layer(from_fn(rpc::with_status))
        .fallback(pages::not_found)
        .layer(from_fn_with_state(state.clone(), session::identify));
    Router::new()
        .merge(signed_in)
        .merge(api::router(&state))
        .merge(metrics::router(&state))
        .merge(assets::router(&state.config))
        .layer(limits::compression())
        .layer(from_fn_with_state(limits::Gate::default(), limits::bounded))
        .merge(health::router())
        .layer(from_fn_with_state(state.clone(), cross_site::refuse_blind_cookies))
        .layer(cross_site::layer(&state.config))
        .layer(CatchPanicLayer::custom(own_errors::after_panic))
        .layer(from_fn(own_errors::dress))
        .layer(from_fn_with_state(state.config.clone(), headers::add))
        .layer(from_fn_with_state(state.metrics.clone(), access_log::log))
        .layer(from_fn(request_id::assign))
        .with_state(state)
}

async fn grace(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
