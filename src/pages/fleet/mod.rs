//! Fleet health: problems first, then the numbers, each linked to what is behind it.

mod counts;
mod denials;
mod tiles;

use leptos::prelude::*;

use self::counts::States;
use self::denials::DenialsPanel;
use self::tiles::Tiles;
use super::failure::Failure;
use super::figures::whole;
use super::history::History;
use super::pools::PoolStrip;
use super::query::NoParameters;
use crate::components::{
    Chart, ChartData, EmptyState, Freshness, Glyph, Live, Mark, PageHead, Panel, Series, Skeleton,
};
use crate::rpc::fleet::fleet_health;
use fleet_types::{FleetHealth, FleetPoint};

#[component]
pub fn FleetPage() -> impl IntoView {
    let live = Live::<FleetHealth>::new(5);
    let first = Resource::new(|| (), |()| fleet_health());
    live.keep_asking(fleet_health);
    view! {
        <NoParameters />
        <Transition fallback=|| view! { <Skeleton what="the fleet" /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(health) => {
                        live.start_with(health);
                        view! { <Health live /> }.into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

#[component]
fn Health(live: Live<FleetHealth>) -> impl IntoView {
    view! {
        <PageHead title="Fleet health">
            <Freshness as_of=Signal::derive(move || live.with(|health| health.as_of)) refresh=live.refresh() />
        </PageHead>
        <div class="flex flex-col gap-4">
            {move || live.with(|health| view! { <Tiles health=health.clone() /> })}
            <div class="grid items-start gap-4 xl:grid-cols-5">
                <div class="flex min-w-0 flex-col gap-4 xl:col-span-3">
                    {move || live.with(|health| view! { <States states=health.states.clone() /> })}
                    <Day live />
                    <Panel title="Pools" flush=true>
                        {move || live.with(|health| health.pools.iter().map(|pool| view! { <PoolStrip pool=pool.clone() /> }).collect_view())}
                    </Panel>
                </div>
                <div class="flex min-w-0 flex-col gap-4 xl:col-span-2">
                    {move || live.with(|health| view! { <DenialsPanel denials=health.denials.clone() /> })}
                    <Panel title="Latest events" flush=true>
                        {move || live.with(|health| view! { <History events=health.events.clone() with_subject=true /> })}
                    </Panel>
                </div>
            </div>
        </div>
    }
}

/// The last 24 hours: the fleet, and beside it what is so much smaller that it needs a scale of its own.
#[component]
fn Day(live: Live<FleetHealth>) -> impl IntoView {
    let chart = move |draw: fn(&[FleetPoint]) -> ChartData| {
        Signal::derive(move || live.with(|health| draw(&health.history)).unwrap_or_default())
    };
    let is_drawable = Memo::new(move |_| live.with(|health| health.history.len() > 1).unwrap_or(false));
    view! {
        <Panel title="The last 24 hours">
            {move || {
                if is_drawable.get() {
                    view! {
                        <div class="grid gap-6 md:grid-cols-2">
                            <Chart title="Claimed" label="Claimed databases over the last 24 hours" data=chart(claimed) write=whole />
                            <Chart
                                title="In use and in reserve"
                                label="Active and available databases over the last 24 hours"
                                data=chart(in_use)
                                write=whole
                            />
                        </div>
                    }
                        .into_any()
                } else {
                    view! {
                        <EmptyState glyph=Glyph::Fleet title="No samples yet">
                            "The engine samples the fleet from time to time; the chart begins with the second sample."
                        </EmptyState>
                    }
                        .into_any()
                }
            }}
        </Panel>
    }
}

fn chart_of(history: &[FleetPoint], series: Vec<Series>) -> ChartData {
    ChartData { at: history.iter().map(|point| point.at).collect(), series }
}

fn series(
    history: &[FleetPoint],
    label: &'static str,
    mark: Mark,
    class: &'static str,
    read: fn(&FleetPoint) -> i64,
) -> Series {
    Series { label, mark, class, values: history.iter().map(|point| read(point) as f64).collect() }
}

fn claimed(history: &[FleetPoint]) -> ChartData {
    chart_of(history, vec![series(history, "Claimed", Mark::Area, "text-chart-1", |point| point.claimed)])
}

fn in_use(history: &[FleetPoint]) -> ChartData {
    let active = series(history, "Active", Mark::Area, "text-chart-2", |point| point.active);
    let available = series(history, "Available", Mark::Line, "text-chart-3", |point| point.available);
    chart_of(history, vec![active, available])
}
