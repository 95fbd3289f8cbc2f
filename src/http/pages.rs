//! Pages and server functions, rendered by Leptos. A page streams; what it sends must be complete within a deadline.

use std::time::Duration;

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use leptos::{
    config::{Env, LeptosOptions},
    nonce::use_nonce,
    prelude::{provide_context, use_context},
};
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list, render_app_async_with_context};
use tower_http::timeout::ResponseBodyDeadlineLayer;

use super::{headers, limits};
use crate::{
    app::{App, shell},
    auth::SignedIn,
    config::Config,
    site,
    state::AppState,
};

/// From the first byte of a page to the last.
const PAGE_TIME: Duration = Duration::from_secs(15);

/// Every page that the console has a route for, and every server function.
pub fn router(state: &AppState) -> Router<AppState> {
    let options = leptos_options(&state.config);
    let routes = generate_route_list(App);
    let context = {
        let state = state.clone();
        move || provide(&state)
    };
    let render = {
        let site = state.config.site();
        move || shell(site.entry_files())
    };
    Router::new()
        .leptos_routes_with_context(&options, routes, context, render)
        .layer(limits::body())
        .layer(ResponseBodyDeadlineLayer::new(PAGE_TIME))
        .with_state(options)
}

/// What is at no address: the console's own page for somebody who is signed in, and next to nothing for anybody else.
pub async fn not_found(
    State(state): State<AppState>,
    signed_in: Option<Extension<SignedIn>>,
    request: Request,
) -> Response {
    let accepts_page = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    let path = request.uri().path();
    let is_page =
        request.method() == Method::GET && accepts_page && !path.starts_with("/api/") && !path.starts_with("/rpc/");
    if signed_in.is_none() || !is_page {
        return StatusCode::NOT_FOUND.into_response();
    }
    let site = state.config.site();
    let mut response =
        render_app_async_with_context(move || provide(&state), move || shell(site.entry_files()))(request).await;
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// What pages and server functions find in their context: the state, the operator, and a nonce in the policy of the answer.
fn provide(state: &AppState) {
    provide_context(state.clone());
    let signed_in = use_context::<Parts>().and_then(|parts| parts.extensions.get::<SignedIn>().cloned());
    let operator = signed_in.map(|signed_in| signed_in.operator);
    provide_context(operator.clone());
    if let Some(operator) = operator {
        provide_context(operator);
    }
    let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>()) else { return };
    if let Ok(policy) = HeaderValue::from_str(&headers::page_policy(&nonce, state.config.watch)) {
        response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
    }
}

/// What the framework is told of the site; its files are served by [`super::assets`].
fn leptos_options(config: &Config) -> LeptosOptions {
    LeptosOptions::builder()
        .output_name(site::NAME)
        .site_addr(config.listen_address())
        .reload_port(8081)
        .env(if config.watch { Env::DEV } else { Env::PROD })
        .build()
}
