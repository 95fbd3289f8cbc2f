//! A pool in one line: available against target, cover, and its trouble in words.

use leptos::prelude::*;

use crate::components::{Badge, Glyph, Meter, Tone};
use crate::pages::figures::hours_text;
use crate::pages::path;
use fleet_types::{PoolRange, PoolSummary, grouped};

#[component]
pub fn PoolStrip(pool: PoolSummary) -> impl IntoView {
    let fill = fill_tone(&pool);
    let cover = pool.hours_of_cover.map_or_else(|| String::from("–"), hours_text);
    view! {
        <a class="row-link block border-b border-base-300 px-4 py-3 last:border-b-0" href=path::pool(&pool.name, PoolRange::default())>
            <div class="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
                <span class="flex flex-wrap items-center gap-2">
                    <span class="font-medium">{pool.name.clone()}</span>
                    {pool.is_default.then(|| view! { <Badge tone=Tone::Neutral text="default" /> })}
                    <PoolBadges pool=pool.clone() />
                </span>
                <span class="text-xs text-muted">{format!("{} · Postgres {} · {}", pool.region, pool.pg_version, compute(pool.min_cu, pool.max_cu))}</span>
            </div>
            <div class="mt-2 grid grid-cols-2 items-center gap-x-6 gap-y-1.5 sm:grid-cols-[minmax(8rem,1fr)_repeat(4,minmax(5.5rem,auto))] sm:gap-x-4">
                <div class="col-span-2 flex flex-col gap-1 sm:col-span-1">
                    <span class="text-sm tabular-nums">
                        <span class="font-semibold">{grouped(pool.available)}</span>
                        <span class="text-muted">{format!(" of {} available", grouped(pool.target.into()))}</span>
                    </span>
                    <Meter used=pool.available as f64 limit=Some(f64::from(pool.target)) tone=fill label="Available, of the target" />
                </div>
                <Number name="In flight" value=grouped(pool.in_flight) />
                <Number name="Cover" value=cover />
                <Number name="Claims, last hour" value=grouped(pool.claims_last_hour) />
                <Number name="Claimed" value=grouped(pool.claimed) />
            </div>
        </a>
    }
}

#[component]
fn Number(name: &'static str, #[prop(into)] value: String) -> impl IntoView {
    view! {
        <span class="flex items-baseline justify-between gap-2 leading-tight sm:flex-col sm:items-stretch sm:gap-0 sm:text-right">
            <span class="text-xs text-muted">{name}</span>
            <span class="text-sm font-medium tabular-nums">{value}</span>
        </span>
    }
}

/// What keeps a pool from being full, if anything.
#[component]
pub fn PoolBadges(pool: PoolSummary) -> impl IntoView {
    view! {
        {pool.paused_at.is_some().then(|| view! { <Badge tone=Tone::Warning glyph=Glyph::Pause text="paused" title=pool.paused_reason.clone().unwrap_or_default() /> })}
        {pool.breaker_until.is_some().then(|| view! { <Badge tone=Tone::Bad glyph=Glyph::Block text="creation stopped" title=pool.breaker_error.clone().unwrap_or_default() /> })}
        {(pool.waiting > 0).then(|| view! { <Badge tone=Tone::Bad glyph=Glyph::Clock text=format!("{} waiting", grouped(pool.waiting)) /> })}
        {(pool.available == 0 && pool.target > 0).then(|| view! { <Badge tone=Tone::Bad glyph=Glyph::Alert text="empty" /> })}
    }
}

/// How full a pool is, as a tone.
pub fn fill_tone(pool: &PoolSummary) -> Tone {
    match (pool.available, i64::from(pool.target)) {
        (_, 0) => Tone::Neutral,
        (0, _) => Tone::Bad,
        (available, target) if available * 2 < target => Tone::Warning,
        _ => Tone::Good,
    }
}

/// `0.25 CU`, `0.25–2 CU`.
pub fn compute(min: f64, max: f64) -> String {
    if min == max { format!("{min} CU") } else { format!("{min}–{max} CU") }
}
