//! Errors in Neon's shape: `{request_id, code, message}`.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::model::Refusal;
use crate::route::BASE_PATH;
use crate::unknowns::Unknowns;

/// An answer other than success. The request's id is added by the gate, which alone knows it.
#[derive(Debug, Clone)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: Cow<'static, str>,
    pub message: String,
}

impl ApiError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, code: Cow::Borrowed(""), message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} not found"))
    }

    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "supplied credentials do not pass authentication")
    }

    /// Also the answer to an id that cannot be one.
    pub fn unknown_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "this route does not exist")
    }

    pub fn rate_limited() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded, please retry later")
    }

    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unknown internal server error")
    }

    /// A refusal with the status that is switched on for its kind, where Neon's is not known.
    pub fn refused(refusal: Refusal, unknowns: &Unknowns) -> Self {
        let switched = match &refusal {
            Refusal::QuotaExceeded(_) => unknowns.quota_refusal_status,
            Refusal::Protected(_) => unknowns.protected_refusal_status,
            _ => None,
        };
        let error = Self::from(refusal);
        let status = switched.and_then(|status| StatusCode::from_u16(status).ok());
        Self { status: status.unwrap_or(error.status), ..error }
    }

    /// A 423 may have a code.
    pub fn with_code_of(mut self, unknowns: &Unknowns) -> Self {
        if self.status == StatusCode::LOCKED && self.code.is_empty() {
            self.code = unknowns.locked_code.clone().unwrap_or_default().into();
        }
        self
    }

    pub fn into_response_with(self, request_id: &str) -> Response {
        let body = json!({"request_id": request_id, "code": self.code, "message": self.message});
        (self.status, Json(body)).into_response()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::NotFound(_) => StatusCode::NOT_FOUND,
            Refusal::OperationsRunning | Refusal::Transitive => StatusCode::LOCKED,
            Refusal::Disabled | Refusal::QuotaExceeded(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Invalid(_) => StatusCode::BAD_REQUEST,
            Refusal::Exists(_) => StatusCode::CONFLICT,
            Refusal::Precondition(_) => StatusCode::PRECONDITION_FAILED,
            Refusal::ProjectsLimit(_)
            | Refusal::LimitExceeded(..)
            | Refusal::Unprocessable(_)
            | Refusal::Protected(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Store(error) => {
                tracing::error!(error = %error, "the state could not be read or written");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let code = match &refusal {
            Refusal::ProjectsLimit(_) => "PROJECTS_LIMIT_EXCEEDED",
            Refusal::QuotaExceeded(kind) => kind.code(),
            Refusal::LimitExceeded(code, _) => code,
            _ => "",
        };
        Self { status, code: Cow::Borrowed(code), message: refusal.to_string() }
    }
}

pub async fn unknown_route() -> ApiError {
    ApiError::unknown_route()
}

pub async fn outside_of_the_api() -> Response {
    let message = format!("the API lies under {}, the emulator's own switches under /_emulator", BASE_PATH);
    ApiError::new(StatusCode::NOT_FOUND, message).into_response_with("")
}
