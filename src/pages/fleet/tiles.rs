//! The numbers of the fleet.

use leptos::prelude::*;

use crate::components::{Tile, Tone};
use crate::pages::figures::{cover_tone, hours_text};
use crate::pages::path;
use fleet_types::{
    Counted, DatabaseFilter, DatabaseSort, DatabaseState, FleetHealth, MOST_COUNTED, PagePosition, PoolSummary, bytes,
    grouped,
};

#[component]
pub fn Tiles(health: FleetHealth) -> impl IntoView {
    let claimed = count(&health, DatabaseState::Claimed);
    let failed = count(&health, DatabaseState::Failed);
    let cover = worst_cover(&health.pools);
    view! {
        <div class="grid grid-cols-2 gap-3 lg:grid-cols-4 2xl:gap-4">
            <CountedTile label="Claimed today" counted=health.claimed_today.clone() note=against_yesterday(&health) tone=Tone::Neutral />
            <ClaimTimeTile health=health.clone() />
            <Tile
                label="Hours of cover"
                value=cover.map_or_else(|| String::from("–"), |(_, hours)| hours_text(hours))
                note=Some(cover.map_or_else(|| String::from("no claims in the last hour"), |(pool, _)| format!("in pool {}, if Neon stops now", pool.name)))
                href=Some(String::from(path::POOLS))
                tone=cover_tone(cover.map(|(_, hours)| hours))
            />
            <Tile
                label="Claimed"
                value=grouped(claimed)
                note=Some(format!("{} active, {} scaled to zero", grouped(health.active), grouped((claimed - health.active).max(0))))
                href=Some(path::databases_in(DatabaseState::Claimed))
            />
            <CountedTile
                label="Blocked now"
                tone=at_most_none(health.blocked.count, Tone::Bad)
                counted=health.blocked.clone()
                note="a quota is used up or the endpoint is off"
            />
            <CountedTile
                label="Near the storage quota"
                tone=at_most_none(health.near_quota.count, Tone::Warning)
                counted=health.near_quota.clone()
                note=near_quota_note(health.never_measured)
            />
            <Tile
                label="Data and history"
                value=health.synthetic_size_bytes.map_or_else(|| String::from("–"), bytes)
                note=Some(size_note(health.synthetic_size_bytes, claimed + count(&health, DatabaseState::Available)))
                href=Some(list(|filter| filter.sort = DatabaseSort::Size))
            />
            <Tile
                label="Failed creations"
                value=grouped(failed)
                note=Some(String::from("replaced, and never handed out"))
                href=Some(path::databases_in(DatabaseState::Failed))
                tone=at_most_none(failed, Tone::Warning)
            />
        </div>
    }
}

/// A number of databases, linked to the table of just those.
#[component]
fn CountedTile(label: &'static str, counted: Counted, #[prop(into)] note: String, tone: Tone) -> impl IntoView {
    let href = path::databases(&counted.filter, &PagePosition::First);
    view! { <Tile label value=grouped(counted.count) note=Some(note) href=Some(href) tone /> }
}

#[component]
fn ClaimTimeTile(health: FleetHealth) -> impl IntoView {
    let warm = health.warm_percent.map(|percent| format!(" · {percent:.0} % from the pool")).unwrap_or_default();
    let (value, note) = match health.claim_time {
        Some(time) => (
            milliseconds(time.p50_ms),
            format!("median; p95 {}, p99 {}{warm}", milliseconds(time.p95_ms), milliseconds(time.p99_ms)),
        ),
        None => (String::from("–"), String::from("no claims in the last 24 hours")),
    };
    view! { <Tile label="Time to claim" value note=Some(note) href=None /> }
}

fn count(health: &FleetHealth, state: DatabaseState) -> i64 {
    health.states.iter().find(|(s, _)| *s == state).map_or(0, |(_, count)| *count)
}

fn near_quota_note(never_measured: i64) -> String {
    let rest = match never_measured {
        0 => String::new(),
        1.. if never_measured >= MOST_COUNTED => format!("; {} or more not measured yet", grouped(never_measured)),
        _ => format!("; {} not measured yet", grouped(never_measured)),
    };
    format!("80 % or more used, full ones included{rest}")
}

fn size_note(all: Option<i64>, databases: i64) -> String {
    match all {
        Some(all) => format!("as billed; {} on average per database", bytes(all / databases.max(1))),
        None => String::from("not known before the first sweep"),
    }
}

/// The pool that would be empty first.
fn worst_cover(pools: &[PoolSummary]) -> Option<(&PoolSummary, f64)> {
    pools.iter().filter_map(|pool| Some((pool, pool.hours_of_cover?))).min_by(|(_, a), (_, b)| a.total_cmp(b))
}

fn against_yesterday(health: &FleetHealth) -> String {
    let (today, yesterday) = (health.claimed_today.count, health.claimed_yesterday_by_now);
    match yesterday {
        0 => String::from("none yesterday by this hour"),
        _ => {
            let percent = (today - yesterday) as f64 * 100.0 / yesterday as f64;
            format!("{percent:+.0} % against {} yesterday by this hour", grouped(yesterday))
        }
    }
}

fn list(narrow: impl FnOnce(&mut DatabaseFilter)) -> String {
    let mut filter = DatabaseFilter::default();
    narrow(&mut filter);
    path::databases(&filter, &PagePosition::First)
}

/// Good when there is none.
fn at_most_none(count: i64, otherwise: Tone) -> Tone {
    if count > 0 { otherwise } else { Tone::Good }
}

/// Upper bounds of buckets: `≤ 4 ms`.
fn milliseconds(ms: f64) -> String {
    if ms >= 1000.0 { format!("≤ {:.1} s", ms / 1000.0) } else { format!("≤ {ms} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_measured_is_not_counted_as_fine() {
        assert_eq!(near_quota_note(0), "80 % or more used, full ones included");
        assert_eq!(near_quota_note(12), "80 % or more used, full ones included; 12 not measured yet");
        assert_eq!(size_note(None, 4), "not known before the first sweep");
    }
}
