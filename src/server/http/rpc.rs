//! Server functions answer every error with status 500. Here it becomes the error's own, for caches, logs and monitoring;
//! the browser reads the body either way.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::limits::{BODY_BYTES, HoldsSecret};
use crate::types::AppError;

const PREFIX: &str = "/rpc/";
const REVEAL: &str = "/rpc/reveal";

pub async fn with_status(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let (is_rpc, holds_secret) = (path.starts_with(PREFIX), path == REVEAL);
    let mut response = next.run(request).await;
    if holds_secret {
        response.extensions_mut().insert(HoldsSecret);
    }
    let is_error =
        response.status() == StatusCode::INTERNAL_SERVER_ERROR && response.headers().contains_key("serverfnerror");
    if is_rpc && is_error { restated(response).await } else { response }
}

async fn restated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_BYTES).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    if let Ok(error) = serde_json::from_slice::<AppError>(&bytes) {
        parts.status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let AppError::Busy { retry_after_seconds, .. } | AppError::TooMany { retry_after_seconds, .. } = error {
            parts.headers.insert(header::RETRY_AFTER, retry_after_seconds.into());
        }
    }
    Response::from_parts(parts, Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware::from_fn, routing::get};
    use tower::ServiceExt;

    use super::*;

    async fn answer(error: AppError) -> Response {
        let failing = get(move || async move {
            (StatusCode::INTERNAL_SERVER_ERROR, [("serverfnerror", "/rpc/x")], serde_json::to_vec(&error).unwrap())
        });
        let app = Router::new().route("/rpc/x", failing).layer(from_fn(with_status));
        app.oneshot(Request::builder().uri("/rpc/x").body(Body::empty()).unwrap()).await.unwrap()
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
}
