//! What holds calls up, since when, until when, and why.

use leptos::prelude::*;

use crate::components::{Glyph, Icon, Timestamp};
use fleet_types::{ApiBudget, BucketPause, RouteBreaker};

#[component]
pub fn Trouble(budget: ApiBudget) -> impl IntoView {
    let pauses = budget.buckets.into_iter().filter_map(|bucket| {
        let what = if bucket.name == "consumption" { "Calls for usage history pause" } else { "All calls pause" };
        bucket.pause.map(|pause| view! { <Pause what pause /> })
    });
    let breakers = budget.breakers.into_iter().map(|breaker| view! { <Breaker breaker /> });
    view! {
        {pauses.collect_view()}
        {breakers.collect_view()}
    }
}

#[component]
fn Pause(what: &'static str, pause: BucketPause) -> impl IntoView {
    let row = match pause.refusals_in_a_row {
        0 | 1 => String::new(),
        n => format!(" Neon has refused {n} times in a row; each time the pause grows."),
    };
    view! {
        <div class="notice notice-warning">
            <Icon glyph=Glyph::Pause class="size-5 shrink-0" />
            <p class="text-sm break-words">
                {what} " since " <Timestamp at=pause.since /> "; they go on " <Timestamp at=pause.until />
                {format!(". Neon asked for fewer calls ({}).{row} Claims go on from the pool.", pause.reason)}
            </p>
        </div>
    }
}

#[component]
fn Breaker(breaker: RouteBreaker) -> impl IntoView {
    let who = if breaker.replicas > 1 { format!(" by {} replicas", breaker.replicas) } else { String::new() };
    view! {
        <div class="notice notice-error">
            <Icon glyph=Glyph::Block class="size-5 shrink-0" />
            <p class="min-w-0 text-sm break-words">
                <code>{breaker.route}</code>
                {format!(" is not called{who} since ")}
                <Timestamp at=breaker.since />
                {format!(": it failed {} times in a row. {} One call finds out whether it works again: ", breaker.failures_in_a_row, breaker.cause)}
                <Timestamp at=breaker.until />
                "."
            </p>
        </div>
    }
}
