//! One database: what it is, whether it is healthy and why not, and what can be done about it.

mod actions;
mod connection;
mod endpoint;
mod facts;
mod finding;
mod plan;
mod quota;
mod quota_draft;
mod quota_form;
mod release;
mod relief;
mod usage;
mod verdict;

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use uuid::Uuid;

use self::actions::Actions;
use self::connection::ConnectionPanel;
use self::endpoint::{EndpointDialogs, EndpointPanel};
use self::facts::{OwnerPanel, ProjectPanel};
use self::plan::PlanDialogs;
use self::quota::QuotaPanel;
use self::quota_form::QuotaDialog;
use self::release::ReleasePanel;
use self::relief::ReliefDialog;
use self::usage::UsagePanel;
use self::verdict::VerdictNotice;
use super::failure::Failure;
use super::history::History;
use super::look::RowBadges;
use super::problems::{FindingActions, WaysOut};
use crate::components::{Badge, Freshness, Live, PageHead, Panel, Skeleton, Tone};
use crate::rpc::database::database;
use fleet_types::{AppError, DatabaseDetail, DatabaseState, text};

/// Seconds between refreshes: at rest, and while something is under way.
const AT_REST: u32 = 5;
const UNDER_WAY: u32 = 1;

/// Everything below is made anew when the address names another database.
#[component]
pub fn DatabasePage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get_str("id").and_then(|id| id.parse::<Uuid>().ok())));
    move || match id.get() {
        Some(id) => view! { <OneDatabase id /> }.into_any(),
        None => view! { <Failure error=AppError::NotFound(String::from("This database")) /> }.into_any(),
    }
}

#[component]
fn OneDatabase(id: Uuid) -> impl IntoView {
    let live = Live::<DatabaseDetail>::new(AT_REST);
    let first = Resource::new(|| (), move |()| database(id));
    live.keep_asking(move || database(id));
    Effect::new(move || {
        let moving = live.with(is_moving).unwrap_or(false);
        live.refresh().set_every(if moving { UNDER_WAY } else { AT_REST });
    });
    let actions = Actions::new(id, live.refresh());
    let finding = Signal::derive(move || live.with(finding_id).flatten().unwrap_or_default());
    let decisions = FindingActions::new(finding, live.refresh());
    Effect::new(move || {
        live.with(|detail| actions.draft.follow(detail));
    });
    view! {
        <Transition fallback=|| view! { <Skeleton what="the database" /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(detail) => {
                        actions.fill(&detail);
                        live.start_with(detail);
                        view! { <Database live actions decisions /> }.into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

/// Whether the engine is about to change something, so that looking more often is worth it.
fn is_moving(detail: &DatabaseDetail) -> bool {
    let state = detail.row.state;
    detail.row.pending || detail.wanted_endpoint.is_some() || state.is_in_flight() || state == DatabaseState::Releasing
}

fn finding_id(detail: &DatabaseDetail) -> Option<i64> {
    detail.finding.as_ref().map(|finding| finding.id)
}

/// By whom it is known: the owner's address, else where it stands.
fn title(detail: &DatabaseDetail) -> String {
    match &detail.row.owner {
        Some(owner) => text::visible(&owner.email),
        None => format!("Database in pool {}", detail.row.pool),
    }
}

#[component]
fn Database(live: Live<DatabaseDetail>, actions: Actions, decisions: FindingActions) -> impl IntoView {
    // Owner and id of a row stay as they are while it is looked at, but for the claim of an available one: then the title follows with the next visit.
    let name = live.with_untracked(title).unwrap_or_default();
    let id = live.with_untracked(|detail| detail.row.id).unwrap_or_default();
    view! {
        <PageHead title=name note=id.to_string()>
            <Freshness as_of=Signal::derive(move || live.with(|detail| detail.as_of)) refresh=live.refresh() />
            <actions::RefreshButton actions />
        </PageHead>
        <div class="-mt-3 mb-4 flex flex-wrap items-center gap-1.5">
            {move || live.with(|detail| view! { <RowBadges row=detail.row.clone() /> })}
            {move || live.with(|detail| detail.row.simulated.then(|| view! { <Badge tone=Tone::Neutral text="simulated" /> }))}
        </div>
        <div class="flex flex-col gap-4">
            {move || live.with(|detail| view! { <VerdictNotice detail=detail.clone() /> })}
            <div class="grid items-start gap-4 xl:grid-cols-5">
                <div class="flex min-w-0 flex-col gap-4 xl:col-span-3">
                    <QuotaPanel live />
                    <UsagePanel id />
                    <EndpointPanel live />
                    <ConnectionPanel live actions />
                    <Panel title="History" flush=true>
                        {move || live.with(|detail| view! { <History events=detail.events.clone() /> })}
                    </Panel>
                </div>
                <div class="flex min-w-0 flex-col gap-4 xl:col-span-2">
                    <OwnerPanel live />
                    <ProjectPanel live />
                    <ReleasePanel live actions />
                </div>
            </div>
        </div>
        <QuotaDialog live actions />
        <EndpointDialogs live actions />
        <WaysOut actions=decisions />
        <PlanDialogs live actions />
        <ReliefDialog live actions />
    }
}
