//! The breaker of a pool: that it is open, since when and until when, and what Neon said each time.

use leptos::prelude::*;

use crate::components::{Badge, Glyph, Icon, Panel, Timestamp, Tone};
use crate::pages::{history::short, path, user_text::UserText};
use fleet_types::{BreakerTrip, RefusedCreation, Time, grouped};

/// While it is open.
#[component]
pub fn BreakerNotice(trip: Option<BreakerTrip>, as_of: Time) -> impl IntoView {
    let trip = trip.filter(|trip| trip.closed_at.is_none())?;
    let error = trip.evidence.last().map(|failure| failure.error.clone()).unwrap_or_default();
    let next = match trip.until > as_of {
        true => view! { "one is tried again " <Timestamp at=trip.until /> }.into_any(),
        false => view! { "the next one finds out whether it works again" }.into_any(),
    };
    Some(view! {
        <div class="notice notice-error">
            <Icon glyph=Glyph::Block class="size-5 shrink-0" />
            <p class="text-sm break-words">
                {format!("{} failures in a row, so nothing has been created since ", grouped(trip.failures.into()))} <Timestamp at=trip.opened_at /> "; "
                {next} {format!(". The last failure: {error} Resuming the pool tries one now; if it succeeds, creation goes on.")}
            </p>
        </div>
    })
}

/// The last trip with its evidence, open or not.
#[component]
pub fn BreakerPanel(trip: Option<BreakerTrip>) -> impl IntoView {
    let trip = trip?;
    let badge = match (trip.closed_at, trip.closed_by.as_deref()) {
        (None, _) => (Tone::Bad, Glyph::Block, "open"),
        (Some(_), Some("operator")) => (Tone::Neutral, Glyph::User, "closed by an operator"),
        (Some(_), _) => (Tone::Good, Glyph::Check, "closed: a try succeeded"),
    };
    let aside = move || view! { <Badge tone=badge.0 glyph=badge.1 text=badge.2 /> };
    let failures = trip.evidence.into_iter().rev().map(|failure| view! { <Failure failure /> }).collect_view();
    Some(view! {
        <Panel title="Creation breaker" aside=ViewFn::from(aside) flush=true>
            <p class="border-b border-base-300 px-4 py-2.5 text-sm">
                "Opened " <Timestamp at=trip.opened_at />
                {trip.closed_at.map(|at| view! { ", closed " <Timestamp at /> })}
                {format!(", after {} failures in a row. What went wrong, newest first:", grouped(trip.failures.into()))}
            </p>
            <ul class="divide-y divide-base-300">{failures}</ul>
        </Panel>
    })
}

#[component]
fn Failure(failure: RefusedCreation) -> impl IntoView {
    let project = match failure.project_id {
        Some(id) => format!("{} ({id})", failure.project_name),
        None => failure.project_name,
    };
    let request = failure.request_id.map(|id| format!(" · Neon's request {id}")).unwrap_or_default();
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
            <p class="break-words">{failure.step.as_str()} ": " <UserText text=failure.error /></p>
            <p class="text-xs break-words text-muted"><UserText text=format!("{project}{request}") /></p>
        </li>
    }
}
