//! History: who did what to what, before and after.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A line of a history: an event, or several that differ in nothing but time and request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    pub id: i64,
    pub at: DateTime<Utc>,
    /// How many such events this line stands for; the rest of it is of the latest.
    pub times: i64,
    /// When the first of them was.
    pub first_at: DateTime<Utc>,
    /// Dotted, as `database.quota`.
    pub kind: String,
    pub database_id: Option<Uuid>,
    pub pool: Option<String>,
    /// An operator's e-mail, an API token's name or a duty.
    pub actor: String,
    /// `console`, `api`, `engine` or `cli`.
    pub via: String,
    pub reason: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub before: Option<serde_json::Value>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub after: Option<serde_json::Value>,
    pub request_id: Option<String>,
}

/// What somebody asked for without the role or scope that it takes, over some time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Denial {
    /// An operator's e-mail or an API token's name.
    pub actor: String,
    /// `console` or `api`.
    pub via: String,
    /// A server function or a route.
    pub action: String,
    /// What it takes, as `role operator` or `scope manage`.
    pub missing: String,
    pub times: i64,
    pub last_at: DateTime<Utc>,
}

impl Event {
    /// `before → after` in words, field by field: `state: creating → verifying`.
    pub fn changes(&self) -> Vec<(String, String, String)> {
        let field = |side: &Option<serde_json::Value>, name: &str| match side.as_ref().and_then(|value| value.get(name))
        {
            None | Some(serde_json::Value::Null) => String::from("–"),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let mut names: Vec<&String> = [&self.before, &self.after]
            .into_iter()
            .flatten()
            .filter_map(|value| value.as_object())
            .flat_map(|object| object.keys())
            .collect();
        names.sort();
        names.dedup();
        names
            .into_iter()
            .map(|name| (name.clone(), field(&self.before, name), field(&self.after, name)))
            .filter(|(_, before, after)| before != after)
            .collect()
    }
}
