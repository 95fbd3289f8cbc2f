//! What a handler reads from a request: axum's own readers, with problem documents for what they refuse.

use axum::{
    Json,
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Path, Query, Request,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::problem::Problem;
use crate::server::AppState;

/// A JSON body.
pub struct Body<T>(pub T);

/// A JSON body that may be left out or null, and then is the default.
pub struct OptionalBody<T>(pub T);

/// The query.
pub struct Params<T>(pub T);

/// The id in the path.
pub struct Id(pub Uuid);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let Json(value) = Json::from_request(request, state).await.map_err(refused_body)?;
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned + Default> FromRequest<AppState> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let is_json = request.headers().contains_key(header::CONTENT_TYPE);
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state)
            .await
            .map_err(|rejection| refused(rejection.status(), &rejection.body_text()))?;
        if bytes.is_empty() && !is_json {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, axum::body::Body::from(bytes));
        let Body(value) = Body::<Option<T>>::from_request(request, state).await?;
        Ok(Self(value.unwrap_or_default()))
    }
}

impl<T: DeserializeOwned> FromRequestParts<AppState> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Query(value) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection: QueryRejection| field_at_fault(&rejection.body_text()))?;
        Ok(Self(value))
    }
}

impl FromRequestParts<AppState> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let id =
            Path::<String>::from_request_parts(parts, state).await.ok().and_then(|Path(id)| Uuid::try_parse(&id).ok());
        id.map(Self).ok_or_else(|| Problem::invalid("id", "Write the id as a UUID."))
    }
}

fn refused_body(rejection: JsonRejection) -> Problem {
    match rejection {
        JsonRejection::JsonDataError(error) => field_at_fault(&error.body_text()),
        JsonRejection::JsonSyntaxError(error) => Problem::malformed(without_preamble(&error.body_text())),
        other => refused(other.status(), &other.body_text()),
    }
}

fn refused(status: StatusCode, text: &str) -> Problem {
    if status == StatusCode::BAD_REQUEST { Problem::malformed(text) } else { Problem::of_status(status) }
}

/// axum's text is `<what failed>: <path of the field>: <why>`, without the path at the root.
fn field_at_fault(text: &str) -> Problem {
    let text = without_preamble(text);
    match text.split_once(": ") {
        Some((field, why)) if is_field(field) => Problem::invalid(field, why),
        _ => Problem::invalid("request", text),
    }
}

fn without_preamble(text: &str) -> &str {
    text.split_once(": ").map_or(text, |(_, rest)| rest)
}

fn is_field(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_at_fault_is_taken_from_the_readers_text() {
        let text = "Failed to deserialize the JSON body into the target type: owner.email: invalid type: integer `5`, expected a string at line 1";
        let problem = serde_json::to_value(field_at_fault(text)).expect("JSON");
        assert_eq!(problem["errors"][0]["field"], "owner.email");
        assert_eq!(problem["errors"][0]["message"], "invalid type: integer `5`, expected a string at line 1");
    }

    #[test]
    fn without_a_field_the_request_is_at_fault() {
        let problem =
            serde_json::to_value(field_at_fault("Failed to deserialize query string: missing field `x y`: z"))
                .expect("JSON");
        assert_eq!(problem["errors"][0]["field"], "request");
    }
}
