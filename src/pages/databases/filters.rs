//! The filters: a plain GET form. With WebAssembly it applies while it is filled in.

use std::time::Duration;

use leptos::{ev, prelude::*};
use leptos_router::{NavigateOptions, hooks::use_navigate};
use web_sys::HtmlFormElement;

use crate::components::{Glyph, Icon, browser};
use crate::pages::path;
use fleet_types::{DatabaseFilter, DatabaseQuery, DatabaseState, FilterChoices, PagePosition, Paste, QueryReader};

/// Only where no script runs. As a text, because that is what a browser that runs scripts makes of it.
const APPLY: &str = r#"<button class="btn btn-sm" type="submit">Apply</button>"#;
/// How long typing may pause before the text is searched for.
const TYPING: Duration = Duration::from_millis(300);

#[component]
pub fn Filters(choices: FilterChoices, query: Memo<DatabaseQuery>) -> impl IntoView {
    let navigate = use_navigate();
    let apply = move |form: HtmlFormElement, replace: bool| {
        // What the form itself offers can be read; only a pasted text may hold what cannot.
        let Some(wanted) = filled(&form) else {
            return;
        };
        let wanted = DatabaseFilter { text: wanted.text.and_then(without_secret), ..wanted };
        if query.with_untracked(|query| query.filter != wanted) {
            let url = path::databases(&wanted, &PagePosition::First);
            navigate(&url, NavigateOptions { replace, scroll: false, ..NavigateOptions::default() });
        }
    };
    let submit = {
        let apply = apply.clone();
        move |event: ev::SubmitEvent| {
            if let Some(form) = browser::form_of(&event) {
                event.prevent_default();
                apply(form, false);
            }
        }
    };
    let change = {
        let apply = apply.clone();
        move |event: ev::Event| {
            if let Some(form) = browser::form_of(&event) {
                apply(form, false);
            }
        }
    };
    let mut type_text = debounce(TYPING, move |form: HtmlFormElement| apply(form, true));
    let typed = move |event: ev::Event| {
        if let Some(form) = browser::form_of(&event) {
            type_text(form);
        }
    };
    let of = move |read: fn(&DatabaseFilter) -> Option<String>| {
        Signal::derive(move || query.try_with(|query| read(&query.filter)).flatten().unwrap_or_default())
    };
    let states = DatabaseState::ALL.iter().map(|state| state.as_str().to_owned()).collect();
    view! {
        <form class="panel mb-4 flex flex-col gap-2.5 p-3" method="get" action=path::DATABASES aria-label="Filters" on:submit=submit on:change=change>
            <input type="hidden" name="sort" value=move || query.try_with(|query| query.filter.sort.as_str()).unwrap_or_default() />
            <div class="grid grid-cols-2 gap-x-3 gap-y-2 md:grid-cols-3 xl:grid-cols-[minmax(0,2fr)_repeat(5,minmax(0,1fr))]">
                <label class="col-span-2 flex min-w-0 flex-col gap-1 text-xs text-muted md:col-span-1">
                    "Text"
                    <input
                        class="input input-sm w-full text-base-content"
                        type="search"
                        name="text"
                        placeholder="E-mail, owner id, organisation, project"
                        autocomplete="off"
                        maxlength="200"
                        value=of(|filter| filter.text.clone()).get_untracked()
                        prop:value=of(|filter| filter.text.clone())
                        on:input=typed
                    />
                </label>
                <Choice name="state" label="State" options=states current=of(|filter| filter.state.map(|state| state.as_str().to_owned())) />
                <Choice name="pool" label="Pool" options=choices.pools current=of(|filter| filter.pool.clone()) />
                <Choice name="plan" label="Plan" options=choices.plans current=of(|filter| filter.plan.clone()) />
                <Choice name="region" label="Region" options=choices.regions current=of(|filter| filter.region.clone()) />
                <label class="col-span-2 flex min-w-0 flex-col gap-1 text-xs text-muted md:col-span-1">
                    "Claimed since"
                    <input
                        class="input input-sm w-full text-base-content"
                        type="date"
                        name="claimed_since"
                        value=of(|filter| filter.claimed_since.map(|day| day.to_string())).get_untracked()
                        prop:value=of(|filter| filter.claimed_since.map(|day| day.to_string()))
                    />
                </label>
            </div>
            <Switches query />
        </form>
    }
}

/// The filters that are on or off, and the way back to all databases.
#[component]
fn Switches(query: Memo<DatabaseQuery>) -> impl IntoView {
    view! {
        <div class="flex flex-wrap items-center gap-x-4">
            <Tick name="blocked" value="1" label="Blocked" ticked=Signal::derive(move || query.try_with(|query| query.filter.blocked).unwrap_or(false)) />
            <Tick
                name="storage"
                value="80"
                label="Storage ≥ 80 %"
                ticked=Signal::derive(move || query.try_with(|query| query.filter.storage_percent.is_some()).unwrap_or(false))
            />
            <noscript inner_html=APPLY></noscript>
            <a class="btn btn-ghost btn-sm ml-auto px-2" href=path::DATABASES>
                <Icon glyph=Glyph::Cross class="size-3.5" />
                "Clear"
            </a>
        </div>
    }
}

fn filled(form: &HtmlFormElement) -> Option<DatabaseFilter> {
    let field = |name: &str| Some(browser::field_of(form, name));
    let mut query = QueryReader::new(&field);
    let read = DatabaseQuery::read(&mut query);
    query.finish(read).ok().map(|query| query.filter)
}

/// What may stand in the address for a text that was typed or pasted.
fn without_secret(text: String) -> Option<String> {
    let paste = Paste::read(&text);
    if paste.may_hold_secret { paste.searched().map(str::to_owned) } else { Some(text) }
}

#[component]
fn Choice(name: &'static str, label: &'static str, options: Vec<String>, current: Signal<String>) -> impl IntoView {
    let options = options.into_iter().map(|option| {
        let is_current = {
            let option = option.clone();
            move || current.try_with(|current| *current == option).unwrap_or(false)
        };
        let is_live = is_current.clone();
        view! {
            <option value=option.clone() selected=is_current prop:selected=is_live>
                {option.clone()}
            </option>
        }
    });
    let is_any = move || current.try_with(String::is_empty).unwrap_or(true);
    view! {
        <label class="flex min-w-0 flex-col gap-1 text-xs text-muted">
            {label}
            <select class="select select-sm w-full text-base-content" name=name>
                <option value="" selected=is_any prop:selected=is_any>
                    "Any"
                </option>
                {options.collect_view()}
            </select>
        </label>
    }
}

#[component]
fn Tick(name: &'static str, value: &'static str, label: &'static str, ticked: Signal<bool>) -> impl IntoView {
    view! {
        <label class="flex h-8 cursor-pointer items-center gap-2 text-sm">
            <input class="checkbox checkbox-sm" type="checkbox" name=name value=value checked=ticked.get_untracked() prop:checked=ticked />
            {label}
        </label>
    }
}
