//! What the engine has been doing: each duty, its last run, its last reports.

use leptos::prelude::*;

use super::{
    checks::Checks, failure::Failure, keys::KeysPanel, look, query::NoParameters, tiers::TiersPanel,
    unreadable::UnreadablePanel,
};
use crate::components::{EmptyState, Freshness, Glyph, Live, PageHead, Skeleton, Timestamp};
use crate::rpc::engine::duties;
use fleet_types::{DutyRun, DutyStatus, Time};

#[component]
pub fn EnginePage() -> impl IntoView {
    let live = Live::<Vec<DutyStatus>>::new(5);
    let first = Resource::new(|| (), |()| duties());
    live.keep_asking(duties);
    view! {
        <NoParameters />
        <Transition fallback=|| view! { <Skeleton what="the engine" /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(duties) => {
                        live.start_with(duties);
                        view! { <Engine live /> }.into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn Engine(live: Live<Vec<DutyStatus>>) -> impl IntoView {
    let newest = Signal::derive(move || {
        live.with(|duties| duties.iter().filter_map(|duty| duty.last_finished_at).max()).flatten()
    });
    view! {
        <PageHead title="Engine" note="The background part that makes Neon match the ledger, duty by duty.">
            <Freshness as_of=newest refresh=live.refresh() />
        </PageHead>
        <Checks />
        <TiersPanel />
        <KeysPanel />
        <UnreadablePanel />
        {move || {
            live.get()
                .map(|duties| {
                    if duties.is_empty() {
                        view! {
                            <div class="panel">
                                <EmptyState glyph=Glyph::Engine title="No duty has run yet">
                                    "Duties appear here with their first run. If none does within a minute, no process with the engine is running."
                                </EmptyState>
                            </div>
                        }
                            .into_any()
                    } else {
                        let cards = duties.into_iter().map(|duty| view! { <DutyCard duty /> }).collect_view();
                        view! { <div class="grid items-start gap-4 xl:grid-cols-2">{cards}</div> }.into_any()
                    }
                })
        }}
    }
}

#[component]
fn DutyCard(duty: DutyStatus) -> impl IntoView {
    let outcome = duty.last_outcome.as_deref().map(look::of_outcome);
    let failing = (duty.failures_in_a_row > 0).then(|| format!("Failed {} times in a row.", duty.failures_in_a_row));
    let is_quiet = duty.runs.is_empty();
    let runs = duty.runs.into_iter().map(|run| view! { <Run run /> }).collect_view();
    view! {
        <section class="panel">
            <div class="border-b border-base-300 px-4 py-3">
                <div class="flex flex-wrap items-center justify-between gap-2">
                    <h2 class="font-semibold capitalize">{duty.name}</h2>
                    <span class="flex items-center gap-2 text-xs text-muted">
                        <LastRun started=duty.last_started_at finished=duty.last_finished_at />
                        {outcome.map(|look| view! { <look::LookBadge look /> })}
                    </span>
                </div>
                <p class="mt-1 text-sm text-muted">{duty.purpose}</p>
                {failing.map(|text| view! { <p class="mt-1 text-sm text-error">{text}</p> })}
            </div>
            {if is_quiet {
                view! { <p class="px-4 py-3 text-sm text-muted">"No run has had anything to do yet."</p> }.into_any()
            } else {
                view! {
                    <ul class="max-h-64 divide-y divide-base-300 overflow-y-auto" tabindex="0" aria-label="Recent runs">
                        {runs}
                    </ul>
                }
                    .into_any()
            }}
        </section>
    }
}

#[component]
fn LastRun(started: Option<Time>, finished: Option<Time>) -> impl IntoView {
    match (started, finished) {
        (None, _) => view! { <span>"never ran"</span> }.into_any(),
        (Some(started), Some(finished)) if finished >= started => {
            view! { <span>"last run " <Timestamp at=finished /></span> }.into_any()
        }
        (Some(started), _) => view! { <span>"running since " <Timestamp at=started /></span> }.into_any(),
    }
}

#[component]
fn Run(run: DutyRun) -> impl IntoView {
    let look = look::of_outcome(&run.outcome);
    let took = (run.finished_at - run.started_at).num_milliseconds();
    view! {
        <li class="flex items-start gap-3 px-4 py-2 text-sm">
            <span class=format!("mt-0.5 {}", look.tone.text())>
                <crate::components::Icon glyph=look.glyph />
            </span>
            <span class="min-w-0 flex-1 break-words">
                <span class="sr-only">{look.word} ": "</span>
                {run.summary}
            </span>
            <span class="shrink-0 text-right text-xs text-muted tabular-nums">
                <Timestamp at=run.started_at />
                <br />
                {if took < 1_000 { format!("took {took} ms") } else { format!("took {:.1} s", took as f64 / 1_000.0) }}
            </span>
        </li>
    }
}
