//! Problem documents (RFC 9457): what went wrong, in a form that programs and people can read.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{plain_page, request_id::RequestId};
use fleet_types::AppError;
use ledger::LedgerError;
use secrets::SecretsError;

pub const CONTENT_TYPE: &str = "application/problem+json";

/// What went wrong (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem, as an address under which it is explained.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/api/docs#invalid")]
    kind: &'static str,
    /// The kind of problem in words.
    #[schema(example = "Invalid request")]
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599, example = 422)]
    status: u16,
    /// What went wrong this time, and what to do.
    #[schema(value_type = String, example = "owner.email: Write an e-mail address.")]
    detail: Box<str>,
    /// For programs, where one type has several causes: of a conflict `released`, `cancelled` or `served`, what has become of the claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "released")]
    code: Option<&'static str>,
    /// Under which the request is found in logs and in the history.
    #[schema(value_type = String, example = "0199f3c2-6d4e-7c3a-9a52-0f6f0e6c1b7d")]
    request_id: Box<str>,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip)]
    #[schema(ignore)]
    retry_after_seconds: Option<u32>,
}

/// A field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it stands: of the body as `owner.email`, else the name of the parameter or header.
    #[schema(example = "owner.email")]
    pub field: String,
    #[schema(example = "Write an e-mail address.")]
    pub message: String,
}

/// Every kind: its type, its status, its title, and what to do about it.
pub const KINDS: [(&str, u16, &str, &str); 14] = [
    ("/api/docs#malformed", 400, "Malformed request", "The body is no JSON. Nothing was done."),
    (
        "/api/docs#unauthorised",
        401,
        "Not authorised",
        "Send a token that is neither expired nor revoked: Authorization: Bearer <token>.",
    ),
    ("/api/docs#forbidden", 403, "Forbidden", "The token lacks the scope that this call needs. Make one that has it."),
    ("/api/docs#not-found", 404, "Not found", "There is nothing under this address or id."),
    ("/api/docs#method-not-allowed", 405, "Method not allowed", "The Allow header of the answer names the methods."),
    ("/api/docs#too-slow", 408, "Too slow", "A request must arrive within 10 seconds. Send it again."),
    (
        "/api/docs#conflict",
        409,
        "Conflict",
        "What was asked for does not fit the state of the database or claim. Read it and decide again.",
    ),
    ("/api/docs#too-large", 413, "Too large", "A body has at most 64 KiB."),
    ("/api/docs#address-too-long", 414, "Address too long", "Path and query have at most 8 KiB."),
    ("/api/docs#content-type", 415, "Wrong content type", "Send bodies as application/json, in UTF-8."),
    (
        "/api/docs#invalid",
        422,
        "Invalid request",
        "The fields in `errors` are wrong; each says what is expected. Nothing was done.",
    ),
    (
        "/api/docs#too-many-requests",
        429,
        "Too many requests",
        "A limit of this token is reached: of its calls a minute, or of the credentials that it may be shown in an hour. Repeat the request after the time in Retry-After.",
    ),
    (
        "/api/docs#internal",
        500,
        "Internal error",
        "The cause is in the server's log under the request's id. Repeating is safe for everything that this API offers.",
    ),
    ("/api/docs#busy", 503, "Not available right now", "Repeat the request after the time in Retry-After."),
];

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let kind = KINDS.iter().find(|kind| kind.1 == status.as_u16());
        let fallback = if status.is_server_error() { "/api/docs#internal" } else { "/api/docs#malformed" };
        Self {
            kind: kind.map_or(fallback, |kind| kind.0),
            title: kind.map_or_else(|| plain_page::words(status).0, |kind| kind.2),
            status: status.as_u16(),
            detail: detail.into().into_boxed_str(),
            code: None,
            request_id: RequestId::current().into_boxed_str(),
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// For an answer that nobody worded: the words of its status.
    pub fn of_status(status: StatusCode) -> Self {
        let kind = KINDS.iter().find(|kind| kind.1 == status.as_u16());
        Self::new(status, kind.map_or_else(|| plain_page::words(status).1, |kind| kind.3))
    }

    pub fn unauthorised(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// `retry_after`: seconds.
    pub fn too_many(detail: impl Into<String>, retry_after: u32) -> Self {
        Self { retry_after_seconds: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail) }
    }

    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// All that is wrong at once, so that a caller need not try field by field.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let detail: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail.join(" ")) }
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let detail = error.to_string();
        match error {
            AppError::Invalid { field, message } => Self::invalid(field, message),
            AppError::TooMany { retry_after_seconds, .. } | AppError::Busy { retry_after_seconds, .. } => {
                Self { retry_after_seconds: Some(retry_after_seconds), ..Self::new(status, detail) }
            }
            AppError::Internal { reference } => Self::new(
                status,
                format!(
                    "Something went wrong on our side. Its cause is in the server's log under reference {reference}."
                ),
            ),
            _ => Self::new(status, detail),
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::ClaimEnded { code, message } => {
                Self { code: Some(code), ..Self::new(StatusCode::CONFLICT, message) }
            }
            error => AppError::from(error).into(),
        }
    }
}

impl From<SecretsError> for Problem {
    fn from(error: SecretsError) -> Self {
        AppError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE))], body).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"flotilla\""));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::{Value, json};

    use super::*;

    async fn read(problem: Problem) -> (Response, Value) {
        let (parts, body) = problem.into_response().into_parts();
        let bytes = to_bytes(body, 10_000).await.expect("a body");
        (Response::from_parts(parts, axum::body::Body::empty()), serde_json::from_slice(&bytes).expect("JSON"))
    }

    #[tokio::test]
    async fn an_invalid_field_is_named_where_programs_and_people_look() {
        let (response, body) = read(AppError::invalid("owner.plan", "There is no plan of this name.").into()).await;
        assert_eq!(response.status(), 422);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(body["type"], "/api/docs#invalid");
        assert_eq!(body["status"], 422);
        assert_eq!(body["detail"], "owner.plan: There is no plan of this name.");
        assert_eq!(body["errors"], json!([{ "field": "owner.plan", "message": "There is no plan of this name." }]));
    }

    #[tokio::test]
    async fn a_busy_ledger_says_when_to_come_back() {
        let (response, body) =
            read(AppError::Busy { message: String::from("Try again."), retry_after_seconds: 7 }.into()).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (503, &HeaderValue::from_static("7"))
        );
        assert!(body.get("errors").is_none(), "{body}");
    }

    #[tokio::test]
    async fn a_refused_token_is_told_how_to_come_in() {
        let (response, _) = read(Problem::unauthorised("no token")).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"flotilla\"");
    }

    #[test]
    fn every_kind_is_found_by_its_status() {
        for (kind, status, title, _) in KINDS {
            let problem = Problem::of_status(StatusCode::from_u16(status).expect("a status"));
            assert_eq!((problem.kind, problem.title), (kind, title));
        }
        assert_eq!(Problem::of_status(StatusCode::GATEWAY_TIMEOUT).kind, "/api/docs#internal");
    }
}
