//! The headers that every answer carries, whatever its status and whoever made it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use crate::config::Config;

/// Nothing but our own files, and no script at all: what is not a page needs none.
const STRICT_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const FIXED: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, STRICT_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Forms without scripts are led back by the Referer, which stays on this site.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=(), clipboard-write=(self)",
    ),
    (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
];

/// Adds what the answer does not say itself.
pub async fn add(State(config): State<Arc<Config>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if config.is_https() {
        headers
            .insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The policy of a page whose scripts carry this nonce. `wasm-unsafe-eval` lets WebAssembly compile, and no more than that.
pub fn page_policy(nonce: &str, is_watched: bool) -> String {
    // While cargo-leptos watches, pages reload over a WebSocket of its own.
    let connect = if is_watched { "'self' ws://127.0.0.1:8081" } else { "'self'" };
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src {connect}; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::get};
    use clap::Parser;
    use tower::ServiceExt;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        config: Config,
    }

    async fn answer(arguments: &[&str], path: &str) -> Response {
        let config = Only::try_parse_from([&["flotilla"], arguments].concat()).unwrap().config;
        let app = Router::new()
            .route("/own", get(async || [(header::CONTENT_SECURITY_POLICY, "own"), (header::CACHE_CONTROL, "public")]))
            .layer(from_fn_with_state(Arc::new(config), add));
        app.oneshot(Request::builder().uri(path).body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn every_answer_carries_them_whatever_its_status() {
        let response = answer(&[], "/nothing").await;
        assert_eq!(response.status(), 404);
        for (name, value) in FIXED {
            assert_eq!(response.headers()[&name], value);
        }
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(!response.headers().contains_key("strict-transport-security"), "without TLS it would mean nothing");
    }

    #[tokio::test]
    async fn what_an_answer_says_itself_stays() {
        let response = answer(&["--public-url", "https://fleet.example.com"], "/own").await;
        assert_eq!(
            (response.headers()["content-security-policy"].as_bytes(), response.headers()["cache-control"].as_bytes()),
            (&b"own"[..], &b"public"[..])
        );
        assert!(response.headers().contains_key("strict-transport-security"));
    }

    #[test]
    fn a_pages_policy_admits_its_own_scripts_only() {
        let policy = page_policy("abc", false);
        assert!(policy.contains("script-src 'self' 'nonce-abc' 'wasm-unsafe-eval';"), "{policy}");
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("ws:") && !policy.contains(" 'unsafe-eval'"),
            "{policy}"
        );
    }
}
