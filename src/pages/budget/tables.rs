//! Who uses the budget: by class with its share, and by route with how it answers.

use leptos::prelude::*;

use crate::components::{EmptyState, Glyph, Table};
use fleet_types::{CALL_TIME_BOUNDS_MS, CallSum, ClassUse, RouteUse, grouped};

/// A class in words.
pub fn class_name(class: &str) -> &'static str {
    match class {
        "waiting_claim" => "Waiting claims",
        "support" => "Support",
        "refill" => "Refill",
        "apply" => "Apply",
        "sync" => "Sync",
        "reconcile" => "Reconcile",
        "bulk" => "Bulk changes",
        _ => "Other",
    }
}

#[component]
pub fn Classes(classes: Vec<ClassUse>) -> impl IntoView {
    let rows = classes.into_iter().map(|class| view! { <Class class /> }).collect_view();
    let head = view! {
        <th scope="col">"Class"</th>
        <th scope="col">"Share"</th>
        <th scope="col" class="text-right">"Waiting"</th>
        <th scope="col" class="text-right">"Last 60 s"</th>
        <th scope="col" class="text-right">"Last hour"</th>
        <th scope="col" class="text-right">"429"</th>
        <th scope="col" class="text-right">"Failed"</th>
    };
    view! {
        <Table label="Calls by class" cards=true numbers=true head=head.into_any()>
            {rows}
        </Table>
        <p class="border-t border-base-300 px-4 py-2 text-xs text-muted">
            "Urgent classes go first. The others share what is left when all of them wait; what one does not use goes to the rest."
        </p>
    }
}

#[component]
fn Class(class: ClassUse) -> impl IntoView {
    let share = match class.is_urgent {
        true => String::from("first"),
        false => format!("{:.0} %", class.share_percent),
    };
    let sum = class.last_hour;
    view! {
        <tr>
            <td class="font-medium whitespace-nowrap">{class_name(&class.name)}</td>
            <td data-label="Share" class="whitespace-nowrap tabular-nums">{share}</td>
            <td data-label="Waiting" class="text-right tabular-nums">{grouped(class.waiting)}</td>
            <td data-label="Last 60 s" class="text-right tabular-nums">{grouped(class.last_minute)}</td>
            <td data-label="Last hour" class="text-right tabular-nums">{sent(sum)}</td>
            <td data-label="429" class="text-right tabular-nums">{grouped(sum.limited)}</td>
            <td data-label="Failed" class="text-right tabular-nums">{grouped(sum.failed)}</td>
        </tr>
    }
}

#[component]
pub fn Routes(routes: Vec<RouteUse>) -> impl IntoView {
    if routes.is_empty() {
        return view! {
            <EmptyState glyph=Glyph::Gauge title="No call in the last hour">
                "Each route of Neon's API that is called appears here. If none is called for long, no process with the engine is running."
            </EmptyState>
        }
        .into_any();
    }
    let rows = routes.into_iter().map(|route| view! { <Route route /> }).collect_view();
    let head = view! {
        <th scope="col">"Route"</th>
        <th scope="col" class="text-right">"Last hour"</th>
        <th scope="col" class="text-right">"429"</th>
        <th scope="col" class="text-right">"Failed"</th>
        <th scope="col" class="text-right">"Half within"</th>
        <th scope="col" class="text-right">"95 % within"</th>
    };
    view! {
        <Table label="Calls by route" cards=true numbers=true head=head.into_any()>
            {rows}
        </Table>
        <p class="border-t border-base-300 px-4 py-2 text-xs text-muted">
            "Failed: 5xx, no answer, or one that could not be read. Times run from sending to the end of the answer, as upper bounds."
        </p>
    }
    .into_any()
}

#[component]
fn Route(route: RouteUse) -> impl IntoView {
    let sum = route.last_hour;
    view! {
        <tr>
            <td>
                <code class="text-xs">
                    {route.route.split_inclusive('/').map(|part| view! { {part.to_owned()} <wbr /> }).collect_view()}
                </code>
            </td>
            <td data-label="Last hour" class="text-right tabular-nums">{sent(sum)}</td>
            <td data-label="429" class="text-right tabular-nums">{grouped(sum.limited)}</td>
            <td data-label="Failed" class="text-right tabular-nums">{grouped(sum.failed)}</td>
            <td data-label="Half within" class="text-right whitespace-nowrap tabular-nums">{within(route.p50_ms, sum)}</td>
            <td data-label="95 % within" class="text-right whitespace-nowrap tabular-nums">{within(route.p95_ms, sum)}</td>
        </tr>
    }
}

/// Calls made, and how many were held back.
fn sent(sum: CallSum) -> String {
    match sum.held_back {
        0 => grouped(sum.sent),
        held => format!("{} (+{} held back)", grouped(sum.sent), grouped(held)),
    }
}

/// `250 ms`, `2.5 s`, `> 30 s`.
fn within(bound_ms: Option<u32>, sum: CallSum) -> String {
    let text = |ms: u32| if ms < 1_000 { format!("{ms} ms") } else { format!("{} s", f64::from(ms) / 1_000.0) };
    match bound_ms {
        Some(ms) => text(ms),
        None if sum.sent == 0 => String::from("–"),
        None => format!("> {}", text(CALL_TIME_BOUNDS_MS[CALL_TIME_BOUNDS_MS.len() - 1])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_for_people() {
        let some = CallSum { sent: 1, ..CallSum::default() };
        assert_eq!((within(Some(250), some).as_str(), within(Some(2_500), some).as_str()), ("250 ms", "2.5 s"));
        assert_eq!((within(None, some).as_str(), within(None, CallSum::default()).as_str()), ("> 30 s", "–"));
    }
}
