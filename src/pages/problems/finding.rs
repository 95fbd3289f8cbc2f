//! One finding: what is wrong, how sure that is, what it costs, what happens next, and what can be decided.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::actions::{Buttons, Dialogs, FindingActions};
use super::evidence::{Evidence, Timeline};
use super::findings::confidence;
use crate::components::{Badge, Fact, Freshness, Icon, Live, PageHead, Panel, Skeleton, Timestamp, Tone, utc_text};
use crate::pages::failure::Failure;
use crate::pages::history::short;
use crate::pages::look::{self, LookBadge, StateBadge};
use crate::pages::path;
use crate::pages::query::NoParameters;
use crate::pages::user_text::UserText;
use crate::rpc::problems::finding;
use fleet_types::{AppError, Finding, FindingFilter, FindingStatus, bytes, text};

const EVERY: u32 = 5;

/// Everything below is made anew when the address names another finding.
#[component]
pub fn FindingPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get_str("id").and_then(|id| id.parse::<i64>().ok())));
    move || match id.get() {
        Some(id) => view! { <OneFinding id /> }.into_any(),
        None => view! { <Failure error=AppError::NotFound(String::from("This finding")) /> }.into_any(),
    }
}

#[component]
fn OneFinding(id: i64) -> impl IntoView {
    let live = Live::<Finding>::new(EVERY);
    let first = Resource::new(|| (), move |()| finding(id));
    live.keep_asking(move || finding(id));
    let actions = FindingActions::new(Signal::stored(id), live.refresh());
    view! {
        <Transition fallback=|| view! { <Skeleton what="the finding" /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(finding) => {
                        live.start_with(finding);
                        view! {
                            <NoParameters />
                            <Shown live actions />
                        }
                        .into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn Shown(live: Live<Finding>, actions: FindingActions) -> impl IntoView {
    let title = live
        .with_untracked(|finding| format!("{}: {}", capital(finding.kind.as_str()), text::visible(&finding.title())))
        .unwrap_or_default();
    view! {
        <PageHead title>
            <Freshness as_of=Signal::derive(move || live.with(|finding| finding.as_of)) refresh=live.refresh() />
            {move || live.with(|finding| view! { <Buttons actions=finding.actions() /> })}
        </PageHead>
        <div class="-mt-3 mb-4 flex flex-wrap items-center gap-1.5">
            {move || live.with(|finding| view! {
                <LookBadge look=look::of_finding(finding) />
                <Badge tone=Tone::Neutral text=confidence(finding) />
            })}
        </div>
        <div class="flex flex-col gap-4">
            {move || live.with(|finding| view! { <Sentence finding=finding.clone() /> })}
            <div class="grid items-start gap-4 xl:grid-cols-5">
                <div class="flex min-w-0 flex-col gap-4 xl:col-span-3">
                    <Panel title="Evidence" flush=true>
                        {move || live.with(|finding| view! { <Evidence finding=finding.clone() /> })}
                    </Panel>
                    <Panel title="What has happened" flush=true>
                        {move || live.with(|finding| view! { <Timeline finding=finding.clone() /> })}
                    </Panel>
                </div>
                <div class="flex min-w-0 flex-col gap-4 xl:col-span-2">
                    <Panel title="Finding">{move || live.with(|finding| view! { <Facts finding=finding.clone() /> })}</Panel>
                </div>
            </div>
        </div>
        <Dialogs live actions />
    }
}

#[component]
fn Sentence(finding: Finding) -> impl IntoView {
    let tone = match finding.status {
        FindingStatus::Resolved => Tone::Good,
        FindingStatus::Ignored => Tone::Neutral,
        _ => look::of_kind(finding.kind).tone,
    };
    let recoverable = finding.recoverable_until.filter(|until| *until > finding.as_of);
    view! {
        <div class=format!("{} items-start", tone.alert())>
            <Icon glyph=look::of_kind(finding.kind).glyph class="mt-0.5 size-5 shrink-0" />
            <div class="min-w-0 text-base-content">
                <p class="font-semibold">{finding.kind.meaning()}</p>
                <p class="text-sm break-words">
                    {finding.doing()}
                    {finding.next_at().map(|at| view! { " Due " <Timestamp at /> "." })}
                    {recoverable.map(|at| format!(" Neon can bring the project back until {}.", utc_text(at)))}
                </p>
                {finding.last_error.map(|error| view! {
                    <p class="text-sm break-words">
                        "The last attempt failed " {finding.last_error_at.map(|at| view! { <Timestamp at /> })} ": " <UserText text=error />
                    </p>
                })}
                {finding.reason.map(|reason| view! {
                    <p class="text-sm break-words"><UserText text=finding.decided_by.unwrap_or_default() /> ": “" <UserText text=reason /> "”"</p>
                })}
            </div>
        </div>
    }
}

#[component]
fn Facts(finding: Finding) -> impl IntoView {
    let others = path::problems(&FindingFilter { kind: Some(finding.kind), ..FindingFilter::default() });
    let size = finding.synthetic_size_bytes.map_or_else(|| String::from("unknown"), bytes);
    view! {
        <dl class="divide-y divide-base-300">
            <Fact name="Kind">
                <a class="link link-hover text-primary" href=others>{finding.kind.as_str()}</a>
            </Fact>
            {finding.project_id.map(|id| view! { <Fact name="Neon project"><UserText text=id /></Fact> })}
            {finding.project_name.map(|name| view! { <Fact name="Project name"><UserText text=name /></Fact> })}
            {finding.database_id.map(|id| view! {
                <Fact name="Database">
                    <a class="link link-hover text-primary" href=path::database(id)>{short(id)}</a>
                    " "
                    {finding.database_state.map(|state| view! { <StateBadge state /> })}
                </Fact>
            })}
            {finding.owner.map(|owner| view! { <Fact name="Owner"><UserText text=owner /></Fact> })}
            <Fact name="First seen"><Timestamp at=finding.first_seen_at /></Fact>
            <Fact name="Last seen"><Timestamp at=finding.last_seen_at /></Fact>
            <Fact name="Complete sweeps">{finding.sightings}</Fact>
            {(finding.earlier > 0).then(|| view! { <Fact name="Mended before">{format!("{} times in the last week", finding.earlier)}</Fact> })}
            <Fact name="Data and history">{size}</Fact>
            <Fact name="Compute">"unknown: Neon's list does not tell it"</Fact>
            {(finding.attempts > 0).then(|| view! { <Fact name="Attempts">{finding.attempts}</Fact> })}
            {finding.resolved_at.map(|at| view! { <Fact name="Resolved"><Timestamp at /></Fact> })}
        </dl>
    }
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
