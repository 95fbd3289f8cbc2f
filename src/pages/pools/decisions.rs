//! What the policy decided, why, and from what.

use leptos::prelude::*;

use crate::components::{EmptyState, Glyph, Icon, Table, Timestamp, Tone};
use crate::pages::figures::hours_text;
use fleet_types::{SizingDecision, SizingInputs, grouped};

/// Newest first.
#[component]
pub fn Decisions(decisions: Vec<SizingDecision>) -> impl IntoView {
    if decisions.is_empty() {
        return view! {
            <EmptyState glyph=Glyph::Check title="Nothing has been decided">
                "Each change of the target by a policy stands here with its reason and what it was decided from."
            </EmptyState>
        }
        .into_any();
    }
    let head = view! {
        <th scope="col">"When"</th>
        <th scope="col" class="text-right">
            "Target"
        </th>
        <th scope="col">"Why"</th>
        <th scope="col">"Decided from"</th>
    };
    let rows = decisions.into_iter().map(|decision| view! { <Row decision /> }).collect_view();
    view! {
        <Table label="Decisions of the policy" cards=true head=head.into_any()>
            {rows}
        </Table>
    }
    .into_any()
}

#[component]
fn Row(decision: SizingDecision) -> impl IntoView {
    let (tone, glyph) = match decision.after.cmp(&decision.before) {
        std::cmp::Ordering::Equal if decision.after == decision.wanted => (Tone::Neutral, Glyph::Check),
        std::cmp::Ordering::Equal => (Tone::Neutral, Glyph::Clock),
        _ => (Tone::Accent, Glyph::ArrowRight),
    };
    let target = match decision.after == decision.before {
        true => grouped(decision.after.into()),
        false => format!("{} → {}", grouped(decision.before.into()), grouped(decision.after.into())),
    };
    let again = (decision.last_checked_at - decision.at).num_seconds() >= 60;
    view! {
        <tr>
            <td data-label="When" class="align-top whitespace-nowrap">
                <span class="inline-block">
                    <Timestamp at=decision.at />
                    {again
                        .then(|| {
                            view! {
                                <span class="block text-xs text-muted">
                                    "the same until " <Timestamp at=decision.last_checked_at />
                                </span>
                            }
                        })}
                </span>
            </td>
            <td data-label="Target" class="text-right align-top font-medium whitespace-nowrap tabular-nums">
                <span class="inline-flex items-center gap-1.5">
                    <span class=tone.text()>
                        <Icon glyph class="size-3.5" />
                    </span>
                    {target}
                </span>
            </td>
            <td data-label="Why" class="text-cell min-w-64 align-top break-words">
                {decision.reason}
            </td>
            <td data-label="Decided from" class="text-cell min-w-48 align-top text-xs text-muted tabular-nums">
                {decision.inputs.map(|inputs| inputs_text(&inputs))}
            </td>
        </tr>
    }
}

/// `120 available (2 h of cover), 4 in flight; claims an hour: 60 now, 96 p95, 140 at worst`.
fn inputs_text(inputs: &SizingInputs) -> String {
    let cover = inputs.cover_hours.map(|hours| format!(" ({} of cover)", hours_text(hours))).unwrap_or_default();
    let rate = |rate: f64| grouped(rate.round() as i64);
    format!(
        "{} available{cover}, {} in flight; claims an hour: {} now, {} p95, {} at worst",
        grouped(inputs.available),
        grouped(inputs.in_flight),
        rate(inputs.rates.current),
        rate(inputs.rates.p95),
        rate(inputs.rates.worst)
    )
}
