//! One pool: its numbers, its past hour, day or week, what failed, and running it.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::actions::PoolActions;
use super::breaker::{BreakerNotice, BreakerPanel};
use super::controls::Controls;
use super::cover::CoverTiles;
use super::decisions::Decisions;
use super::sizing::SizingPanel;
use super::strip::{PoolBadges, compute};
use super::template::TemplatePanel;
use crate::components::{
    Chart, ChartData, EmptyState, Freshness, Glyph, Icon, Live, Mark, PageHead, Panel, Series, Skeleton, Tile,
    Timestamp,
};
use crate::pages::failure::Failure;
use crate::pages::figures::whole;
use crate::pages::history::{History, short};
use crate::pages::path;
use crate::pages::query::{UnreadableNotice, use_asked};
use crate::pages::user_text::UserText;
use crate::rpc::pools::pool;
use fleet_types::{CreationFailure, PoolDetail, PoolPoint, PoolRange, PoolSummary, duration, grouped};

/// Everything below is made anew when the address names another pool.
#[component]
pub fn PoolPage() -> impl IntoView {
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|params| params.get("name")).unwrap_or_default());
    move || view! { <OnePool name=name.get() /> }
}

#[component]
fn OnePool(name: String) -> impl IntoView {
    let asked = use_asked(PoolRange::read);
    let range = Memo::new(move |_| asked.get().unwrap_or_default());
    let live = Live::<PoolDetail>::new(5);
    let name = StoredValue::new(name);
    let ask = move |range: PoolRange| pool(name.try_get_value().unwrap_or_default(), range);
    let first = Resource::new(move || range.get(), ask);
    live.keep_asking(move || ask(range.try_get_untracked().unwrap_or_default()));
    let actions = PoolActions::new(live.refresh());
    view! {
        <Transition fallback=|| view! { <Skeleton what="the pool" /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(detail) => {
                        actions.fill(&detail);
                        live.start_with(detail);
                        view! {
                            <UnreadableNotice asked instead="The last hour is shown." />
                            <Pool live actions />
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
fn Pool(live: Live<PoolDetail>, actions: PoolActions) -> impl IntoView {
    let summary = live.with_untracked(|detail| detail.summary.clone());
    let title = summary.as_ref().map(|pool| format!("Pool {}", pool.name)).unwrap_or_default();
    let note = summary.as_ref().map(|pool| {
        format!(
            "{} · Postgres {} · {} · born with plan {}",
            pool.region,
            pool.pg_version,
            compute(pool.min_cu, pool.max_cu),
            pool.birth_plan
        )
    });
    view! {
        <PageHead title note=note.unwrap_or_default()>
            <Freshness as_of=Signal::derive(move || live.with(|detail| detail.as_of)) refresh=live.refresh() />
            <Controls live actions />
        </PageHead>
        <div class="flex flex-col gap-4">
            {move || live.with(|detail| view! { <Trouble pool=detail.summary.clone() /> })}
            {move || live.with(|detail| view! { <BreakerNotice trip=detail.breaker.clone() as_of=detail.as_of /> })}
            {move || live.with(|detail| view! { <Numbers detail=detail.clone() /> })}
            <Past live />
            <div class="grid items-start gap-4 xl:grid-cols-2">
                <SizingPanel live actions />
                <TemplatePanel live actions />
            </div>
            <Panel title="Decisions" flush=true>
                {move || live.with(|detail| view! { <Decisions decisions=detail.sizing.decisions.clone() /> })}
            </Panel>
            <div class="grid items-start gap-4 xl:grid-cols-2">
                <div class="flex min-w-0 flex-col gap-4">
                    {move || live.with(|detail| view! { <BreakerPanel trip=detail.breaker.clone() /> })}
                    <Panel title="Failed creations" flush=true>
                        {move || live.with(|detail| view! { <Failures failures=detail.failures.clone() /> })}
                    </Panel>
                </div>
                <Panel title="History" flush=true>
                    {move || live.with(|detail| view! { <History events=detail.events.clone() /> })}
                </Panel>
            </div>
        </div>
    }
}

/// What keeps the pool from being full, in words.
#[component]
fn Trouble(pool: PoolSummary) -> impl IntoView {
    let paused = pool.paused_at.map(|at| {
        let reason = pool.paused_reason.clone().map(|reason| view! { " “" <UserText text=reason /> "”" });
        view! {
            <div class="notice notice-warning">
                <Icon glyph=Glyph::Pause class="size-5 shrink-0" />
                <p class="text-sm">
                    "Paused since " <Timestamp at /> "." {reason} " Nothing is created; claims go on as long as the pool lasts."
                </p>
            </div>
        }
    });
    let held_back = pool.held_back_until.map(|until| {
        view! {
            <div class="notice notice-warning">
                <Icon glyph=Glyph::Pause class="size-5 shrink-0" />
                <p class="text-sm">
                    {format!(
                        "The creation limit is reached: {} of at most {} databases an hour were created. The next one is created ",
                        grouped(pool.creations_last_hour),
                        grouped(pool.creation_ceiling.into()),
                    )} <Timestamp at=until /> "; claims go on as long as the pool lasts."
                </p>
            </div>
        }
    });
    view! {
        {paused}
        {held_back}
    }
}

#[component]
fn Numbers(detail: PoolDetail) -> impl IntoView {
    let pool = detail.summary.clone();
    let target = i64::from(pool.target);
    let seconds = |value: Option<f64>| {
        value.map_or_else(
            || String::from("–"),
            |seconds| if seconds < 60.0 { format!("{seconds:.1} s") } else { duration(seconds as i64) },
        )
    };
    view! {
        <div class="flex flex-wrap gap-1.5 empty:hidden">
            <PoolBadges pool=pool.clone() />
        </div>
        <div class="grid grid-cols-2 gap-3 lg:grid-cols-4 2xl:gap-4">
            <Tile
                label="Available"
                value=grouped(pool.available)
                note=Some(format!("of {} wanted, {} in flight", grouped(target), grouped(pool.in_flight)))
                href=Some(path::databases_of_pool(&pool.name, Some(fleet_types::DatabaseState::Available)))
                tone=super::strip::fill_tone(&pool)
            />
            <CoverTiles detail=detail.clone() />
            <Tile
                label="Time to create"
                value=seconds(detail.creation_p50_seconds)
                note=Some(format!("median over 24 h; p95 {}", seconds(detail.creation_p95_seconds)))
                href=None
            />
            <Tile
                label="Claimed"
                value=grouped(pool.claimed)
                note=Some(format!("{} failed creations, soon deleted on Neon", grouped(pool.failed)))
                href=Some(path::databases_of_pool(&pool.name, Some(fleet_types::DatabaseState::Claimed)))
            />
            <Tile
                label="Target"
                value=grouped(target)
                note=Some(String::from(if detail.sizing.policy.is_some() { "found by the policy, within the minute" } else { "set by hand" }))
                href=None
            />
        </div>
    }
}

/// Supply and demand over time.
#[component]
fn Past(live: Live<PoolDetail>) -> impl IntoView {
    let levels = Signal::derive(move || live.with(|detail| levels(&detail.history)).unwrap_or_default());
    let flows = Signal::derive(move || live.with(|detail| flows(&detail.history)).unwrap_or_default());
    let is_drawable = Memo::new(move |_| live.with(|detail| detail.history.len() > 1).unwrap_or(false));
    let ranges = move || live.with(|detail| view! { <Ranges name=detail.summary.name.clone() current=detail.range /> });
    view! {
        <Panel title="Supply and demand" aside=ViewFn::from(ranges)>
            {move || {
                if is_drawable.try_get().unwrap_or_default() {
                    view! {
                        <div class="grid gap-6 xl:grid-cols-2">
                            <Chart title="Ready" label="Databases available and in flight against the target" data=levels write=whole />
                            <Chart title="Claims and creations" label="Claims and creations per interval" data=flows write=whole />
                        </div>
                    }
                        .into_any()
                } else {
                    view! { <EmptyState glyph=Glyph::Fleet title="No samples yet">"The engine samples each pool from time to time; the chart begins with the second sample."</EmptyState> }
                        .into_any()
                }
            }}
        </Panel>
    }
}

#[component]
fn Ranges(name: String, current: PoolRange) -> impl IntoView {
    let links = PoolRange::ALL.into_iter().map(|range| {
        let here = range == current;
        view! {
            <a class="btn btn-xs join-item" class=("btn-active", here) href=path::pool(&name, range) aria-current=here.then_some("true")>
                {range.as_str()}
            </a>
        }
    });
    view! { <nav class="join" aria-label="How far back">{links.collect_view()}</nav> }
}

fn values(history: &[PoolPoint], read: fn(&PoolPoint) -> i64) -> Vec<f64> {
    history.iter().map(|point| read(point) as f64).collect()
}

fn levels(history: &[PoolPoint]) -> ChartData {
    ChartData {
        at: history.iter().map(|point| point.at).collect(),
        series: vec![
            Series {
                label: "Available",
                mark: Mark::Area,
                class: "text-chart-1",
                values: values(history, |point| point.available),
            },
            Series {
                label: "In flight",
                mark: Mark::Line,
                class: "text-chart-3",
                values: values(history, |point| point.in_flight),
            },
            Series {
                label: "Target",
                mark: Mark::Dashes,
                class: "text-chart-5",
                values: values(history, |point| point.target),
            },
        ],
    }
}

fn flows(history: &[PoolPoint]) -> ChartData {
    ChartData {
        at: history.iter().map(|point| point.at).collect(),
        series: vec![
            Series {
                label: "Claims from the pool",
                mark: Mark::Bars,
                class: "text-chart-1",
                values: values(history, |point| point.claims_warm),
            },
            Series {
                label: "Claims that waited",
                mark: Mark::Bars,
                class: "text-chart-4",
                values: values(history, |point| point.claims_cold),
            },
            Series {
                label: "Created",
                mark: Mark::Line,
                class: "text-chart-2",
                values: values(history, |point| point.created),
            },
            Series {
                label: "Failed",
                mark: Mark::Line,
                class: "text-error",
                values: values(history, |point| point.failed),
            },
        ],
    }
}

#[component]
fn Failures(failures: Vec<CreationFailure>) -> impl IntoView {
    if failures.is_empty() {
        return view! { <EmptyState glyph=Glyph::Check title="No creation has failed">"Failed creations are kept here with what Neon said."</EmptyState> }.into_any();
    }
    let lines = failures.into_iter().map(|failure| {
        let project = failure.neon_project_id.unwrap_or_else(|| String::from("no project was made"));
        view! {
            <li class="px-4 py-2.5 text-sm">
                <p class="flex flex-wrap justify-between gap-x-3">
                    <a class="link link-hover text-primary" href=path::database(failure.database_id)>
                        {short(failure.database_id)}
                    </a>
                    <span class="text-xs text-muted">
                        <Timestamp at=failure.at />
                    </span>
                </p>
                <p class="break-words"><UserText text=failure.error /></p>
                <p class="text-xs text-muted">{failure.attempts.map(|attempts| format!("{attempts} attempts · "))} {project}</p>
            </li>
        }
    });
    view! { <ul class="divide-y divide-base-300">{lines.collect_view()}</ul> }.into_any()
}
