//! The strip at the foot of every page: is everything all right, and if not, what is wrong, in words, with a link.

use leptos::prelude::*;

use super::{look, path};
use crate::components::{Freshness, Glyph, Icon, Live, TimeStyleSwitch};
use crate::rpc::fleet::status;
use fleet_types::{Problem, Status, StatusLevel, duration, grouped};

/// Seconds between two looks.
const EVERY: u32 = 5;

#[component]
pub fn StatusStrip() -> impl IntoView {
    let live = Live::<Status>::new(EVERY);
    let first = Resource::new(|| (), |()| status());
    live.keep_asking(status);
    view! {
        <footer class="status-strip" aria-label="Status of the fleet">
            <Transition fallback=|| view! { <span class="text-muted">"Looking at the fleet…"</span> }>
                {move || Suspend::new(async move {
                    match first.await {
                        Ok(status) => {
                            live.start_with(status);
                            view! { <Strip live /> }.into_any()
                        }
                        Err(error) => view! { <span class="text-muted">{error.to_string()}</span> }.into_any(),
                    }
                })}
            </Transition>
            <span class="ml-auto hidden shrink-0 whitespace-nowrap sm:inline-flex">
                <TimeStyleSwitch />
            </span>
        </footer>
    }
}

#[component]
fn Strip(live: Live<Status>) -> impl IntoView {
    let count = move |read: fn(&Status) -> i64| move || live.with(|status| grouped(read(status)));
    view! {
        <div class="flex min-w-0 items-center" role="status">{move || match live.refresh().failure() {
                Some(error) => cut_off(error),
                None => live.with(headline).into_any(),
            }}</div>
        <dl class="hidden shrink-0 items-center gap-x-4 text-xs whitespace-nowrap text-muted md:flex">
            <div class="flex gap-1.5">
                <dt>"Available"</dt>
                <dd class="font-medium text-base-content tabular-nums">{count(|status| status.available)}</dd>
            </div>
            <div class="flex gap-1.5">
                <dt>"In flight"</dt>
                <dd class="font-medium text-base-content tabular-nums">{count(|status| status.in_flight)}</dd>
            </div>
            <div class="flex gap-1.5">
                <dt>"Claimed"</dt>
                <dd class="font-medium text-base-content tabular-nums">{count(|status| status.claimed)}</dd>
            </div>
        </dl>
        <span class="hidden shrink-0 whitespace-nowrap xl:inline-flex">
            <Freshness as_of=Signal::derive(move || live.with(|status| status.as_of)) refresh=live.refresh() />
        </span>
    }
}

/// The browser no longer gets answers: after a night the session has ended, or the server is gone.
fn cut_off(error: String) -> AnyView {
    view! {
        <span class="inline-flex min-w-0 items-center gap-2 text-sm">
            <span class="text-warning">
                <Icon glyph=Glyph::Alert class="size-4 shrink-0" />
            </span>
            <span class="truncate">{error}</span>
            <a class="link shrink-0" href="" rel="external">
                "Reload"
            </a>
        </span>
    }
    .into_any()
}

/// The worst problem, and how many more there are, as a link to the screen of all of them.
fn headline(status: &Status) -> AnyView {
    let look = look::of_level(status.level);
    let icon = view! { <span class=look.tone.text()><Icon glyph=look.glyph class="size-4 shrink-0" /></span> };
    match status.problems.first() {
        None => view! {
            <a class="inline-flex items-center gap-2 text-sm link-hover" href=path::PROBLEMS>
                {icon} <span>{if status.level == StatusLevel::Good { "All good" } else { look.word }}</span>
            </a>
        }
        .into_any(),
        Some(Problem { text, doing, since, .. }) => {
            let more = (status.problems.len() > 1).then(|| format!("and {} more", status.problems.len() - 1));
            let lasts = since.map(|since| format!("for {}", duration((status.as_of - since).num_seconds().max(1))));
            let aside = [lasts, more].into_iter().flatten().collect::<Vec<_>>().join(", ");
            view! {
                <a class="inline-flex min-w-0 items-center gap-2 text-sm link-hover" href=path::PROBLEMS title=format!("{text} {doing}")>
                    {icon} <span class="truncate">{text.clone()}</span> <span class="hidden shrink-0 text-muted sm:inline">{aside}</span>
                </a>
            }
            .into_any()
        }
    }
}
