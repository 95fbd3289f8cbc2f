//! The rows. On a phone each becomes a card.

use leptos::prelude::*;

use crate::components::{Meter, SortLink, Table, Timestamp};
use crate::pages::history::short;
use crate::pages::look::{self, RowBadges};
use crate::pages::path;
use crate::pages::user_text::UserText;
use fleet_types::{DatabaseFilter, DatabaseRow, DatabaseSort, PagePosition, Time, bytes};

#[component]
pub fn Rows(rows: Vec<DatabaseRow>, filter: DatabaseFilter) -> impl IntoView {
    let order = |text: &'static str, sort: DatabaseSort| {
        let href = path::databases(&DatabaseFilter { sort, ..filter.clone() }, &PagePosition::First);
        view! { <SortLink text href is_current=filter.sort == sort /> }
    };
    let head = view! {
        <th scope="col">"Owner"</th>
        <th scope="col">"State"</th>
        <th scope="col">"Pool"</th>
        {order("Size", DatabaseSort::Size)}
        {order("Created", DatabaseSort::Created)}
        {order("Claimed", DatabaseSort::Claimed)}
        {order("Last active", DatabaseSort::LastActive)}
    }
    .into_any();
    let rows = rows.into_iter().map(|row| view! { <Row row /> }).collect_view();
    view! {
        <Table label="Databases" cards=true head>
            {rows}
        </Table>
    }
}

#[component]
fn Row(row: DatabaseRow) -> impl IntoView {
    view! {
        <tr class="row-link">
            <td class="max-w-72 min-w-64">
                <Who row=row.clone() />
            </td>
            <td data-label="State" class="min-w-40">
                <RowBadges row=row.clone() />
            </td>
            <td data-label="Pool">
                <span class="inline-block whitespace-nowrap">
                    <span class="block">{row.pool.clone()}</span>
                    <span class="block text-xs text-muted"><UserText text=row.region.clone() /></span>
                </span>
            </td>
            <td data-label="Size" class="min-w-32">
                <div class="max-w-56 flex-1 text-left md:max-w-none">
                    <Size row=row.clone() />
                    <UsageAsOf at=row.usage_observed_at />
                </div>
            </td>
            <When label="Created" at=Some(row.requested_at) />
            <When label="Claimed" at=row.claimed_at />
            <When label="Last active" at=row.last_active_at />
        </tr>
    }
}

/// The owner, or that there is none; the link to the database covers the row.
#[component]
fn Who(row: DatabaseRow) -> impl IntoView {
    let id = short(row.id);
    let (name, about) = match row.owner {
        Some(owner) => {
            let organisation = owner.organisation.map(|organisation| format!("{organisation} · ")).unwrap_or_default();
            (owner.email, format!("{organisation}plan {}", owner.plan))
        }
        None => (String::from("No owner"), row.neon_project_id.unwrap_or_else(|| format!("id {id}"))),
    };
    view! {
        <a class="row-target block wrap-anywhere font-medium" href=path::database(row.id)>
            <UserText text=name />
        </a>
        <span class="block wrap-anywhere text-xs text-muted"><UserText text=about /> {row.simulated.then_some(" · simulated")}</span>
    }
}

/// The storage used, against its quota, and below it what data and history take, which no quota limits.
#[component]
fn Size(row: DatabaseRow) -> impl IntoView {
    let limit = row.quota_logical_size_bytes;
    let meter = row.logical_size_bytes.map(|used| {
        let tone = look::of_share(used as f64, limit.map(|limit| limit as f64));
        view! { <Meter used=used as f64 limit=limit.map(|limit| limit as f64) tone label="Storage used" /> }
    });
    let (used, of) = look::storage_text(row.storage(), limit);
    let history = row.synthetic_size_bytes.map(|size| format!("{} with history", bytes(size)));
    view! {
        <span class="flex items-baseline justify-between gap-2 whitespace-nowrap tabular-nums">
            <span>{used}</span>
            <span class="text-xs text-muted">{of}</span>
        </span>
        {meter}
        <span class="block text-xs whitespace-nowrap text-muted tabular-nums">{history}</span>
    }
}

/// How old the figures are by which a database counts as blocked.
#[component]
fn UsageAsOf(at: Option<Time>) -> impl IntoView {
    at.map(
        |at| view! { <span class="block text-xs whitespace-nowrap text-muted">"usage as of " <Timestamp at /></span> },
    )
}

#[component]
fn When(label: &'static str, at: Option<Time>) -> impl IntoView {
    // A card has no column that must be kept.
    let class = if at.is_some() { "when" } else { "when max-md:hidden" };
    view! {
        <td data-label=label class=class>
            {match at {
                Some(at) => view! { <Timestamp at /> }.into_any(),
                None => view! { <span class="text-muted">"–"</span> }.into_any(),
            }}
        </td>
    }
}
