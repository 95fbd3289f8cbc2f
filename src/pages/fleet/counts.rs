//! Databases by state: one bar, and the same in words with links.

use leptos::prelude::*;

use crate::components::{Panel, Segment, StackedBar};
use crate::pages::{look, path};
use fleet_types::{DatabaseState, grouped};

#[component]
pub fn States(states: Vec<(DatabaseState, i64)>) -> impl IntoView {
    // Deleted databases are history: they would dwarf the living.
    let living = states.iter().filter(|(state, _)| *state != DatabaseState::Deleted);
    let total: i64 = living.clone().map(|(_, count)| count).sum();
    let segments = living
        .map(|(state, count)| Segment {
            label: format!("{}: {}", state.as_str(), grouped(*count)),
            value: *count as f64,
            class: look::bar_class(*state),
        })
        .collect();
    let entries = states.iter().map(|(state, count)| view! { <Entry state=*state count=*count /> }).collect_view();
    view! {
        <Panel title=format!("{} databases by state", grouped(total))>
            <StackedBar segments label="Databases by state" />
            <ul class="mt-3 grid grid-cols-2 gap-x-6 gap-y-1 sm:grid-cols-4">{entries}</ul>
        </Panel>
    }
}

#[component]
fn Entry(state: DatabaseState, count: i64) -> impl IntoView {
    view! {
        <li>
            <a class="flex items-center gap-2 rounded py-0.5 text-sm link-hover" href=path::databases_in(state)>
                <span class=format!("swatch swatch-square {}", look::bar_class(state))></span>
                <span class="flex-1 text-muted">{state.as_str()}</span>
                <span class="font-medium tabular-nums">{grouped(count)}</span>
            </a>
        </li>
    }
}
