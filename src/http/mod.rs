//! Everything that comes in over HTTP: pages and server functions for operators, the API for programs, files for browsers.
//!
//! Deny by default: a route is public only if it stands in [`router`] outside of [`session`], [`api`] and [`metrics`]; what is not listed
//! at all is answered with 404. Every answer passes [`headers`] and [`error_answers`], whatever made it.

mod access_log;
pub mod address;
mod api;
mod assets;
mod clean_url;
mod connections;
mod cross_site;
mod embedded_files;
mod error_answers;
mod headers;
mod health;
mod limits;
mod lookup;
mod metrics;
mod pages;
mod plain_page;
mod request_id;
mod rpc;
mod session;
mod sign_in;

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
};
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

pub use api::document as openapi_document;
pub use metrics::serve as serve_metrics;
pub use request_id::RequestId;

use crate::state::AppState;

/// Answers requests until the state's [`stop`](super::stop::Stop), and then those that are under way.
pub async fn serve(state: AppState, listener: TcpListener) {
    let stop = state.stop.clone();
    let watch = tokio::spawn(state.ledger.clone().watch(stop.ending.clone()));
    let sweep = tokio::spawn(session::sweep_until(state.clone(), stop.ending.clone()));
    let (config, metrics) = (state.config.clone(), state.metrics.clone());
    let limits = connections::Limits::of(&config);
    connections::serve(router(state), listener, config, limits, metrics, stop).await;
    sweep.abort();
    watch.abort();
}

/// Every route with every layer. The layer added last sees a request first.
pub fn router(state: AppState) -> Router {
    let signed_in = pages::router(&state)
        .merge(lookup::router())
        .layer(from_fn(session::require))
        .merge(sign_in::router())
        .layer(from_fn_with_state(state.config.clone(), rpc::answer))
        .fallback(pages::not_found)
        .layer(from_fn_with_state(state.clone(), clean_url::demand))
        .layer(from_fn_with_state(state.clone(), session::identify));
    Router::new()
        .merge(signed_in)
        .merge(api::router(&state))
        .merge(metrics::router(&state))
        .merge(assets::router(&state.config))
        .layer(limits::compression())
        .layer(from_fn_with_state(limits::Gate::new(state.metrics.clone()), limits::bounded))
        .layer(limits::body())
        .layer(from_fn(limits::hold_back))
        .merge(health::router())
        .layer(from_fn_with_state(state.clone(), cross_site::refuse_blind_cookies))
        .layer(cross_site::layer(&state.config))
        .layer(CatchPanicLayer::custom(error_answers::after_panic))
        .layer(from_fn(error_answers::dress))
        .layer(from_fn_with_state(state.config.clone(), headers::add))
        .layer(from_fn_with_state(state.config.clone(), address::notice_proxies))
        .layer(from_fn_with_state(state.metrics.clone(), access_log::log))
        .layer(from_fn(request_id::assign))
        .with_state(state)
}
