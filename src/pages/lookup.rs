//! `/lookup?q=`: one hit opens it, several are listed with the field that matched, none says what can be searched for.
//! What is pasted comes here by way of `http/lookup.rs`, without its secrets.

use leptos::prelude::*;
use leptos_router::{NavigateOptions, components::Redirect, hooks::use_query_map};

use super::{
    failure::{Failure, UnreadableFilter},
    look::{RowBadges, storage_text},
    path,
    query::use_asked,
    user_text::UserText,
};
use crate::components::{EmptyState, Glyph, PageHead, Panel, Skeleton};
use crate::rpc::lookup::look_up;
use fleet_types::{AppError, LookupAnswer, LookupHit, text};

/// Characters, as the look-up box takes them.
const LONGEST_PASTE: usize = 8_000;

#[component]
pub fn LookupPage() -> impl IntoView {
    let query = use_query_map();
    let asked = use_asked(|query| query.text(&["q"], LONGEST_PASTE).unwrap_or_default());
    let is_unread = query.with_untracked(|query| query.get_str("error").is_some());
    let answer = Resource::new(
        move || asked.get(),
        |asked| async move {
            let text = asked?;
            if text.is_empty() { Ok(None) } else { look_up(text).await.map(Some) }
        },
    );
    view! {
        <Transition fallback=|| view! { <Skeleton what="what was found" /> }>
            {move || Suspend::new(async move {
                match answer.await {
                    Ok(None) => view! { <NothingAsked is_unread /> }.into_any(),
                    Ok(Some(answer)) => found(answer),
                    Err(AppError::Invalid { message, .. }) if asked.with_untracked(Result::is_err) => {
                        view! {
                            <PageHead title="Look-up" />
                            <UnreadableFilter message everything=path::LOOKUP text="Look up something else" />
                        }
                        .into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

fn found(answer: LookupAnswer) -> AnyView {
    match answer.hits.as_slice() {
        [] => view! {
            <PageHead title="Look-up" />
            <div class="panel">
                <EmptyState glyph=Glyph::Search title=format!("Nothing found for {}", named(&answer))>
                    <Searchable />
                </EmptyState>
            </div>
        }
        .into_any(),
        [hit] if !answer.more => {
            let options = NavigateOptions { replace: true, ..NavigateOptions::default() };
            view! { <Redirect path=path::database(hit.database.id) options /> }.into_any()
        }
        _ => view! { <Hits answer /> }.into_any(),
    }
}

/// What was searched for, in quotes.
fn named(answer: &LookupAnswer) -> String {
    format!("“{}”", text::visible(answer.searched.as_deref().unwrap_or_default()))
}

#[component]
fn Hits(answer: LookupAnswer) -> impl IntoView {
    let title = if answer.more {
        format!("The first {} matches", answer.hits.len())
    } else {
        format!("{} matches", answer.hits.len())
    };
    let note = format!("For {}", named(&answer));
    let hits = answer.hits.into_iter().map(|hit| view! { <Hit hit /> }).collect_view();
    view! {
        <PageHead title="Look-up" note />
        <Panel title flush=true>
            <ul class="divide-y divide-base-300">{hits}</ul>
            {answer
                .more
                .then(|| view! { <p class="border-t border-base-300 px-4 py-3 text-sm text-muted">"There are more. Paste more of what you have to narrow it down."</p> })}
        </Panel>
    }
}

#[component]
fn Hit(hit: LookupHit) -> impl IntoView {
    let row = hit.database;
    let href = path::database(row.id);
    let (used, of) = storage_text(row.storage(), row.quota_logical_size_bytes);
    let name =
        row.owner.as_ref().map_or_else(|| format!("Unclaimed, in pool {}", row.pool), |owner| owner.email.clone());
    let about = row.owner.as_ref().and_then(|owner| owner.organisation.clone());
    view! {
        <li>
            <a class="row-link flex flex-wrap items-center justify-between gap-x-6 gap-y-1.5 px-4 py-3" href=href>
                <span class="min-w-0">
                    <span class="block font-medium break-words"><UserText text=name /></span>
                    <span class="block text-xs break-words text-muted">
                        {hit.field} " matches: " <mark class="match"><UserText text=hit.value /></mark> {about.map(|about| view! { " · " <UserText text=about /> })}
                    </span>
                </span>
                <span class="flex flex-wrap items-center gap-3">
                    <span class="text-xs text-muted tabular-nums">{used} " " {of}</span>
                    <RowBadges row />
                </span>
            </a>
        </li>
    }
}

#[component]
fn NothingAsked(is_unread: bool) -> impl IntoView {
    let title = if is_unread {
        "Nothing in what you pasted names a database"
    } else {
        "Paste what you have into the box above"
    };
    view! {
        <PageHead title="Look-up" />
        <div class="panel">
            <EmptyState glyph=Glyph::Search title>
                <Searchable />
            </EmptyState>
        </div>
    }
}

#[component]
fn Searchable() -> impl IntoView {
    view! {
        "You can search for an e-mail address or a part of it, an owner id, an organisation, a Neon project id, an endpoint or its host, a database id, "
        "or paste a whole connection string, command or error message. Passwords in it are neither kept nor shown."
    }
}
