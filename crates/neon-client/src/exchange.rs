//! Sending one request and reading its answer, within a time and a size: what came of it is a status and a value or an error.

use std::time::Duration;

use chrono::Utc;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::redact::presentable;
use super::stats::CallStatus;
use super::{NeonError, answer};

/// The largest page of projects (400) is well below 2 MiB.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Sends the request and reads its answer, within `limit`.
pub(super) async fn exchange<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
    limit: Duration,
) -> (CallStatus, Result<T, NeonError>) {
    let response = match request.timeout(limit).send().await {
        Ok(response) => response,
        Err(error) => return not_answered(&error, limit),
    };
    let status = response.status();
    let retry_after = answer::retry_after(response.headers(), Utc::now());
    let body = read(response, limit).await;
    if !status.is_success() {
        // A failure is one also if its explanation is lost.
        let error = answer::error(status.as_u16(), retry_after, &body.unwrap_or_default());
        return (CallStatus::Answered(status.as_u16()), Err(error));
    }
    let outcome = body.and_then(|body| decode(&body));
    let ended = match &outcome {
        Ok(_) => CallStatus::Answered(status.as_u16()),
        Err(NeonError::NoAnswer { .. }) => CallStatus::NoAnswer,
        Err(_) => CallStatus::Garbled,
    };
    (ended, outcome)
}

/// The same, whatever the status says: the answer as it came.
pub(super) async fn exchange_raw(
    request: reqwest::RequestBuilder,
    limit: Duration,
) -> (CallStatus, Result<(u16, HeaderMap, Vec<u8>), NeonError>) {
    let response = match request.timeout(limit).send().await {
        Ok(response) => response,
        Err(error) => return not_answered(&error, limit),
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    match read(response, limit).await {
        Ok(body) => (CallStatus::Answered(status), Ok((status, headers, body))),
        Err(error) => (CallStatus::NoAnswer, Err(error)),
    }
}

/// Reads the body, up to a bound.
async fn read(mut response: reqwest::Response, limit: Duration) -> Result<Vec<u8>, NeonError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error, limit))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(NeonError::Garbled {
                detail: format!("it is longer than {} MiB", MAX_ANSWER_BYTES / 1024 / 1024),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The detail says where it went wrong but nothing of the content, which may hold a password.
fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, NeonError> {
    // A record may hold bytes that are no text; the others shall not suffer for it.
    let text = String::from_utf8_lossy(if body.trim_ascii().is_empty() { b"null" } else { body });
    serde_json::from_str(&text).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "it breaks off",
            serde_json::error::Category::Data => {
                let place = format!("line {} column {}", error.line(), error.column());
                return NeonError::Unreadable { detail: format!("a field is missing or of another kind, {place}") };
            }
            _ if body.trim_ascii_start().starts_with(b"<") => "it is a web page",
            _ => "it is no JSON",
        };
        NeonError::Garbled { detail: format!("{what}, line {} column {}", error.line(), error.column()) }
    })
}

fn not_answered<T>(error: &reqwest::Error, limit: Duration) -> (CallStatus, Result<T, NeonError>) {
    if error.is_connect() || error.is_builder() {
        return (CallStatus::Unreachable, Err(NeonError::Unreachable { cause: presentable(&innermost(error)) }));
    }
    (CallStatus::NoAnswer, Err(lost(error, limit)))
}

fn lost(error: &reqwest::Error, limit: Duration) -> NeonError {
    if error.is_timeout() {
        return NeonError::NoAnswer { cause: format!("none came within {:.1} s", limit.as_secs_f64()) };
    }
    NeonError::NoAnswer { cause: presentable(&innermost(error)) }
}

/// The end of the chain of causes: "Connection refused" rather than "error sending request for url".
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
