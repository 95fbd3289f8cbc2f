//! Requests that another site made a browser send: none of them may change anything.
//!
//! Browsers say where a request comes from in `Sec-Fetch-Site` and `Origin`; server functions have no defence of their own.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::{auth::cookie, config::Config, state::AppState};

/// Refuses an unsafe request from another origin. A proxy may change the `Host`, so the public address counts as ours too.
pub fn layer(
    config: &Config,
) -> CsrfLayer<impl FnMut(ProtectionError) -> Response<Body> + Clone + Send + Sync + 'static> {
    let own = CsrfLayer::new();
    let trusting = own.clone().add_trusted_origin(config.public_url()).unwrap_or_else(|error| {
        tracing::warn!(%error, "the public URL is no origin that browsers could send; only requests whose Host fits are accepted");
        own
    });
    trusting.with_rejection_response(|_: ProtectionError| StatusCode::FORBIDDEN.into_response())
}

/// Refuses an unsafe request that carries our cookie and does not say where it comes from: every browser that holds such a
/// cookie does. A program with a token may send what it likes beside it: another site cannot make a browser add one.
pub async fn refuse_blind_cookies(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if is_blind(request.method(), request.headers()) && cookie::is_present(request.headers(), &state.config) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

fn is_blind(method: &Method, headers: &HeaderMap) -> bool {
    let says_where_from = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    !method.is_safe() && !says_where_from && !headers.contains_key(header::AUTHORIZATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsafe_request_must_say_where_it_comes_from() {
        let says = |name: &'static str| {
            HeaderMap::from_iter([(header::HeaderName::from_static(name), header::HeaderValue::from_static("x"))])
        };
        assert!(is_blind(&Method::POST, &HeaderMap::new()));
        assert!(is_blind(&Method::DELETE, &says("referer")));
        assert!(!is_blind(&Method::POST, &says("origin")));
        assert!(!is_blind(&Method::POST, &says("sec-fetch-site")));
        assert!(!is_blind(&Method::POST, &says("authorization")));
        assert!(!is_blind(&Method::GET, &HeaderMap::new()));
    }
}
