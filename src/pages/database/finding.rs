//! What the comparison with Neon's list has found about a database. A project that is gone, or back, is the whole answer to how the database is: it stands
//! in place of the verdict, with the way out of it. Other findings stand beside the verdict.

use leptos::prelude::*;

use crate::components::{Icon, Timestamp, Tone, utc_text};
use crate::pages::problems::Buttons;
use crate::pages::{look, path};
use fleet_types::{DatabaseDetail, DatabaseState, Finding, FindingAction, FindingKind, FindingStatus, Time};

/// The finding beside which no other verdict is true.
pub fn decisive(detail: &DatabaseDetail) -> Option<Finding> {
    detail.finding.clone().filter(|finding| matches!(finding.kind, FindingKind::Ghost | FindingKind::Zombie))
}

/// In one sentence, as sure as it is.
fn sentence(finding: &Finding, state: DatabaseState) -> &'static str {
    match (finding.kind, finding.status) {
        (FindingKind::Zombie, _) => "It is deleted here, but its project lives on Neon.",
        (_, FindingStatus::Suspected) => "Its project is missing from Neon's latest list.",
        (_, FindingStatus::NeedsOperator) if state == DatabaseState::Claimed => {
            "Its project is gone from Neon: nobody can connect."
        }
        _ => "Its project is missing from Neon's lists: probably nobody can connect.",
    }
}

/// What has happened and what can be done, with the buttons that do it.
#[component]
pub fn Decisive(finding: Finding, state: DatabaseState) -> impl IntoView {
    let tone = match finding.status {
        FindingStatus::Suspected => Tone::Warning,
        _ => look::of_kind(finding.kind).tone,
    };
    let is_lost = finding.kind == FindingKind::Ghost && finding.status == FindingStatus::NeedsOperator;
    let is_over = finding.recoverable_until.is_some_and(|until| until <= finding.as_of);
    let ways_out = finding
        .actions()
        .into_iter()
        .filter(|action| *action == FindingAction::TakeBack || *action == FindingAction::Recover && !is_over)
        .collect();
    view! {
        <div class=format!("{} items-start", tone.alert())>
            <Icon glyph=look::of_kind(finding.kind).glyph class="mt-0.5 size-5 shrink-0" />
            <div class="min-w-0 text-base-content">
                <p class="font-semibold">{sentence(&finding, state)}</p>
                <p class="text-sm break-words">
                    "Since " <Timestamp at=finding.first_seen_at /> ". "
                    {is_lost.then_some("Nobody here has released it. ")}
                    {is_over.then_some(GONE_FOR_GOOD)}
                    {(!is_over).then(|| finding.doing())}
                    {finding.next_at().map(|at| view! { " Due " <Timestamp at /> "." })}
                    {finding.recoverable_until.filter(|_| !is_over).map(until)}
                </p>
                <p class="mt-2 flex flex-wrap items-center gap-x-4 gap-y-2 text-sm">
                    <Buttons actions=ways_out />
                    <a class="text-link" href=path::finding(finding.id)>"Evidence and all that can be decided"</a>
                </p>
            </div>
        </div>
    }
}

const GONE_FOR_GOOD: &str = "Neon keeps a deleted project for 7 days, and they are over: it cannot be brought back. Release the database; its owner's next claim gets a new, empty one.";

fn until(at: Time) -> String {
    format!(" Neon can bring it back, with its data and its connection strings, until {}.", utc_text(at))
}

/// A finding beside the verdict.
#[component]
pub fn Found(finding: Finding) -> impl IntoView {
    let tone = match finding.status {
        FindingStatus::Suspected => Tone::Neutral,
        _ => look::of_kind(finding.kind).tone,
    };
    view! {
        <div class=format!("{} items-start", tone.alert())>
            <Icon glyph=look::of_kind(finding.kind).glyph class="mt-0.5 size-5 shrink-0" />
            <div class="min-w-0 text-base-content">
                <p class="font-semibold">
                    <a class="link link-hover" href=path::finding(finding.id)>{finding.kind.meaning()}</a>
                </p>
                <p class="text-sm break-words">
                    "Since " <Timestamp at=finding.first_seen_at /> ". " {finding.doing()}
                    {finding.next_at().map(|at| view! { " Due " <Timestamp at /> "." })}
                </p>
            </div>
        </div>
    }
}
