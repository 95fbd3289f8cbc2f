//! The five quotas: used, limit, and how full.

use leptos::prelude::*;

use super::{
    actions::{QUOTA, RELIEVE},
    plan::Overrides,
};
use crate::components::{Glyph, Live, Meter, OpenDialog, Panel, Timestamp};
use crate::pages::{look, session};
use fleet_types::{DatabaseDetail, DatabaseState, Permission, Quota, Usage, bytes, duration};

/// One quota: its name, what is used, its limit, and how both are written.
#[derive(Clone, Copy)]
pub struct Limit {
    pub name: &'static str,
    /// `None` while not known.
    pub used: Option<i64>,
    pub limit: Option<i64>,
    pub write: fn(i64) -> String,
}

impl Limit {
    pub fn limit_text(self) -> String {
        self.limit.map_or_else(|| String::from("unlimited"), self.write)
    }

    /// What is used, `–` while not known, and of what.
    fn texts(self) -> (String, String) {
        let of = self.limit.map_or_else(|| String::from("(no limit)"), |limit| format!("of {}", (self.write)(limit)));
        (self.used.map_or_else(|| String::from("–"), self.write), of)
    }
}

/// All five, the storage quota first.
pub fn limits(quota: &Quota, usage: &Usage) -> [Limit; 5] {
    let limit = |name, used, limit, write| Limit { name, used, limit, write };
    [
        limit("Storage", usage.logical_size_bytes, quota.logical_size_bytes, bytes),
        limit("Active time", Some(usage.active_time_seconds), quota.active_time_seconds, duration),
        limit("Compute time", Some(usage.compute_time_seconds), quota.compute_time_seconds, duration),
        limit("Written data", Some(usage.written_data_bytes), quota.written_data_bytes, bytes),
        limit("Data transfer", Some(usage.data_transfer_bytes), quota.data_transfer_bytes, bytes),
    ]
}

/// The limits of a claimed database that are used up: as the ledger names them, and as people do.
pub fn used_up(detail: &DatabaseDetail) -> Vec<(String, String)> {
    if detail.row.state != DatabaseState::Claimed {
        return Vec::new();
    }
    let names = detail.quota.limits().map(|(name, _)| name);
    let limits = names.into_iter().zip(limits(&detail.quota, &detail.usage));
    limits
        .filter(|(_, limit)| limit.used.zip(limit.limit).is_some_and(|(used, most)| used >= most))
        .map(|(name, limit)| (name.to_owned(), limit.name.to_owned()))
        .collect()
}

#[component]
pub fn QuotaPanel(live: Live<DatabaseDetail>) -> impl IntoView {
    let why_not = session::why_not(Permission::ManageDatabases);
    let edit = move || {
        let is_used_up = live.with(|detail| !used_up(detail).is_empty()).unwrap_or(false);
        let relieve = is_used_up
            .then(|| view! { <OpenDialog dialog=RELIEVE text="Relieve" glyph=Glyph::Clock why_not=why_not.clone() /> });
        view! {
            <span class="flex flex-wrap gap-2">
                {relieve} <OpenDialog dialog=QUOTA text="Edit quota" glyph=Glyph::Pencil why_not=why_not.clone() />
            </span>
        }
    };
    view! {
        <Panel title="Quotas" aside=ViewFn::from(edit)>
            <ul class="flex flex-col gap-3.5">
                {move || live.with(rows)}
            </ul>
            {move || live.with(|detail| view! { <Period detail=detail.clone() /> })}
            {move || live.with(|detail| view! { <Overrides overrides=detail.overrides.clone() /> })}
        </Panel>
    }
}

/// Storage and usage come from different questions to Neon: either may not have been answered yet.
fn rows(detail: &DatabaseDetail) -> impl IntoView + use<> {
    let [storage, others @ ..] = limits(&detail.quota, &detail.usage);
    let has_usage = detail.row.usage_observed_at.is_some();
    let others = others
        .into_iter()
        .map(|limit| Limit { used: limit.used.filter(|_| has_usage), ..limit })
        .map(|limit| view! { <Row limit text=limit.texts() /> })
        .collect_view();
    view! { <Row limit=storage text=look::storage_text(detail.row.storage(), detail.quota.logical_size_bytes) /> {others} }
}

/// `text` is what is used, and of what.
#[component]
fn Row(limit: Limit, text: (String, String)) -> impl IntoView {
    let Limit { name, used, .. } = limit;
    let most = limit.limit.map(|limit| limit as f64);
    let tone = look::of_share(used.unwrap_or(0) as f64, most);
    let share = used.zip(limit.limit.filter(|limit| *limit > 0));
    let share = share.map(|(used, limit)| format!("{:.0} %", used as f64 * 100.0 / limit as f64));
    let (used_text, of) = text;
    view! {
        <li>
            <p class="mb-1 flex flex-wrap items-baseline justify-between gap-x-3 text-sm">
                <span>{name}</span>
                <span class="tabular-nums">
                    <span class="font-medium">{used_text}</span>
                    <span class="text-muted">" " {of}</span>
                    <span class=format!("ml-2 inline-block min-w-10 text-right font-medium {}", tone.text())>{share}</span>
                </span>
            </p>
            {used.map(|used| view! { <Meter used=used as f64 limit=most tone label=format!("{name} used") /> })}
        </li>
    }
}

/// When the counters begin anew, and how old the numbers are.
#[component]
fn Period(detail: DatabaseDetail) -> impl IntoView {
    let read = match detail.row.usage_observed_at {
        Some(at) => view! { "Usage as of " <Timestamp at /> "." }.into_any(),
        None => view! { "Usage not yet read from Neon." }.into_any(),
    };
    let size = match detail.row.size_measured_at {
        Some(at) => view! { " Storage measured " <Timestamp at /> "." }.into_any(),
        None => view! { " Storage not measured yet." }.into_any(),
    };
    let history = detail.row.synthetic_size_bytes.map(|size| {
        format!(" Data and history of all branches take {}, which is what Neon bills and no quota limits.", bytes(size))
    });
    view! {
        <p class="mt-4 text-xs text-muted">
            {read} {size} {history}
            {detail.period_end.map(|at| view! { " All but storage start again when the billing period ends, " <Timestamp at /> "." })}
        </p>
    }
}
