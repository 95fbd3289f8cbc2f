//! What an event changed, in words: names as operators say them and values in units that people read, never the JSON in which the history keeps them.

use leptos::prelude::*;
use serde_json::{Number, Value};

use super::user_text::UserText;
use fleet_types::{Event, FieldChange, bytes, cover_text, duration, grouped};

/// So many fields of one event are shown at most.
const MOST_SHOWN: usize = 8;

#[component]
pub fn Changes(event: Event) -> impl IntoView {
    let changes = event.changes().into_iter().take(MOST_SHOWN).map(|change| line(&change)).collect_view();
    view! { <ul class="mt-0.5 flex flex-wrap gap-x-3 text-xs empty:hidden">{changes}</ul> }
}

/// `storage: 512 MiB → 1 GiB`; without the arrow where there was nothing before.
fn line(change: &FieldChange<'_>) -> impl IntoView + use<> {
    let before = change.before.map(|value| value_text(change.name, value));
    let after = change.after.map_or_else(|| String::from(nothing(change.name)), |value| value_text(change.name, value));
    view! {
        <li class="min-w-0 wrap-anywhere tabular-nums">
            <span class="text-muted">{name_text(change.name)} ": "</span>
            {before.map(|text| view! { <UserText text /> " → " })}
            <span class="font-medium"><UserText text=after /></span>
        </li>
    }
}

/// Units belong to the value.
fn name_text(name: &str) -> String {
    match name {
        "logical_size_bytes" => String::from("storage"),
        "neon_project_id" => String::from("Neon project"),
        "neon_project_name" => String::from("project name"),
        "calls_per_minute" => String::from("calls a minute"),
        "creations_per_hour" => String::from("creations an hour"),
        "previous_seconds" => String::from("the old secret works for"),
        "decrease_after_minutes" => String::from("before a decrease"),
        "cover_hours" => String::from("cover wanted"),
        _ => {
            let units = ["_bytes", "_seconds", "_minutes", "_hours"];
            units.iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name).replace('_', " ")
        }
    }
}

fn value_text(name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::from(nothing(name)),
        Value::Bool(is_so) => String::from(if *is_so { "yes" } else { "no" }),
        Value::Number(number) => number_text(name, number),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => String::from("none"),
        Value::Array(items) => joined(items.iter().map(|item| value_text(name, item))),
        Value::Object(fields) => {
            joined(fields.iter().map(|(field, value)| format!("{} {}", name_text(field), value_text(field, value))))
        }
    }
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(", ")
}

/// Ids are not counted, so they have no commas.
fn number_text(name: &str, number: &Number) -> String {
    match (name, number.as_i64()) {
        ("suspend_timeout_seconds", Some(0)) => String::from("Neon's default"),
        ("suspend_timeout_seconds", Some(-1)) => String::from("never"),
        ("cover_hours", _) => number.as_f64().map_or_else(|| number.to_string(), cover_text),
        ("finding" | "template", _) | (_, None) => number.to_string(),
        (_, Some(n)) if name.ends_with("_bytes") => bytes(n),
        (_, Some(n)) if name.ends_with("_seconds") => duration(n),
        (_, Some(n)) if name.ends_with("_minutes") => duration(n.saturating_mul(60)),
        (_, Some(n)) => grouped(n),
    }
}

/// What a field without a value means: a limit that is not there limits nothing.
fn nothing(name: &str) -> &'static str {
    if name.ends_with("_bytes") || name.ends_with("_seconds") { "unlimited" } else { "none" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_become_readable() {
        for (name, value, text) in [
            ("logical_size_bytes", json!(536_870_912), "512 MiB"),
            ("active_time_seconds", json!(3_600), "1 h"),
            ("active_time_seconds", json!("unlimited"), "unlimited"),
            ("logical_size_bytes", Value::Null, "unlimited"),
            ("suspend_timeout_seconds", json!(0), "Neon's default"),
            ("decrease_after_minutes", json!(30), "30 min"),
            ("cover_hours", json!(0.25), "15 min"),
            ("state", json!("claimed"), "claimed"),
            ("target", json!(1_200), "1,200"),
            ("finding", json!(1_200), "1200"),
            ("anyway", json!(true), "yes"),
        ] {
            assert_eq!(value_text(name, &value), text, "{name}: {value}");
        }
    }

    #[test]
    fn lists_and_nested_fields_are_words_and_no_json() {
        assert_eq!(value_text("scopes", &json!(["claim", "read"])), "claim, read");
        assert_eq!(value_text("pools", &json!([])), "none");
        assert_eq!(value_text("kinds", &json!({ "ghost": 3, "orphan": 1_200 })), "ghost 3, orphan 1,200");
        let quota = json!({ "logical_size_bytes": 1_024, "written_data_bytes": null });
        assert_eq!(value_text("quota", &quota), "storage 1 KiB, written data unlimited");
    }

    #[test]
    fn names_have_no_units_and_no_underscores() {
        assert_eq!(name_text("logical_size_bytes"), "storage");
        assert_eq!(name_text("compute_time_seconds"), "compute time");
        assert_eq!(name_text("largest_step"), "largest step");
    }
}
