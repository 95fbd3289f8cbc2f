//! What the policy in the form would have done on the pool's recorded past, beside what is in force.

use leptos::prelude::*;

use crate::components::{EmptyState, Glyph, Icon, Panel, Table, Timestamp, Tone};
use crate::pages::figures::hours_text;
use fleet_types::{Comparison, PolicyTrial, Simulation, duration, grouped};

#[component]
pub fn Trial(trial: PolicyTrial) -> impl IntoView {
    let as_of = trial.as_of;
    let aside = move || view! { <span class="text-xs text-muted">"As of " <Timestamp at=as_of /></span> };
    let content = match trial.outcome {
        Ok(comparison) => view! { <Outcome comparison has_policy=trial.has_policy target=trial.target /> }.into_any(),
        Err(why) => view! { <EmptyState glyph=Glyph::Info title="Not tried">{why}</EmptyState> }.into_any(),
    };
    view! {
        <Panel title="On this pool's past" aside=ViewFn::from(aside)>
            {content}
        </Panel>
    }
}

#[component]
fn Outcome(comparison: Comparison, has_policy: bool, target: i32) -> impl IntoView {
    let (tone, glyph) = match comparison.proposed.dry.cmp(&comparison.in_force.dry) {
        _ if comparison.proposed.dry == 0 => (Tone::Good, Glyph::Check),
        std::cmp::Ordering::Less => (Tone::Warning, Glyph::Alert),
        _ => (Tone::Bad, Glyph::Alert),
    };
    let Comparison { from, hours, refill, proposed, in_force, wanted_now } = comparison;
    let head = view! {
        <th scope="col">"What"</th>
        <th scope="col" class="text-right">
            "This policy"
        </th>
        <th scope="col" class="text-right">
            {if has_policy { "The one in force" } else { "The target in force" }}
        </th>
    };
    view! {
        <div class="flex flex-col gap-4">
            <p class="flex items-start gap-2 text-base font-medium" role="status">
                <span class=format!("mt-1 shrink-0 {}", tone.text())>
                    <Icon glyph />
                </span>
                {comparison.sentence(has_policy, target)}
            </p>
            <Table label="This policy and what is in force, on the recorded past" head=head.into_any()>
                {rows(&proposed, &in_force)}
            </Table>
            <p class="text-sm">
                {format!("Right now it asks for {}; the target is {}.", grouped(wanted_now.into()), grouped(target.into()))}
            </p>
            <p class="text-xs text-muted">
                {format!("Replayed minute by minute: {} claims in {} since ", grouped(proposed.claims as i64), duration(i64::from(hours) * 3_600))}
                <Timestamp at=from />
                {format!(
                    ". A new database is supposed to take {:.0} s, as 95 in 100 of this pool did or better, and at most {:.0} arrive a minute. Nothing is created where the breaker was open or every creation of an hour failed.",
                    refill.latency_seconds.ceil(),
                    refill.per_minute.floor(),
                )}
            </p>
        </div>
    }
}

/// What is compared, and how it is written.
type Measure = (&'static str, fn(&Simulation) -> String);

const MEASURES: [Measure; 8] = [
    ("Ran dry", |result| times(result.dry)),
    ("Minutes dry", |result| grouped(result.dry_minutes.into())),
    ("Claims that waited", |result| grouped(result.waited as i64)),
    ("Fewest available", |result| grouped(result.lowest)),
    ("Hours below the new floor", |result| format!("{:.1}", result.hours_below_floor)),
    ("Shortest cover, had Neon stopped", |result| {
        result.shortest_cover_hours.map_or_else(|| String::from("longer than this"), hours_text)
    }),
    ("Available on average", |result| grouped(result.kept.round() as i64)),
    ("Largest target", |result| grouped(result.largest_target.into())),
];

fn rows(proposed: &Simulation, in_force: &Simulation) -> impl IntoView + use<> {
    let rows = MEASURES.map(|(name, write)| {
        view! {
            <tr>
                <th scope="row" class="font-normal">
                    {name}
                </th>
                <td class="text-right font-medium tabular-nums">{write(proposed)}</td>
                <td class="text-right tabular-nums">{write(in_force)}</td>
            </tr>
        }
    });
    rows.collect_view()
}

fn times(n: u32) -> String {
    match n {
        0 => String::from("never"),
        1 => String::from("once"),
        n => format!("{} times", grouped(n.into())),
    }
}
