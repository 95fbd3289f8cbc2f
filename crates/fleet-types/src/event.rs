//! History: who did what to what, before and after.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    pub before: Option<Value>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub after: Option<Value>,
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

/// One field of an event that differs: a side without a value, or with null, is absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldChange<'a> {
    pub name: &'a str,
    pub before: Option<&'a Value>,
    pub after: Option<&'a Value>,
}

impl Event {
    /// What differs between before and after, field by field, by name.
    pub fn changes(&self) -> Vec<FieldChange<'_>> {
        let names: BTreeSet<&str> = names(&self.before).chain(names(&self.after)).collect();
        names
            .into_iter()
            .map(|name| FieldChange { name, before: field(&self.before, name), after: field(&self.after, name) })
            .filter(|change| change.before != change.after)
            .collect()
    }
}

fn names(side: &Option<Value>) -> impl Iterator<Item = &str> {
    side.as_ref().and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str())
}

fn field<'a>(side: &'a Option<Value>, name: &str) -> Option<&'a Value> {
    side.as_ref()?.get(name).filter(|value| !value.is_null())
}
