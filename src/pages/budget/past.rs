//! Calls a minute over the past hour, day or week, against the limit.

use leptos::prelude::*;

use crate::components::{Chart, ChartData, EmptyState, Glyph, Live, Mark, Panel, Series};
use crate::pages::{figures::whole, path};
use fleet_types::{ApiBudget, CallPoint, PoolRange};

#[component]
pub fn Past(live: Live<ApiBudget>) -> impl IntoView {
    let data = Signal::derive(move || live.with(calls).unwrap_or_default());
    let is_drawable = Memo::new(move |_| live.with(|budget| budget.history.len() > 1).unwrap_or(false));
    let ranges = move || live.with(|budget| view! { <Ranges current=budget.range /> });
    view! {
        <Panel title="Calls a minute" aside=ViewFn::from(ranges)>
            {move || {
                if is_drawable.try_get().unwrap_or_default() {
                    view! { <Chart title="Calls" label="Calls to Neon a minute, by how they ended, against the limit of the account" data write=whole /> }.into_any()
                } else {
                    view! {
                        <EmptyState glyph=Glyph::Gauge title="No history yet">"Calls are counted by the minute; the chart begins with the second full minute."</EmptyState>
                    }
                        .into_any()
                }
            }}
        </Panel>
    }
}

#[component]
fn Ranges(current: PoolRange) -> impl IntoView {
    let links = PoolRange::ALL.into_iter().map(|range| {
        let here = range == current;
        view! {
            <a class="btn btn-xs join-item" class=("btn-active", here) href=path::budget(range) aria-current=here.then_some("true")>
                {range.as_str()}
            </a>
        }
    });
    view! { <nav class="join" aria-label="How far back">{links.collect_view()}</nav> }
}

fn calls(budget: &ApiBudget) -> ChartData {
    let bars = |label, class, read: fn(&CallPoint) -> f64| Series {
        label,
        mark: Mark::Bars,
        class,
        values: budget.history.iter().map(read).collect(),
    };
    let limit = budget.buckets.first().map_or(0.0, |account| f64::from(account.limit_per_minute));
    let limit = Series {
        label: "Limit of the account",
        mark: Mark::Dashes,
        class: "text-chart-5",
        values: vec![limit; budget.history.len()],
    };
    ChartData {
        at: budget.history.iter().map(|point| point.at).collect(),
        series: vec![
            bars("Answered", "text-chart-1", |point| point.answered),
            bars("429", "text-chart-4", |point| point.limited),
            bars("Failed", "text-error", |point| point.failed),
            limit,
        ],
    }
}
