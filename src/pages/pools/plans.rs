//! The plans, who has them, and how far a changed one has come.

use leptos::prelude::*;

use super::roll_outs::{RollOutButtons, RollOutDialogs};
use crate::components::{EmptyState, Glyph, Live, Panel, Skeleton, Table, Timestamp};
use crate::pages::{failure::Failure, path, user_text::UserText};
use crate::rpc::plans::plans;
use fleet_types::{Plan, PlanRollOut, RollOutState, grouped, limit_text};

#[component]
pub fn PlansPanel() -> impl IntoView {
    let live = Live::<Vec<Plan>>::new(5);
    let first = Resource::new(|| (), |()| plans());
    live.keep_asking(plans);
    view! {
        <Panel title="Plans" flush=true class="mt-4" aside=move || view! { <RollOutButtons live /> }>
            <Transition fallback=|| view! { <Skeleton what="the plans" /> }>
                {move || Suspend::new(async move {
                    match first.await {
                        Ok(plans) => {
                            live.start_with(plans);
                            view! { {move || live.with(|plans| view! { <Plans plans=plans.clone() /> })} }.into_any()
                        }
                        Err(error) => view! { <Failure error /> }.into_any(),
                    }
                })}
            </Transition>
        </Panel>
        <RollOutDialogs live />
    }
}

#[component]
fn Plans(plans: Vec<Plan>) -> impl IntoView {
    if plans.is_empty() {
        return view! {
            <EmptyState glyph=Glyph::Layers title="There is no plan yet">
                "A plan says what owners are given. Make one: flotilla plan create, or POST /api/v1/plans."
            </EmptyState>
        }
        .into_any();
    }
    let head = view! {
        <th scope="col">"Plan"</th>
        <th scope="col">"Version"</th>
        <th scope="col">"Storage"</th>
        <th scope="col">"Active time"</th>
        <th scope="col">"Compute time"</th>
        <th scope="col">"Databases"</th>
        <th scope="col">"Latest change"</th>
    };
    let rows = plans.into_iter().map(|plan| view! { <PlanRow plan /> }).collect_view();
    view! {
        <Table label="What each plan gives" cards=true head=head.into_any()>
            {rows}
        </Table>
    }
    .into_any()
}

#[component]
fn PlanRow(plan: Plan) -> impl IntoView {
    let [storage, active_time, compute_time, ..] =
        plan.terms.quota.limits().map(|(name, limit)| limit_text(name, limit));
    let members = path::databases_of_plan(&plan.name);
    view! {
        <tr>
            <td class="font-medium">
                {plan.name} " " <span class="font-normal text-muted"><UserText text=plan.terms.label /></span>
            </td>
            <td data-label="Version" class="tabular-nums">{plan.version}</td>
            <td data-label="Storage" class="whitespace-nowrap tabular-nums">{storage}</td>
            <td data-label="Active time" class="whitespace-nowrap tabular-nums">{active_time}</td>
            <td data-label="Compute time" class="whitespace-nowrap tabular-nums">{compute_time}</td>
            <td data-label="Databases"><a class="text-link" href=members>"Show"</a></td>
            <td data-label="Latest change">
                {match plan.roll_out {
                    Some(roll_out) => view! { <RollOut roll_out /> }.into_any(),
                    None => view! { <Timestamp at=plan.changed_at /> }.into_any(),
                }}
            </td>
        </tr>
    }
}

#[component]
fn RollOut(roll_out: PlanRollOut) -> impl IntoView {
    let stopped = match (&roll_out.stopped_by, &roll_out.stopped_reason) {
        (Some(by), Some(reason)) => Some(format!("Stopped by {by}: “{reason}”")),
        (Some(by), None) => Some(format!("Stopped by {by}.")),
        _ => None,
    };
    let at = roll_out.ended_at.unwrap_or(roll_out.began_at);
    let words = match roll_out.state {
        RollOutState::Done => format!("reached {} databases", grouped(roll_out.done)),
        _ => roll_out.in_words(),
    };
    view! {
        {words} " " <span class="text-xs text-muted"><Timestamp at /></span>
        {stopped.map(|text| view! { <p class="text-xs text-muted"><UserText text /></p> })}
    }
}
