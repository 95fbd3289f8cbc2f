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

use super::{api::Problem, error_page, request_id::RequestId};
use crate::types::AppError;

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
        Reader::Person => error_page::answer(status),
        Reader::Probe => (status, format!("{}\n", error_page::words(status).0)).into_response(),
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
    let (title, text) = error_page::words(status);
    match status.as_u16() {
        401 => AppError::NotSignedIn,
        404 => AppError::NotFound(String::from("This server function")),
        503 | 504 => AppError::Busy { message: text.to_owned(), retry_after_seconds: 1 },
        500.. => AppError::Internal { reference: RequestId::current() },
        403 => AppError::Forbidden(text.to_owned()),
        _ => AppError::invalid("form", format!("{title}. {text}")),
    }
}
