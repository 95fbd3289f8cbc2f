//! The OpenAPI document: what the routes say of themselves, completed by what they have in common.

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use super::problem::{CONTENT_TYPE, KINDS, Problem};

const INTRODUCTION: &str = "The API of Flotilla, for signup services and scripts. Everything that the console does with databases can be done here.\n\n\
    Send a token with every call: `Authorization: Bearer flt_…`. `flotilla token create` makes one. Errors are problem documents (RFC 9457). \
    Every answer has an `X-Request-ID`, which you may bring along.";

/// Control characters and line separators: refused everywhere.
const CONTROLS: &str = r"\u0000-\u001f\u007f-\u009f\u2028\u2029";
/// What is not seen: refused where a text tells one thing from another.
const INVISIBLE: &str = r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb";
/// Room, which does not count at the ends of a text.
const ROOM: &str = r"\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// What the routes call a pattern by, and the pattern: the rules of `fleet_types::text` as far as a regular expression can tell them. How long a text
/// may be stands in the pattern too, since room at its ends does not count.
fn pattern(name: &str) -> Option<String> {
    let seen = format!("[^{CONTROLS}{INVISIBLE}]");
    let plain = format!("[^{CONTROLS}{INVISIBLE}{ROOM}]");
    let trimmed = |inner: String| Some(format!("^[{ROOM}]*{inner}[{ROOM}]*$"));
    match name.split_once(' ').unwrap_or((name, "")) {
        ("id", _) => trimmed(format!("{plain}({seen}{{0,253}}{plain})?")),
        ("email", _) => trimmed(format!("{plain}+@{plain}*[^@{CONTROLS}{INVISIBLE}{ROOM}]")),
        ("line", longest) => trimmed(format!("[^{CONTROLS}]{{0,{longest}}}")),
        ("searched", _) => trimmed(format!("([^{CONTROLS}{ROOM}][^{CONTROLS}]{{1,198}}[^{CONTROLS}{ROOM}])?")),
        ("reason", _) => trimmed(format!(r"([^{CONTROLS}]|\r?\n){{0,500}}")),
        ("required_reason", _) => {
            trimmed(format!(r"[^{CONTROLS}{ROOM}]([^{CONTROLS}]|\r?\n){{1,498}}[^{CONTROLS}{ROOM}]"))
        }
        ("name", _) => Some(String::from("^[a-z][a-z0-9-]*$")),
        ("field", _) => Some(String::from("^[a-z_]+$")),
        ("printable", _) => Some(String::from("^[!-~]([ -~]*[!-~])?$")),
        ("cursor", _) => Some(String::from(r"^[0-9a-f]{8}\.[0-9]{1,18}\.[0-9a-f]{32}$")),
        _ => None,
    }
}

/// The document with its title, its security scheme and the errors of every operation.
pub fn completed(document: OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["info"] = json!({
        "title": "Flotilla", "version": env!("CARGO_PKG_VERSION"), "description": INTRODUCTION,
        "license": { "name": "Apache License 2.0", "identifier": "Apache-2.0" },
    });
    document["servers"] = json!([{ "url": "/" }]);
    document["tags"] = json!([
        { "name": "claims", "description": "Hand databases to owners" },
        { "name": "databases", "description": "Read and change databases of the fleet" },
        { "name": "owners", "description": "Whose the databases are" },
        { "name": "plans", "description": "What owners are given" },
        { "name": "pools", "description": "How many databases are ready" },
        { "name": "findings", "description": "What is wrong between Neon and the ledger" },
    ]);
    document["components"]["securitySchemes"]["token"] = json!({
        "type": "http", "scheme": "bearer", "bearerFormat": "flt_…",
        "description": "An API token with the scope that the operation names. `manage` includes `read`.",
    });
    add_problem_schema(&mut document);
    for (_, path) in document["paths"].as_object_mut().into_iter().flatten() {
        for (_, operation) in path.as_object_mut().into_iter().flatten() {
            add_problems(operation);
            // As in a form that is sent empty: what is empty is as absent.
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                if parameter["in"] == "query" {
                    parameter["allowEmptyValue"] = json!(true);
                }
            }
        }
    }
    write_for_readers(&mut document);
    write_patterns(&mut document);
    document
}

/// Comments of the code may name each other as `[`Quota`]`; outside of it that is a name.
fn write_for_readers(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace("[`", "`").replace("`]", "`"),
        Value::Array(values) => values.iter_mut().for_each(write_for_readers),
        Value::Object(values) => values.values_mut().for_each(write_for_readers),
        _ => {}
    }
}

/// Puts the patterns where the routes name them.
fn write_patterns(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(write_patterns),
        Value::Object(values) => {
            for (key, value) in values {
                match value.as_str().filter(|_| key == "pattern").and_then(pattern) {
                    Some(pattern) => *value = Value::String(pattern),
                    None => write_patterns(value),
                }
            }
        }
        _ => {}
    }
}

pub async fn answer(json: String) -> Response {
    (
        [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ],
        json,
    )
        .into_response()
}

fn add_problem_schema(document: &mut Value) {
    #[derive(utoipa::OpenApi)]
    #[openapi(components(schemas(Problem, super::problem::FieldError)))]
    struct Problems;
    let problems = serde_json::to_value(<Problems as utoipa::OpenApi>::openapi()).unwrap_or_default();
    for (name, schema) in problems["components"]["schemas"].as_object().into_iter().flatten() {
        document["components"]["schemas"][name] = schema.clone();
    }
}

/// Which of the problems this operation can answer with.
fn add_problems(operation: &mut Value) {
    let has = |place: &str| {
        operation["parameters"]
            .as_array()
            .is_some_and(|parameters| parameters.iter().any(|parameter| parameter["in"] == place))
    };
    let (in_path, in_query, in_header, has_body) =
        (has("path"), has("query"), has("header"), operation.get("requestBody").is_some());
    let statuses = KINDS.iter().filter(|(_, status, ..)| match status {
        404 => in_path,
        409 => in_path || has_body,
        400 | 408 | 413 | 415 => has_body,
        422 => in_path || in_query || in_header || has_body,
        405 => false,
        _ => true,
    });
    for (kind, status, title, advice) in statuses {
        let example = json!({ "type": kind, "title": title, "status": status, "detail": advice, "request_id": "0199f3c2-6d4e-7c3a-9a52-0f6f0e6c1b7d" });
        let mut response = json!({
            "description": format!("{title}. {advice}"),
            "content": { CONTENT_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" }, "example": example } },
        });
        match status {
            401 => response["headers"] = json!({ "WWW-Authenticate": { "schema": { "type": "string" } } }),
            429 | 503 => {
                response["headers"] = json!({ "Retry-After": { "description": "Seconds", "schema": { "type": "integer", "minimum": 0 } } })
            }
            _ => {}
        }
        operation["responses"][status.to_string()] = response;
    }
}

#[cfg(test)]
mod tests {
    use super::super::document;

    #[test]
    fn every_operation_names_itself_its_scope_and_its_problems() {
        let document = document();
        let mut ids = Vec::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            assert!(path.starts_with("/api/v1/"), "{path}");
            for (method, operation) in item.as_object().expect("operations") {
                let name = format!("{method} {path}");
                ids.push(operation["operationId"].as_str().expect("an id").to_owned());
                assert_eq!(operation["security"][0]["token"].as_array().map(Vec::len), Some(1), "{name} has one scope");
                assert!(
                    operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()),
                    "{name} has a summary"
                );
                let parameters = operation.get("parameters");
                assert!(parameters.is_none_or(serde_json::Value::is_array), "{name}: {parameters:?}");
                for status in ["401", "403", "500", "503"] {
                    let content = &operation["responses"][status]["content"]["application/problem+json"];
                    assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{name} {status}");
                }
            }
        }
        ids.sort();
        let all = [
            "cancelClaim",
            "changeOwner",
            "changePlan",
            "changeQuota",
            "createClaim",
            "createPlan",
            "deletePlan",
            "discloseCredentials",
            "endOverride",
            "listDatabases",
            "listFindings",
            "listPlans",
            "listPools",
            "readClaim",
            "readDatabase",
            "readPlan",
            "readUsage",
            "releaseDatabase",
            "relieveDatabase",
            "resumeDatabase",
            "resumePlanRollOut",
            "rotatePassword",
            "stopPlanRollOut",
            "suspendDatabase",
        ];
        assert_eq!(ids, all);
    }

    #[test]
    fn every_pattern_that_a_route_names_is_there() {
        let text = document().to_string();
        let patterns: Vec<&str> = text.split("\"pattern\":\"").skip(1).collect();
        assert!(patterns.len() > 12, "{patterns:?}");
        assert!(patterns.iter().all(|pattern| pattern.starts_with('^')), "{patterns:?}");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let references: Vec<&str> =
            text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(references.len() > 20, "{references:?}");
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference} is missing");
        }
    }
}
