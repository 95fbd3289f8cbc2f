//! The evidence side by side, and what has happened since it was first seen.

use leptos::prelude::*;
use serde_json::Value;

use crate::components::{Table, Timestamp};
use crate::pages::user_text::UserText;
use fleet_types::{Finding, Time, bytes, duration};

/// Field by field: what Neon's list showed, and what the ledger has.
#[component]
pub fn Evidence(finding: Finding) -> impl IntoView {
    let (neon, ledger) = (flat(&finding.evidence, "neon"), flat(&finding.evidence, "ledger"));
    let mut names: Vec<String> = neon.iter().chain(&ledger).map(|(name, _)| name.clone()).collect();
    names.sort();
    names.dedup();
    let of = |side: &[(String, Value)], name: &str| {
        side.iter()
            .find(|(other, _)| other == name)
            .map_or_else(|| String::from("–"), |(_, value)| readable(name, value))
    };
    let rows = names
        .into_iter()
        .map(|name| {
            let (left, right) = (of(&neon, &name), of(&ledger, &name));
            let differs = !neon.is_empty() && name.starts_with("quota ") && left != right;
            view! {
                <tr class=("font-semibold", differs)>
                    <th scope="row" class="font-normal">{name.replace('_', " ")}</th>
                    <td data-label="Neon's list" class="wrap-anywhere tabular-nums"><UserText text=left /></td>
                    <td data-label="The ledger" class="wrap-anywhere tabular-nums"><UserText text=right /></td>
                </tr>
            }
        })
        .collect_view();
    let head = view! {
        <th scope="col">"Field"</th>
        <th scope="col">"Neon's list"</th>
        <th scope="col">"The ledger"</th>
    }
    .into_any();
    view! { <Table label="Fields, as Neon lists them and as the ledger has them" cards=true head>{rows}</Table> }
}

/// The fields of one side; the limits of a quota each for itself.
fn flat(evidence: &Value, side: &str) -> Vec<(String, Value)> {
    let Some(fields) = evidence.get(side).and_then(Value::as_object) else { return Vec::new() };
    let mut out = Vec::new();
    for (name, value) in fields {
        match (name.as_str(), value.as_object()) {
            ("quota", Some(limits)) => {
                out.extend(limits.iter().map(|(limit, value)| (format!("quota {limit}"), value.clone())));
            }
            _ => out.push((name.clone(), value.clone())),
        }
    }
    out
}

fn readable(name: &str, value: &Value) -> String {
    match value {
        Value::Null if name.starts_with("quota ") => String::from("unlimited"),
        Value::Null => String::from("–"),
        Value::String(text) => match text.parse::<Time>() {
            Ok(at) => crate::components::utc_text(at),
            Err(_) => text.clone(),
        },
        Value::Number(number) => match number.as_i64() {
            Some(n) if name.ends_with("_bytes") => bytes(n),
            Some(n) if name.ends_with("_seconds") => duration(n),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[component]
pub fn Timeline(finding: Finding) -> impl IntoView {
    let first = format!("Seen for the first time, by sweep {}.", finding.first_sweep);
    let last = format!("Seen last, by sweep {}.", finding.last_sweep);
    let mut steps = vec![(finding.first_seen_at, first, None, None)];
    steps.extend(finding.timeline.into_iter().map(|step| (step.at, step.what, step.by, step.reason)));
    if finding.last_sweep != finding.first_sweep {
        steps.push((finding.last_seen_at, last, None, None));
    }
    steps.sort_by_key(|(at, ..)| *at);
    let lines = steps
        .into_iter()
        .map(|(at, what, by, reason)| {
            view! {
                <li class="px-4 py-2.5">
                    <p class="flex flex-wrap items-baseline justify-between gap-x-3 text-sm">
                        <span class="min-w-0 break-words"><UserText text=what /></span>
                        <span class="text-xs text-muted"><Timestamp at /></span>
                    </p>
                    {by.map(|by| view! { <p class="text-xs text-muted"><UserText text=by /></p> })}
                    {reason.map(|reason| view! { <p class="text-sm break-words">"“" <UserText text=reason /> "”"</p> })}
                </li>
            }
        })
        .collect_view();
    view! { <ol class="divide-y divide-base-300">{lines}</ol> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_stand_field_by_field_and_readable() {
        let evidence = serde_json::json!({ "neon": { "region_id": "aws-us-east-1", "quota": { "logical_size_bytes": 1024, "active_time_seconds": null } } });
        let mut fields = flat(&evidence, "neon");
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        let texts: Vec<(String, String)> =
            fields.iter().map(|(name, value)| (name.clone(), readable(name, value))).collect();
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(
            texts,
            [
                pair("quota active_time_seconds", "unlimited"),
                pair("quota logical_size_bytes", "1 KiB"),
                pair("region_id", "aws-us-east-1")
            ]
        );
        assert!(flat(&evidence, "ledger").is_empty());
    }
}
