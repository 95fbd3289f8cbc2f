//! What a request may cost: bytes, time, company.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;
use tower_http::compression::{
    CompressionLayer,
    predicate::{DefaultPredicate, Predicate},
};

/// Bytes of a body.
pub const BODY_BYTES: usize = 64 * 1024;
/// Bytes of path and query.
const ADDRESS_BYTES: usize = 8 * 1024;
/// Requests under way at a time; more are told to come back.
const AT_A_TIME: usize = 1_024;
/// Time until the answer begins. Claims may wait up to 30 seconds for a database, and then need their answer.
const TIME: Duration = Duration::from_secs(30);
const CLAIM_TIME: Duration = Duration::from_secs(40);
const CLAIMS: &str = "/api/v1/claims";

#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

/// Marks an answer that holds a secret: it is not compressed, since its length would tell about it.
#[derive(Clone, Copy)]
pub struct HoldsSecret;

pub fn body() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_BYTES)
}

/// Lets so many requests in, each for so long.
pub async fn bounded(State(Gate(gate)): State<Gate>, request: Request, next: Next) -> Response {
    if request.uri().path_and_query().is_some_and(|address| address.as_str().len() > ADDRESS_BYTES) {
        return StatusCode::URI_TOO_LONG.into_response();
    }
    if announced_bytes(request.headers()).is_some_and(|bytes| bytes > BODY_BYTES) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let Ok(_place) = gate.try_acquire() else { return come_back() };
    let time = if request.uri().path() == CLAIMS { CLAIM_TIME } else { TIME };
    match tokio::time::timeout(time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => come_back(),
    }
}

/// What the client says it will send. Who says nothing is stopped by [`body`] while reading.
fn announced_bytes(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Not now; in a second perhaps.
pub fn come_back() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, HeaderValue::from_static("1"))]).into_response()
}

#[derive(Clone, Copy)]
pub struct WithoutSecrets;

impl Predicate for WithoutSecrets {
    fn should_compress<B: axum::body::HttpBody>(&self, response: &axum::http::Response<B>) -> bool {
        response.extensions().get::<HoldsSecret>().is_none()
    }
}

/// Compresses what gains from it; event streams, images and answers with secrets are left as they are.
pub fn compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new()
        .quality(tower_http::CompressionLevel::Fastest)
        .compress_when(DefaultPredicate::new().and(WithoutSecrets))
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware::from_fn_with_state, routing::post};
    use tower::ServiceExt;

    use super::*;

    async fn status(gate: Gate, path: &str, announced: usize) -> StatusCode {
        let app = Router::new().route("/{*rest}", post(async || "done")).layer(from_fn_with_state(gate, bounded));
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header(header::CONTENT_LENGTH, announced)
            .body(Body::empty())
            .unwrap();
        app.oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn too_long_and_too_large_are_refused_unread() {
        assert_eq!(status(Gate::default(), "/x", BODY_BYTES).await, 200);
        assert_eq!(status(Gate::default(), "/x", BODY_BYTES + 1).await, 413);
        assert_eq!(status(Gate::default(), &format!("/x?{}", "a".repeat(ADDRESS_BYTES)), 0).await, 414);
    }

    #[tokio::test]
    async fn when_too_many_are_in_the_next_is_told_to_come_back() {
        let gate = Gate::default();
        let _all = gate.0.clone().try_acquire_many_owned(u32::try_from(AT_A_TIME).unwrap()).unwrap();
        assert_eq!(status(gate, "/x", 0).await, 503);
    }
}
