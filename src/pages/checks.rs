//! What must always hold, and whether it does: the last run of the doctor, on the screen of the engine.

use leptos::{form::ActionForm, prelude::*};

use super::{answers::Answers, failure::Failure, look, session};
use crate::components::{Glyph, Live, Panel, SubmitButton, Timestamp};
use crate::rpc::engine::{RunChecks, last_examination};
use fleet_types::{Check, Examination, Permission};

#[component]
pub fn Checks() -> impl IntoView {
    let live = Live::<Option<Examination>>::new(15);
    let first = Resource::new(|| (), |()| last_examination());
    live.keep_asking(last_examination);
    let run = ServerAction::<RunChecks>::new();
    Answers::new(live.refresh()).follow("", "The checks have run.", run.value());
    view! {
        <Transition>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(found) => {
                        live.start_with(found);
                        view! { <Found live run /> }.into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn Found(live: Live<Option<Examination>>, run: ServerAction<RunChecks>) -> impl IntoView {
    let last = Signal::derive(move || live.get().flatten().map(|found| (found.finished_at, found.by)));
    let why_not = session::why_not(Permission::Examine);
    let aside = move || {
        let why_not = why_not.clone();
        view! {
            <span class="flex flex-wrap items-center gap-3">
                {last.try_get().flatten().map(|(at, by)| view! { <span class="text-xs text-muted">"Last run " <Timestamp at /> " by " {by}</span> })}
                <ActionForm action=run>
                    <SubmitButton
                        text="Run the checks now"
                        glyph=Glyph::Play
                        class="btn btn-sm"
                        pending=run.pending()
                        why_not
                    />
                </ActionForm>
            </span>
        }
    };
    view! {
        <Panel title="What must always hold" aside flush=true class="mb-4">
            {move || match live.get().flatten() {
                None => {
                    view! { <p class="px-4 py-3 text-sm text-muted">"Not checked yet. The engine checks the ledger every hour, and Neon's list of projects every day."</p> }
                        .into_any()
                }
                Some(found) => {
                    let checks = found.checks.into_iter().map(|check| view! { <CheckLine check /> }).collect_view();
                    view! { <ul class="divide-y divide-base-300">{checks}</ul> }.into_any()
                }
            }}
        </Panel>
    }
}

#[component]
fn CheckLine(check: Check) -> impl IntoView {
    let look = look::of_check(check.verdict);
    let since = check
        .violated_since
        .map(|at| view! { <span class="text-error">" Violated since " <Timestamp at /> "."</span> });
    let evidence = (!check.evidence.is_empty()).then(|| {
        let lines = check.evidence.into_iter().map(|line| view! { <li>{line}</li> }).collect_view();
        view! {
            <ul class="mt-1 max-h-48 overflow-y-auto font-mono text-xs wrap-anywhere" tabindex="0" aria-label="Evidence">
                {lines}
            </ul>
        }
    });
    view! {
        <li class="flex flex-wrap items-start gap-x-3 gap-y-1 px-4 py-2 text-sm md:flex-nowrap">
            <span class="shrink-0 md:w-24"><look::LookBadge look /></span>
            <div class="order-last min-w-0 basis-full md:order-none md:flex-1 md:basis-0">
                <p>{check.statement} {since}</p>
                {check.note.map(|note| view! { <p class="text-xs text-muted">{note}</p> })}
                {evidence}
            </div>
            <span class="ml-auto shrink-0 text-xs text-muted"><Timestamp at=check.checked_at /></span>
        </li>
    }
}
