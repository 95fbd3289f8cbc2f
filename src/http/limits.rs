//! What a request may cost: bytes, time, company.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{DefaultBodyLimit, FromRequest, Request, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use tower_http::compression::{
    CompressionLayer,
    predicate::{DefaultPredicate, Predicate},
};

use crate::metrics::{Metrics, Refused};

/// Bytes of a body.
pub const BODY_BYTES: usize = 64 * 1024;
/// Bytes of path and query.
const ADDRESS_BYTES: usize = 8 * 1024;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Requests under way at a time; more are told to come back. Claims and metrics have a share of their own beside the one for all, and health checks pass
/// without a permit, so that no crowd of others stops them.
const AT_A_TIME: usize = 896;
const RESERVED: usize = 128;
/// Time until the answer begins. Claims may wait up to 30 seconds for a database, and then need their answer.
const TIME: Duration = Duration::from_secs(30);
const CLAIM_TIME: Duration = Duration::from_secs(40);
const CLAIMS: &str = "/api/v1/claims";
const METRICS: &str = "/metrics";

/// Lets so many requests in at a time.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    body_time: Duration,
    metrics: Arc<Metrics>,
}

impl Gate {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self { shared: permits(AT_A_TIME), reserved: permits(RESERVED), body_time: BODY_TIME, metrics }
    }

    /// A permit, if there is one for this path.
    fn enter(&self, path: &str) -> Option<SemaphorePermit<'_>> {
        let is_favoured =
            path == METRICS || path == CLAIMS || path.strip_prefix(CLAIMS).is_some_and(|rest| rest.starts_with('/'));
        let shared = self.shared.try_acquire().ok();
        let permit = shared.or_else(|| is_favoured.then(|| self.reserved.try_acquire().ok()).flatten());
        if permit.is_none() {
            self.metrics.refused(Refused::Request);
        }
        permit
    }
}

/// Marks an answer that holds a secret: it is not compressed, since its length would tell about it.
#[derive(Clone, Copy)]
pub struct HoldsSecret;

/// Marks an answer that leaves no sooner than this: its time shall not tell what was done for it.
#[derive(Clone, Copy)]
pub struct NotBefore(Instant);

impl NotBefore {
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }
}

/// Holds such answers back. Outside of [`bounded`]: they take no permit while they wait, only their connection.
pub async fn hold_back(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if let Some(NotBefore(time)) = response.extensions().get() {
        tokio::time::sleep_until(*time).await;
    }
    response
}

pub fn body() -> DefaultBodyLimit {
    DefaultBodyLimit::max(BODY_BYTES)
}

/// Lets so many requests in, each for so long. A request needs a permit only when all of it is here: a permit is for work, not for waiting for a client
/// that sends a byte now and then.
pub async fn bounded(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if request.uri().path_and_query().is_some_and(|address| address.as_str().len() > ADDRESS_BYTES) {
        return StatusCode::URI_TOO_LONG.into_response();
    }
    if announced_bytes(request.headers()).is_some_and(|bytes| bytes > BODY_BYTES) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let request = match tokio::time::timeout(gate.body_time, received(request)).await {
        Ok(Ok(request)) => request,
        Ok(Err(rejection)) => return rejection.status().into_response(),
        Err(_) => {
            gate.metrics.refused(Refused::Body);
            return StatusCode::REQUEST_TIMEOUT.into_response();
        }
    };
    let Some(_permit) = gate.enter(request.uri().path()) else { return come_back() };
    let time = if request.uri().path() == CLAIMS { CLAIM_TIME } else { TIME };
    match tokio::time::timeout(time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => come_back(),
    }
}

/// The request with its whole body, as far as [`body`] allows.
async fn received(request: Request) -> Result<Request, BytesRejection> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
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
    fn should_compress<B: HttpBody>(&self, response: &axum::http::Response<B>) -> bool {
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
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use axum::{Router, middleware::from_fn_with_state, routing::post};
    use hyper::body::Frame;
    use tower::ServiceExt;

    use super::*;

    fn gate() -> Gate {
        Gate::new(Arc::new(Metrics::new().unwrap()))
    }

    async fn answer(gate: &Gate, request: Request) -> StatusCode {
        let app = Router::new()
            .route("/{*rest}", post(async |body: String| body))
            .layer(from_fn_with_state(gate.clone(), bounded))
            .layer(body());
        app.oneshot(request).await.unwrap().status()
    }

    async fn status(gate: &Gate, path: &str, announced: usize) -> StatusCode {
        let request = Request::post(path).header(header::CONTENT_LENGTH, announced).body(Body::empty()).unwrap();
        answer(gate, request).await
    }

    #[tokio::test]
    async fn too_long_and_too_large_are_refused_unread() {
        let gate = gate();
        assert_eq!(status(&gate, "/x", BODY_BYTES).await, 200);
        assert_eq!(status(&gate, "/x", BODY_BYTES + 1).await, 413);
        assert_eq!(status(&gate, &format!("/x?{}", "a".repeat(ADDRESS_BYTES)), 0).await, 414);
    }

    #[tokio::test]
    async fn a_body_that_was_not_announced_is_refused_when_it_is_too_large() {
        let body = Body::new(Chunks { left: 65, then_ends: true });
        assert_eq!(answer(&gate(), Request::post("/x").body(body).unwrap()).await, 413);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_takes_no_place_and_is_given_up() {
        let gate = Gate { body_time: Duration::from_millis(50), ..gate() };
        let _all = gate.shared.clone().try_acquire_many_owned(u32::try_from(AT_A_TIME).unwrap()).unwrap();
        let body = Body::new(Chunks { left: 3, then_ends: false });
        assert_eq!(
            answer(&gate, Request::post("/sign-in").body(body).unwrap()).await,
            408,
            "and not 503: no permit is asked for"
        );
        assert_eq!(gate.metrics.refusals(Refused::Body), 1);
    }

    /// So many chunks of a kibibyte, and then the end, or nothing more.
    struct Chunks {
        left: usize,
        then_ends: bool,
    }

    impl HttpBody for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.left {
                0 if self.then_ends => Poll::Ready(None),
                0 => Poll::Pending,
                _ => {
                    self.left -= 1;
                    Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'a'; 1_024])))))
                }
            }
        }
    }

    #[tokio::test]
    async fn when_too_many_are_in_only_claims_and_metrics_get_in() {
        let gate = gate();
        let _all = gate.shared.clone().try_acquire_many_owned(u32::try_from(AT_A_TIME).unwrap()).unwrap();
        for path in ["/x", "/api/v1/claimsx", "/api/v1/databases"] {
            assert_eq!(status(&gate, path, 0).await, 503, "{path}");
        }
        for path in ["/api/v1/claims", "/api/v1/claims/1", "/metrics"] {
            assert_eq!(status(&gate, path, 0).await, 200, "{path}");
        }
        let _reserved = gate.reserved.clone().try_acquire_many_owned(u32::try_from(RESERVED).unwrap()).unwrap();
        assert_eq!(status(&gate, "/api/v1/claims", 0).await, 503);
    }
}
