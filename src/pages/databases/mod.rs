//! The table of databases: filtered, ordered and paged by its URL alone, so that a link shows another person the same.

mod filters;
mod rows;

use leptos::prelude::*;

use self::filters::Filters;
use self::rows::Rows;
use super::{
    failure::{Failure, UnreadableFilter},
    path,
    query::use_asked,
};
use crate::components::{EmptyState, Freshness, Glyph, Live, PageHead, Pagination, Skeleton};
use crate::rpc::databases::{filter_choices, list_databases};
use fleet_types::{AppError, DatabaseFilter, DatabasePage, DatabaseQuery, PagePosition, Total, Unreadable, grouped};

/// Seconds between two refreshes of the first page; further pages stand still while they are read.
const EVERY: u32 = 5;

async fn ask(query: Result<DatabaseQuery, Unreadable>) -> Result<DatabasePage, AppError> {
    let DatabaseQuery { filter, position } = query?;
    list_databases(filter, position).await
}

#[component]
pub fn DatabasesPage() -> impl IntoView {
    let asked = use_asked(DatabaseQuery::read);
    let query = Memo::new(move |_| asked.get().unwrap_or_default());
    let live = Live::<DatabasePage>::new(EVERY);
    let page = Resource::new(move || asked.get(), ask);
    let choices = Resource::new(|| (), |()| filter_choices());
    live.keep_asking(move || ask(asked.try_get_untracked().unwrap_or_else(|| Ok(DatabaseQuery::default()))));
    Effect::new(move || {
        live.refresh().set_every(if query.with(|query| query.position == PagePosition::First) { EVERY } else { 0 })
    });
    view! {
        <PageHead title="Databases" />
        <Transition fallback=|| view! { <div class="skeleton mb-4 h-24"></div> }>
            {move || Suspend::new(async move {
                match choices.await {
                    Ok(choices) => view! { <Filters choices query /> }.into_any(),
                    Err(error) => view! { <p class="notice notice-warning mb-4 text-sm">{format!("The filters are not available. {error}")}</p> }.into_any(),
                }
            })}
        </Transition>
        <Transition fallback=|| view! { <Skeleton what="the databases" /> }>
            {move || Suspend::new(async move {
                match page.await {
                    Ok(page) => {
                        live.start_with(page);
                        view! { <Listing live query /> }.into_any()
                    }
                    Err(AppError::Invalid { message, .. }) => {
                        view! { <UnreadableFilter message everything=path::DATABASES text="Show all databases" /> }.into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn Listing(live: Live<DatabasePage>, query: Memo<DatabaseQuery>) -> impl IntoView {
    let filter = move || query.try_with(|query| query.filter.clone()).unwrap_or_default();
    view! {
        <div class="panel">
            <div class="flex min-h-11 flex-wrap items-center justify-between gap-2 border-b border-base-300 px-4 py-2">
                <p class="text-sm font-semibold tabular-nums" role="status">
                    {move || live.with(|page| total_text(page.total))}
                </p>
                <Freshness as_of=Signal::derive(move || live.with(|page| page.as_of)) refresh=live.refresh() />
            </div>
            {move || {
                live.get()
                    .map(|page| {
                        if page.rows.is_empty() {
                            view! { <Nothing filter=filter() /> }.into_any()
                        } else {
                            view! { <Rows rows=page.rows filter=filter() /> }.into_any()
                        }
                    })
            }}
            <div class="flex justify-end border-t border-base-300 px-4 py-2.5 empty:hidden">
                {move || {
                    live.with(|page| view! { <Pages filter=filter() next=page.next.clone() previous=page.previous.clone() /> })
                }}
            </div>
        </div>
    }
}

#[component]
fn Pages(filter: DatabaseFilter, next: Option<String>, previous: Option<String>) -> impl IntoView {
    let first = previous.is_some().then(|| path::databases(&filter, &PagePosition::First));
    let previous = previous.map(|cursor| path::databases(&filter, &PagePosition::Before(cursor)));
    let next = next.map(|cursor| path::databases(&filter, &PagePosition::After(cursor)));
    view! { <Pagination first previous next /> }
}

fn total_text(total: Total) -> String {
    match total {
        Total::Exactly(1) => String::from("1 database"),
        Total::Exactly(n) => format!("{} databases", grouped(n)),
        Total::MoreThan(n) => format!("more than {} databases", grouped(n)),
    }
}

/// What an empty answer means depends on what was asked.
#[component]
fn Nothing(filter: DatabaseFilter) -> impl IntoView {
    let is_narrowed = DatabaseFilter { sort: filter.sort, ..DatabaseFilter::default() } != filter;
    let (glyph, title, text) = if filter.blocked {
        (
            Glyph::Check,
            "No database is blocked",
            "That is how it should be: every claimed database can be started and written to.",
        )
    } else if filter.storage_percent.is_some() {
        (
            Glyph::Check,
            "No database is near its storage quota",
            "That is how it should be: every claimed database has room to grow.",
        )
    } else if is_narrowed {
        (Glyph::Search, "No database matches these filters", "Take a filter away to see more.")
    } else {
        (
            Glyph::Database,
            "There is no database yet",
            "The engine fills the pools by itself. The first ones appear here within seconds of its start.",
        )
    };
    view! {
        <EmptyState glyph title>
            <p>{text}</p>
            {is_narrowed.then(|| view! { <a class="btn btn-sm mt-3" href=path::DATABASES>"Show all databases"</a> })}
        </EmptyState>
    }
}
