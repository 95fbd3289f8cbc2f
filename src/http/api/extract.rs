//! What a handler reads from a request: axum's own readers, with problem documents for what they refuse.

use axum::{
    Json,
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Path, Query, Request,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, Unexpected},
};
use uuid::Uuid;

use super::{problem::Problem, validate::Validation};
use crate::state::AppState;
use fleet_types::{Misread, QueryReader, Unreadable, is_name, text};

/// Up to here a floating-point number holds every whole number.
const EXACT_IN_FLOATS: f64 = 9_007_199_254_740_992.0;

/// A whole number. JSON does not tell `5.0` from `5`, so neither does this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole(pub i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let from_float = || {
            let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT_IN_FLOATS)?;
            Some(float as i64)
        };
        number
            .as_i64()
            .or_else(from_float)
            .map(Self)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Other("number"), &"a whole number"))
    }
}

/// For a field that is a whole number or left out.
pub fn whole<'de, T: TryFrom<i64>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let number = Option::<Whole>::deserialize(deserializer)?;
    number.map(|Whole(number)| T::try_from(number).map_err(|_| D::Error::custom("the number is too large"))).transpose()
}

/// The same, and tells `null` from absent: a field that is there is `Some`, whatever it holds.
pub fn given_whole<'de, T: TryFrom<i64>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    whole(deserializer).map(Some)
}

/// As it is written, and tells `null` from absent.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A JSON body.
pub struct Body<T>(pub T);

/// A JSON body that may be left out or null, and then is the default.
pub struct OptionalBody<T>(pub T);

/// The query: pairs in the order in which they stand, to be read as the console reads its own.
pub struct Pairs(Vec<(String, String)>);

/// An owner's id in the path.
pub struct OwnerId(pub String);

/// A plan's name in the path.
pub struct PlanName(pub String);

/// The id in the path.
pub struct Id(pub Uuid);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        if is_in_another_charset(request.headers()) {
            return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
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

impl FromRequestParts<AppState> for Pairs {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Query(pairs) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection: QueryRejection| field_at_fault(&rejection.body_text()))?;
        Ok(Self(pairs))
    }
}

impl Pairs {
    /// What `read` makes of the query.
    ///
    /// # Errors
    /// A problem that names everything that cannot be read, stands there twice, or means nothing here.
    pub fn read<T>(&self, read: impl FnOnce(&mut QueryReader<'_>) -> T) -> Result<T, Problem> {
        let (value, unreadable) = QueryReader::read_all(&self.0, &[], read);
        let mut validation = Validation::default();
        for Unreadable { field, message } in unreadable {
            validation.wrong(field, message);
        }
        validation.finish()?;
        Ok(value)
    }
}

impl FromRequestParts<AppState> for OwnerId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::invalid("id", rejection.body_text()))?;
        text::id(&id).map(Self).map_err(|error| Problem::invalid("id", error.to_string()))
    }
}

impl FromRequestParts<AppState> for PlanName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::invalid("name", rejection.body_text()))?;
        Ok(Self(fleet_types::plan_name(&name)?))
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
        JsonRejection::JsonSyntaxError(error) => Problem::malformed(no_json(&error.body_text())),
        other => refused(other.status(), &other.body_text()),
    }
}

fn refused(status: StatusCode, text: &str) -> Problem {
    if status == StatusCode::BAD_REQUEST { Problem::malformed(text) } else { Problem::of_status(status) }
}

/// JSON is UTF-8; nothing else is read, whatever a header says.
fn is_in_another_charset(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    parameters.any(|(name, value)| {
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("charset")
            && !["utf-8", "utf8", "us-ascii"].iter().any(|read| value.eq_ignore_ascii_case(read))
    })
}

/// Where reading stopped.
fn no_json(text: &str) -> String {
    let at = text.rsplit_once(" at line ").map_or(String::new(), |(_, at)| format!(": reading stopped at line {at}"));
    format!("The body is no JSON{at}. Nothing was done.")
}

/// axum's text is `<what failed>: <path of the field>: <why>`, without the path at the root.
fn field_at_fault(text: &str) -> Problem {
    let text = text.split_once(": ").map_or(text, |(_, rest)| rest);
    let (path, why) = text.split_once(": ").filter(|(path, _)| is_name(path)).unwrap_or(("", text));
    let Misread { field, message } = Misread::of(why);
    let field = match (path, field) {
        ("", None) => String::from("request"),
        ("", Some(field)) => field,
        (path, Some(field)) if path.rsplit('.').next() != Some(&field) => format!("{path}.{field}"),
        (path, _) => path.to_owned(),
    };
    Problem::invalid(field, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_at_fault_is_taken_from_the_readers_text() {
        let text = "Failed to deserialize the JSON body into the target type: owner.email: invalid type: integer `5`, expected a string at line 1";
        let problem = serde_json::to_value(field_at_fault(text)).expect("JSON");
        assert_eq!(problem["errors"][0]["field"], "owner.email");
        assert_eq!(problem["errors"][0]["message"], "Write a string.");
        for (text, field) in [
            ("x: owner: missing field `email` at line 1 column 14", "owner.email"),
            ("x: owner.colour: unknown field `colour`, expected `id` or `email` at line 1", "owner.colour"),
            ("x: missing field `owner` at line 1 column 2", "owner"),
        ] {
            let problem = serde_json::to_value(field_at_fault(text)).expect("JSON");
            assert_eq!(problem["errors"][0]["field"], field, "{text}");
        }
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let whole = |text: &str| serde_json::from_str::<Whole>(text).ok().map(|whole| whole.0);
        assert_eq!(
            (whole("5"), whole("5.0"), whole("-5e2"), whole("9007199254740992.0")),
            (Some(5), Some(5), Some(-500), Some(1 << 53))
        );
        for wrong in ["5.5", "1e300", "18446744073709551615", "\"5\"", "null"] {
            assert_eq!(whole(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn without_a_field_the_request_is_at_fault() {
        let problem =
            serde_json::to_value(field_at_fault("Failed to deserialize query string: missing field `x y`: z"))
                .expect("JSON");
        assert_eq!(problem["errors"][0]["field"], "request");
    }
}
