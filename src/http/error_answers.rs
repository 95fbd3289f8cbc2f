//! Errors that no handler of ours has worded: of the router, of layers, of panics. Each leaves as whoever asked reads errors:
//! as a problem document under /api, as JSON under /rpc, as a page for a browser.

use std::any::Any;

use axum::{
    Json,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{api::Problem, plain_page, request_id::RequestId};
use fleet_types::AppError;

/// Gives an error answer that has no words of its own some.
pub async fn dress(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let reader = Reader::of(path, request.headers());
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || is_worded(&response) {
        return response;
    }
    let mut worded = match reader {
        Reader::Program => Problem::of_status(status).into_response(),
        Reader::Console => (status, Json(app_error(status))).into_response(),
        Reader::Person => plain_page::error(status),
        Reader::Probe => (status, format!("{}\n", plain_page::words(status).0)).into_response(),
    };
    // What the answer said beside its body stays: Allow, Retry-After, WWW-Authenticate, Vary.
    for (name, value) in response.headers() {
        if !matches!(
            *name,
            header::CONTENT_TYPE | header::CONTENT_LENGTH | header::CONTENT_ENCODING | header::CACHE_CONTROL
        ) {
            worded.headers_mut().insert(name.clone(), value.clone());
        }
    }
    worded
}

/// The answer to a request whose handler panicked.
pub fn after_panic(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(reference = RequestId::current(), panic = message, "a request handler panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

enum Reader {
    Program,
    Console,
    Person,
    Probe,
}

impl Reader {
    fn of(path: &str, headers: &HeaderMap) -> Self {
        let wants_page = headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"));
        match path {
            "/api/docs" => Self::Person,
            _ if path == "/api" || path.starts_with("/api/") => Self::Program,
            _ if wants_page => Self::Person,
            _ if path.starts_with("/rpc/") => Self::Console,
            _ => Self::Probe,
        }
    }
}

/// Ours say what they are; the router's and the layers' are empty or plain text. Server functions mark theirs.
fn is_worded(response: &Response) -> bool {
    if response.headers().contains_key("serverfnerror") {
        return true;
    }
    let content_type =
        response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !(content_type.is_empty() || content_type.starts_with("text/plain"))
}

fn app_error(status: StatusCode) -> AppError {
    let (title, text) = plain_page::words(status);
    match status.as_u16() {
        401 => AppError::NotSignedIn,
        404 => AppError::NotFound(String::from("This server function")),
        503 | 504 => AppError::Busy { message: text.to_owned(), retry_after_seconds: 1 },
        500.. => AppError::Internal { reference: RequestId::current() },
        403 => AppError::Forbidden(text.to_owned()),
        _ => AppError::invalid("form", format!("{title}. {text}")),
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::to_bytes, middleware::from_fn, routing::get};
    use serde_json::{Value, json};
    use tower::ServiceExt;
    use tower_http::catch_panic::CatchPanicLayer;

    use super::*;

    fn app() -> Router {
        Router::new()
            .route("/api/v1/panic", get(async || -> &'static str { panic!("out of cheese") }))
            .route("/rpc/panic", get(async || -> &'static str { panic!("out of cheese") }))
            .route("/api/v1/worded", get(async || (StatusCode::CONFLICT, Json(json!({ "detail": "ours" })))))
            .route("/page", get(async || "a page"))
            .layer(CatchPanicLayer::custom(after_panic))
            .layer(from_fn(dress))
    }

    async fn answer(method: &str, path: &str, accept: &str) -> (StatusCode, HeaderMap, String) {
        let request =
            Request::builder().method(method).uri(path).header(header::ACCEPT, accept).body(Body::empty()).unwrap();
        let (parts, body) = app().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, 10_000).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn programs_read_problems() {
        for (method, path, status) in
            [("GET", "/api/v1/panic", 500), ("GET", "/api/nothing", 404), ("POST", "/api/v1/panic", 405)]
        {
            let (code, headers, body) = answer(method, path, "text/html").await;
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((code.as_u16(), problem["status"].as_u64()), (status, Some(u64::from(status))), "{path}");
            assert_eq!(headers["content-type"], "application/problem+json", "{path}");
            assert!(!body.contains("cheese"), "a panic's message stays in the log");
        }
    }

    #[tokio::test]
    async fn what_a_method_should_have_been_is_kept() {
        let (_, headers, _) = answer("POST", "/api/v1/panic", "*/*").await;
        assert_eq!(headers["allow"], "GET,HEAD");
    }

    #[tokio::test]
    async fn people_read_pages_and_the_console_its_own_errors() {
        let (status, headers, body) = answer("GET", "/nothing", "text/html,*/*").await;
        assert_eq!(
            (status.as_u16(), &headers["content-type"]),
            (404, &header::HeaderValue::from_static("text/html; charset=utf-8"))
        );
        assert!(body.contains("<h1>Not found</h1>"));
        let (status, _, body) = answer("GET", "/rpc/panic", "*/*").await;
        assert_eq!(status, 500);
        assert!(matches!(serde_json::from_str(&body), Ok(AppError::Internal { .. })), "{body}");
        let (_, headers, body) = answer("GET", "/nothing", "*/*").await;
        assert_eq!(
            (headers["content-type"].to_str().unwrap(), body.as_str()),
            ("text/plain; charset=utf-8", "Not found\n")
        );
    }

    #[tokio::test]
    async fn what_has_words_keeps_them() {
        assert_eq!(answer("GET", "/api/v1/worded", "*/*").await.2, "{\"detail\":\"ours\"}");
        assert_eq!(answer("GET", "/page", "*/*").await.2, "a page");
    }
}
