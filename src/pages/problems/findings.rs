//! The findings: counted by kind, filtered and paged by the URL.

use leptos::prelude::*;

use super::brake::STRAYS;
use crate::components::{EmptyState, Glyph, OpenDialog, Pagination, Panel, Table, Timestamp};
use crate::pages::{look, look::LookBadge, path, session, user_text::UserText};
use fleet_types::{
    Finding, FindingFilter, FindingKind, FindingPage, FindingStatus, Permission, Problems, bytes, grouped,
};

#[component]
pub fn Findings(problems: Problems, page: FindingPage, filter: FindingFilter) -> impl IntoView {
    let is_empty = page.rows.is_empty();
    let rows = page.rows.into_iter().map(|finding| view! { <Row finding /> }).collect_view();
    let head = view! {
        <th scope="col">"What"</th>
        <th scope="col">"Status"</th>
        <th scope="col">"Why"</th>
        <th scope="col">"Since"</th>
        <th scope="col">"Data and history"</th>
        <th scope="col">"What happens next"</th>
    }
    .into_any();
    let first = filter.after.map(|_| path::problems(&FindingFilter { after: None, ..filter }));
    let next = page.next.map(|after| path::problems(&FindingFilter { after: Some(after), ..filter }));
    let strays = problems.open(FindingKind::Stray);
    let why_not = session::why_not(Permission::ManageDatabases);
    let aside = move || {
        (strays > 0).then(|| {
            let why_not = why_not.clone();
            view! { <OpenDialog dialog=STRAYS text="Ignore strays by name" glyph=Glyph::Pause class="btn btn-xs" why_not /> }
        })
    };
    view! {
        <Panel title="Findings: Neon's list compared with the ledger" aside flush=true>
            <Kinds problems=problems.clone() filter />
            <Statuses problems filter />
            {if is_empty {
                view! { <Nothing filter /> }.into_any()
            } else {
                view! { <Table label="Findings" cards=true head>{rows}</Table> }.into_any()
            }}
            <div class="flex justify-end border-t border-base-300 px-4 py-2.5">
                <Pagination first previous=None next />
            </div>
        </Panel>
    }
}

#[component]
fn Kinds(problems: Problems, filter: FindingFilter) -> impl IntoView {
    let link = |kind: Option<FindingKind>, text: String, title: &'static str| {
        let href = path::problems(&FindingFilter { kind, status: filter.status, after: None });
        let count = problems.listed(kind, filter.status);
        view! { <Chip href text count title is_current=filter.kind == kind /> }
    };
    let kinds = FindingKind::ALL
        .into_iter()
        .map(|kind| link(Some(kind), kind.plural().to_owned(), kind.meaning()))
        .collect_view();
    view! {
        <nav class="flex flex-wrap gap-1.5 px-4 pt-3" aria-label="Kinds of findings">
            {link(None, String::from("All"), "Findings of every kind")} {kinds}
        </nav>
    }
}

#[component]
fn Statuses(problems: Problems, filter: FindingFilter) -> impl IntoView {
    let link = |status: Option<FindingStatus>, text: &str, count: Option<i64>| {
        let href = path::problems(&FindingFilter { kind: filter.kind, status, after: None });
        let text = text.to_owned();
        view! { <Chip href text count title="" is_current=filter.status == status /> }
    };
    let statuses = FindingStatus::ALL
        .into_iter()
        .map(|status| link(Some(status), status.label(), problems.listed(filter.kind, Some(status))))
        .collect_view();
    view! {
        <nav class="flex flex-wrap gap-1.5 border-b border-base-300 px-4 pt-1.5 pb-3" aria-label="Status of findings">
            {link(None, "open", None)} {statuses}
        </nav>
    }
}

#[component]
fn Chip(
    href: String,
    text: String,
    /// Of the rows that it leads to, where they are counted.
    count: Option<i64>,
    title: &'static str,
    is_current: bool,
) -> impl IntoView {
    view! {
        <a class="btn btn-xs" class=("btn-primary", is_current) href=href title=title aria-current=is_current.then_some("true")>
            {text}
            {count.map(|count| view! { <span class="tabular-nums opacity-80">{grouped(count)}</span> })}
        </a>
    }
}

#[component]
fn Row(finding: Finding) -> impl IntoView {
    let about = match (&finding.owner, &finding.project_id) {
        (Some(owner), _) => owner.clone(),
        (None, Some(id)) => id.clone(),
        (None, None) => String::from("no project known"),
    };
    let confidence = confidence(&finding);
    view! {
        <tr class="row-link">
            <td class="max-w-72">
                <span class="flex flex-wrap items-center gap-x-2">
                    <LookBadge look=look::of_kind(finding.kind) />
                    <a class="row-target wrap-anywhere font-medium" href=path::finding(finding.id)><UserText text=finding.title() /></a>
                </span>
                <span class="block wrap-anywhere text-xs text-muted"><UserText text=about /></span>
            </td>
            <td data-label="Status">
                <span class="inline-flex flex-col items-end md:items-start">
                    <LookBadge look=look::of_finding(&finding) />
                    <span class="text-xs text-muted">{confidence}</span>
                </span>
            </td>
            <td data-label="Why" class="text-cell max-w-80 text-sm">{finding.kind.meaning()}</td>
            <td data-label="Since" class="when"><Timestamp at=finding.first_seen_at /></td>
            <td data-label="Data and history" class="whitespace-nowrap tabular-nums">{finding.synthetic_size_bytes.map_or_else(|| String::from("unknown"), bytes)}</td>
            <td data-label="What happens next" class="text-cell max-w-96 text-sm">
                {finding.doing()}
                {finding.next_at().map(|at| view! { " Due " <Timestamp at /> "." })}
            </td>
        </tr>
    }
}

/// How sure it is.
pub fn confidence(finding: &Finding) -> String {
    let times = match finding.sightings {
        0 => String::from("seen in no complete sweep yet"),
        1 => String::from("seen in 1 complete sweep"),
        n => format!("seen in {n} complete sweeps"),
    };
    if finding.action_due_at.is_some() || finding.sightings > 1 { format!("confirmed: {times}") } else { times }
}

#[component]
fn Nothing(filter: FindingFilter) -> impl IntoView {
    if filter == FindingFilter::default() {
        view! {
            <EmptyState glyph=Glyph::Check title="Neon and the ledger agree">
                "Every project that is named by us has its row, and every living row has its project with the wanted quota."
            </EmptyState>
        }
        .into_any()
    } else {
        view! {
            <EmptyState glyph=Glyph::Check title="No such findings">
                <a class="btn btn-sm mt-2" href=path::PROBLEMS>"Show all open ones"</a>
            </EmptyState>
        }
        .into_any()
    }
}
