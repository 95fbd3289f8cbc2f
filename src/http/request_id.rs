//! The id under which a request is found in logs, events and error texts, and in the calls to Neon that it leads to. A caller may bring one along.

use std::{fmt, sync::Arc, time::Instant};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

/// When the request arrived; in its extensions.
#[derive(Clone, Copy)]
pub struct Arrived(pub Instant);

impl RequestId {
    /// The id of the request that this task answers; empty outside of any.
    pub fn current() -> String {
        trace::current().map(|id| id.to_string()).unwrap_or_default()
    }

    /// What the caller sent, if it is harmless in a log, else a fresh one.
    fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(|text| is_sane(text));
        Self(sent.map_or_else(trace::fresh, Into::into))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_sane(id: &str) -> bool {
    (8..=100).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Gives the request its id and its time of arrival, and the answer the same id.
pub async fn assign(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(Arrived(Instant::now()));
    let span = tracing::error_span!("request", request_id = %id);
    let mut response = trace::follow(Arc::clone(&id.0), span, next.run(request)).await;
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn of(sent: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_str(sent).expect("a header value"));
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        assert_eq!(of("signup-7f3a.42_x"), "signup-7f3a.42_x");
        for odd in ["short", "has spaces in it", "<script>alert(1)</script>", &"x".repeat(101)] {
            let id = of(odd);
            assert!(id != odd && Uuid::parse_str(&id).is_ok(), "{odd:?} became {id:?}");
        }
    }
}
