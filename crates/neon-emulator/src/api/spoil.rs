//! What a client gets that is struck by a fault.

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::ApiError;
use crate::faults::{Fate, Fault};

const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
const TIMEOUT_PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>console.neon.localhost | 524: A timeout occurred</title></head>\n\
    <body><h1>A timeout occurred <span>Error code 524</span></h1></body>\n</html>\n";
const STRAY_PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>Just a moment</title></head>\n<body><h1>Just a moment</h1></body>\n</html>\n";

/// The answer in place of any work.
pub fn instead_of_work(fault: &Fault, request_id: &str) -> Response {
    match fault {
        Fault::Status { status, retry_after_seconds, .. } => with_status(*status, *retry_after_seconds, request_id),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Does to an answer what is fated to it; none is left of one that is lost.
pub async fn spoil(response: Response, fate: &Fate, request_id: &str) -> Option<Response> {
    match &fate.after {
        None => Some(response),
        Some(Fault::AnswerLost) => None,
        Some(Fault::Html) => Some(Html(STRAY_PAGE).into_response()),
        Some(Fault::TruncatedJson) => Some(truncated(response, request_id).await),
        Some(Fault::Status { status, retry_after_seconds, .. }) => {
            Some(with_status(*status, *retry_after_seconds, request_id))
        }
        // These have happened before.
        Some(Fault::Delay { .. } | Fault::Missing | Fault::Unavailable | Fault::ListLag { .. }) => Some(response),
    }
}

fn with_status(status: u16, retry_after_seconds: Option<u32>, request_id: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.as_u16() == 524 {
        return (status, Html(TIMEOUT_PAGE)).into_response();
    }
    let message = match status.as_u16() {
        423 => "project already has running conflicting operations, scheduling of new ones is prohibited",
        429 => return with_retry_after(ApiError::rate_limited().into_response_with(request_id), retry_after_seconds),
        503 => "the service is temporarily unavailable",
        _ => "unknown internal server error",
    };
    with_retry_after(ApiError::new(status, message).into_response_with(request_id), retry_after_seconds)
}

fn with_retry_after(mut response: Response, seconds: Option<u32>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

async fn truncated(mut response: Response, request_id: &str) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = error.into_response_with(request_id);
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, LARGEST_ANSWER).await.unwrap_or_default();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(bytes.slice(..bytes.len() / 2)))
}
