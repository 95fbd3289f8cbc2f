//! Server functions, as the framework answers them and as it must not: every error with status 500, forms without scripts led back to
//! whatever page they name, with the error's own words in its address.
//!
//! Here the session is asked for before anything is read, an error gets its own status, and a form is led to a page of ours; what went
//! wrong travels as a code, which that page translates.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use reqwest::Url;

use super::limits::{BODY_BYTES, HoldsSecret};
use crate::{
    auth::{
        SignedIn,
        next::{self, page_or_home},
    },
    config::Config,
};
use fleet_types::AppError;

const PREFIX: &str = "/rpc/";
const REVEAL: &str = "/rpc/reveal";
const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub async fn answer(State(config): State<Arc<Config>>, mut request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with(PREFIX) {
        return next.run(request).await;
    }
    let holds_secret = request.uri().path() == REVEAL;
    let page = is_form(&request).then(|| page_of(request.headers(), &config));
    let is_signed_in = request.extensions().get::<SignedIn>().is_some();
    if let Some(page) = page.as_ref().filter(|_| holds_secret && is_signed_in) {
        // The page that it would be led back to cannot show it, so nothing is disclosed, counted or written down.
        return lead_back(page, Some(AppError::invalid("script", "Showing a secret needs JavaScript.")));
    }
    // All that the framework knows of where a form came from.
    request.headers_mut().insert(header::ACCEPT, JSON);
    request.headers_mut().remove(header::REFERER);
    let (mut response, error) = if is_signed_in {
        with_status(next.run(request).await).await
    } else {
        (worded(&AppError::NotSignedIn), Some(AppError::NotSignedIn))
    };
    if holds_secret {
        response.extensions_mut().insert(HoldsSecret);
    }
    match page {
        Some(page) => lead_back(&page, error),
        None => response,
    }
}

/// Whether a browser sent this without scripts, and shows what it is answered.
fn is_form(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    request.method() == Method::POST && accept.contains("text/html")
}

/// The page of ours that a form was sent from; the home page if it was none. `Referer` is the browser's word, so it is believed about
/// the page and nothing else.
fn page_of(headers: &HeaderMap, config: &Config) -> String {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(from) = text(header::REFERER).and_then(|referer| Url::parse(referer).ok()) else {
        return next::HOME.into();
    };
    let public = Url::parse(&config.public_url()).ok();
    let authority = format!(
        "{}{}",
        from.host_str().unwrap_or_default(),
        from.port().map_or(String::new(), |port| format!(":{port}"))
    );
    let is_ours =
        text(header::HOST) == Some(&authority) || public.is_some_and(|public| public.origin() == from.origin());
    let query: Vec<_> =
        from.query_pairs().into_owned().filter(|(name, _)| !matches!(name.as_str(), "error" | "field")).collect();
    let page = crate::pages::path::page(from.path(), &query);
    if is_ours { page_or_home(&page).to_owned() } else { next::HOME.into() }
}

fn lead_back(page: &str, error: Option<AppError>) -> Response {
    let page = match error {
        None => page.to_owned(),
        Some(AppError::NotSignedIn) => next::sign_in_failed("expired", page),
        Some(error) => next::with_notice(page, &error),
    };
    Redirect::to(&page).into_response()
}

/// The answer with the error's own status, for caches, logs and monitoring; the browser reads the body either way. And the error.
async fn with_status(response: Response) -> (Response, Option<AppError>) {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return (response, None);
    }
    let is_ours = response.headers().contains_key("serverfnerror");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, BODY_BYTES).await.unwrap_or_default();
    match serde_json::from_slice::<AppError>(&bytes).ok().filter(|_| is_ours) {
        Some(error) => (worded(&error), Some(error)),
        None => (Response::from_parts(parts, Body::from(bytes)), Some(AppError::Unreachable)),
    }
}

/// As the browser's side of a server function reads it.
fn worded(error: &AppError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(error).unwrap_or_default();
    let mut response = (status, [(header::CONTENT_TYPE, JSON)], body).into_response();
    if let AppError::Busy { retry_after_seconds, .. } | AppError::TooMany { retry_after_seconds, .. } = error {
        response.headers_mut().insert(header::RETRY_AFTER, (*retry_after_seconds).into());
    }
    response
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        config: Config,
    }

    async fn answer(error: AppError) -> Response {
        let body = serde_json::to_vec(&error).unwrap();
        let failed = (StatusCode::INTERNAL_SERVER_ERROR, [("serverfnerror", "/rpc/x")], body).into_response();
        with_status(failed).await.0
    }
    #[tokio::test]
    async fn an_error_gets_its_own_status_and_keeps_its_body() {
        let forbidden = AppError::Forbidden(String::from("Needs the role operator; yours is viewer."));
        let response = answer(forbidden.clone()).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (403, &HeaderValue::from_static("application/json"))
        );
        let body = to_bytes(response.into_body(), 1_000).await.unwrap();
        assert_eq!(serde_json::from_slice::<AppError>(&body).unwrap(), forbidden);
    }

    #[tokio::test]
    async fn a_busy_server_says_when_to_come_back() {
        let response = answer(AppError::Busy { message: String::new(), retry_after_seconds: 3 }).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (503, &HeaderValue::from_static("3"))
        );
    }

    #[test]
    fn a_form_is_led_to_a_page_of_ours_and_nowhere_else() {
        let config = Only::try_parse_from(["flotilla", "--public-url", "https://fleet.example"]).unwrap().config;
        let page = |host: &str, referer: &str| {
            let headers = [(header::HOST, host), (header::REFERER, referer)];
            page_of(&headers.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect(), &config)
        };
        assert_eq!(
            page("127.0.0.1:8080", "http://127.0.0.1:8080/databases?text=a%20b&error=busy"),
            "/databases?text=a%20b"
        );
        assert_eq!(page("inner:1", "https://fleet.example/pools/main"), "/pools/main", "a proxy may change the host");
        for foreign in [
            "https://evil.example/pools",
            "http://127.0.0.1:8081/pools",
            "//evil.example",
            "x",
            "http://127.0.0.1:8080//evil.example",
        ] {
            assert_eq!(page("127.0.0.1:8080", foreign), "/", "{foreign}");
        }
    }
}
