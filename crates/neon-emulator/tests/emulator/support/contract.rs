//! Neon's OpenAPI document as a judge of answers: the schema of the operation and status, and besides no field that
//! the document does not know.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// Objects that are used as they are, never as a part of a larger one, so that they can be closed.
const CLOSED: [&str; 18] = [
    "ProjectListItem",
    "Project",
    "ProjectSettingsData",
    "ProjectQuota",
    "ProjectOwnerData",
    "DefaultEndpointSettings",
    "Branch",
    "Endpoint",
    "Operation",
    "Role",
    "Database",
    "ConnectionDetails",
    "ConnectionParameters",
    "RegionResponse",
    "Organization",
    "CurrentUserInfoResponse",
    "LimitsUnsatisfiedResponse",
    "ProjectsWithIntegrationResponse",
];

pub struct Contract {
    document: Value,
    /// By operation and status: making one takes longer than using it.
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Contract {
    pub fn load() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/neon-openapi.json");
        let text = std::fs::read_to_string(path).expect("target/neon-openapi.json is missing; `make setup` makes it");
        let mut document: Value = serde_json::from_str(&text).unwrap();
        for name in CLOSED {
            document["components"]["schemas"][name]["additionalProperties"] = Value::Bool(false);
        }
        admit_null(&mut document);
        Self { document, validators: Mutex::default() }
    }

    /// Panics with what is wrong about an answer.
    #[track_caller]
    pub fn check(&self, method: &str, path: &str, status: u16, body: &Value) {
        let path = path.split('?').next().unwrap();
        let Some((template, operation)) = self.operation(method, path) else {
            assert_eq!(status, 404, "{method} {path} is not in Neon's document, and yet it was answered: {body}");
            return;
        };
        let response = operation["responses"].get(status.to_string()).unwrap_or(&operation["responses"]["default"]);
        assert!(
            status >= 400 || operation["responses"].get(status.to_string()).is_some(),
            "{method} {template} cannot answer {status}"
        );
        if body.is_null() && self.resolved(response).get("content").is_none() {
            return;
        }
        let errors: Vec<String> = self
            .validator(&format!("{method} {template} {status}"), response)
            .iter_errors(body)
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{method} {template} {status}: {errors:#?}\n{body:#}");
    }

    fn validator(&self, name: &str, response: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let schema = &self.resolved(response)["content"]["application/json"]["schema"];
            assert!(schema.is_object(), "{name} has no schema");
            let whole = json!({"allOf": [schema], "components": self.document["components"]});
            let options = jsonschema::options().with_draft(Draft::Draft4).should_validate_formats(true);
            Arc::new(options.build(&whole).unwrap())
        };
        validators.entry(name.into()).or_insert_with(make).clone()
    }

    /// The operation whose template fits the path; a template without parameters goes first.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let paths: &Map<String, Value> = self.document["paths"].as_object().unwrap();
        let mut fitting: Vec<_> = paths.iter().filter(|(template, _)| fits(template, path)).collect();
        fitting.sort_by_key(|(template, _)| template.matches('{').count());
        fitting.iter().find_map(|(template, item)| Some((template.as_str(), item.get(method.to_lowercase())?)))
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
            None => value,
        }
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(word)) if part == word || (part.starts_with('{') && !word.is_empty()) => {}
            _ => return false,
        }
    }
}

/// OpenAPI 3.0 says `nullable` where JSON Schema wants a further type.
fn admit_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("nullable") == Some(&Value::Bool(true))
                && let Some(Value::String(kind)) = object.get("type").cloned()
            {
                object.insert("type".into(), json!([kind, "null"]));
            }
            object.values_mut().for_each(admit_null);
        }
        Value::Array(items) => items.iter_mut().for_each(admit_null),
        _ => {}
    }
}
