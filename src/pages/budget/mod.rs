//! The API budget: the gauge, what holds calls up, when running work ends, and who uses how much.

mod jobs;
mod past;
mod tables;
mod trouble;

use leptos::prelude::*;

use self::{
    jobs::Jobs,
    past::Past,
    tables::{Classes, Routes},
    trouble::Trouble,
};
use super::{
    failure::Failure,
    query::{UnreadableNotice, use_asked},
};
use crate::components::{Freshness, Live, Meter, PageHead, Panel, Skeleton, Tone};
use crate::rpc::budget::api_budget;
use fleet_types::{ApiBudget, BucketUse, PoolRange, grouped};

/// Seconds between two looks; a long history is read less often.
fn pace_of(range: PoolRange) -> u32 {
    if range == PoolRange::Hour { 5 } else { 30 }
}

#[component]
pub fn BudgetPage() -> impl IntoView {
    let asked = use_asked(PoolRange::read);
    let range = Memo::new(move |_| asked.get().unwrap_or_default());
    let live = Live::<ApiBudget>::new(pace_of(PoolRange::default()));
    let first = Resource::new(move || range.get(), api_budget);
    live.keep_asking(move || api_budget(range.try_get_untracked().unwrap_or_default()));
    view! {
        <UnreadableNotice asked instead="The last hour is shown." />
        <Transition fallback=|| view! { <Skeleton what="the API budget" /> }>
            {move || Suspend::new(async move {
                match first.await {
                    Ok(budget) => {
                        live.refresh().set_every(pace_of(budget.range));
                        live.start_with(budget);
                        view! { <Budget live /> }.into_any()
                    }
                    Err(error) => view! { <Failure error /> }.into_any(),
                }
            })}
        </Transition>
    }
}

/// The page as a part of its own.
#[cfg(feature = "split")]
pub struct BudgetPart;

#[cfg(feature = "split")]
#[leptos_router::lazy_route]
impl leptos_router::LazyRoute for BudgetPart {
    fn data() -> Self {
        Self
    }

    fn view(_part: Self) -> AnyView {
        view! { <BudgetPage /> }.into_any()
    }
}

#[component]
fn Budget(live: Live<ApiBudget>) -> impl IntoView {
    view! {
        <PageHead title="API budget" note="How many calls Neon allows, and who makes them: all replicas together.">
            <Freshness as_of=Signal::derive(move || live.with(|budget| budget.as_of)) refresh=live.refresh() />
        </PageHead>
        <div class="flex flex-col gap-4">
            {move || live.with(|budget| view! { <Trouble budget=budget.clone() /> })}
            {move || live.with(|budget| view! { <Gauges buckets=budget.buckets.clone() replicas=budget.replicas /> })}
            <Panel title="Running work" flush=true>
                {move || live.with(|budget| view! { <Jobs jobs=budget.jobs.clone() /> })}
            </Panel>
            <Past live />
            <Panel title="By class" flush=true class="min-w-0">
                {move || live.with(|budget| view! { <Classes classes=budget.classes.clone() /> })}
            </Panel>
            <Panel title="By route" flush=true class="min-w-0">
                {move || live.with(|budget| view! { <Routes routes=budget.routes.clone() /> })}
            </Panel>
        </div>
    }
}

#[component]
fn Gauges(buckets: Vec<BucketUse>, replicas: i64) -> impl IntoView {
    let gauges = buckets.into_iter().map(|bucket| view! { <Gauge bucket /> }).collect_view();
    let reported = match replicas {
        0 => String::from("No replica has reported in the last 10 seconds, so nothing is counted here."),
        1 => String::from("Reported by 1 replica."),
        n => format!("Reported by {n} replicas."),
    };
    view! {
        <div class="grid gap-3 md:grid-cols-2 2xl:gap-4">{gauges}</div>
        <p class="-mt-2 text-xs text-muted">{reported}</p>
    }
}

/// Calls of the last 60 seconds against what Neon allows in 60 seconds.
#[component]
fn Gauge(bucket: BucketUse) -> impl IntoView {
    let name = match bucket.name.as_str() {
        "consumption" => "Calls for usage history",
        _ => "Calls to Neon",
    };
    let limit = f64::from(bucket.limit_per_minute);
    // To use all of it is no trouble; to be refused is.
    let tone = if bucket.pause.is_some() { Tone::Warning } else { Tone::Accent };
    let reserve = match bucket.reserve {
        0 => String::new(),
        reserve => format!(", {reserve} of them kept for urgent calls"),
    };
    view! {
        <section class="panel p-4" aria-label=name>
            <h2 class="text-sm text-muted">{name}</h2>
            <p class="mt-1 flex flex-wrap items-baseline gap-x-2 tabular-nums">
                <span class="text-2xl font-semibold tracking-tight">{grouped(bucket.last_minute)}</span>
                <span class="text-sm text-muted">{format!("of {} in the last 60 s", grouped(bucket.limit_per_minute.into()))}</span>
            </p>
            <div class="mt-2">
                <Meter used=bucket.last_minute as f64 limit=Some(limit) tone label=format!("{name} in the last 60 seconds") />
            </div>
            <p class="mt-2 text-xs text-muted">
                {format!("{} waiting · paced at {:.0} a minute, {} at once after a rest{reserve}", grouped(bucket.waiting), bucket.rate_per_minute, bucket.burst)}
            </p>
        </section>
    }
}
