//! The owner's plan, where this database differs from it, and the ways back and on.

use leptos::{form::ActionForm, prelude::*};

use super::actions::{Actions, BACK_TO_PLAN, PLAN};
use crate::components::{Decision, Dialog, Glyph, Live, OpenDialog, SelectField, Timestamp};
use crate::pages::{session, user_text::UserText};
use fleet_types::{DatabaseDetail, Override, Permission, limit_text};

/// Under the quotas: what somebody wanted to be different here.
#[component]
pub fn Overrides(overrides: Vec<Override>) -> impl IntoView {
    if overrides.is_empty() {
        return ().into_any();
    }
    let why_not = session::why_not(Permission::ManageDatabases);
    let lines = overrides.into_iter().map(|found| view! { <OverrideLine found /> }).collect_view();
    view! {
        <div class="mt-4 border-t border-base-300 pt-3">
            <p class="flex flex-wrap items-center justify-between gap-2 text-sm font-medium">
                "Differs from the plan" <OpenDialog dialog=BACK_TO_PLAN text="Back to the plan" glyph=Glyph::ChevronLeft why_not />
            </p>
            <ul class="mt-1 flex flex-col gap-1.5 text-sm">{lines}</ul>
        </div>
    }
    .into_any()
}

#[component]
fn OverrideLine(found: Override) -> impl IntoView {
    let (value, of_plan) = (value_text(&found.field, found.value), value_text(&found.field, found.plan_value));
    view! {
        <li>
            {format!("{}: {value} instead of {of_plan}", name(&found.field))}
            {match found.until {
                Some(at) => view! { ", until " <Timestamp at /> }.into_any(),
                None => view! { ", for good" }.into_any(),
            }}
            <span class="block text-xs text-muted">
                <UserText text=found.actor /> ", " <Timestamp at=found.set_at />
                {found.reason.map(|reason| view! { ": “" <UserText text=reason /> "”" })}
            </span>
        </li>
    }
}

/// A limit of this name for people; or a suspend timeout.
fn value_text(field: &str, value: Option<i64>) -> String {
    match (field, value) {
        ("suspend_timeout_seconds", Some(0)) => String::from("Neon's default"),
        ("suspend_timeout_seconds", Some(-1)) => String::from("never"),
        ("suspend_timeout_seconds", None) => String::from("what the pool's template says"),
        (_, limit) => limit_text(field, limit),
    }
}

fn name(field: &str) -> &'static str {
    match field {
        "logical_size_bytes" => "Storage",
        "active_time_seconds" => "Active time",
        "compute_time_seconds" => "Compute time",
        "written_data_bytes" => "Written data",
        "data_transfer_bytes" => "Data transfer",
        _ => "Suspend timeout",
    }
}

#[component]
pub fn PlanDialogs(live: Live<DatabaseDetail>, actions: Actions) -> impl IntoView {
    let refusal = actions.answers.refusal;
    let about = move || ("id", actions.id.to_string());
    let plans = live.with_untracked(|detail| detail.plans.clone()).unwrap_or_default();
    let plans = plans.into_iter().map(|name| (name.clone(), name)).collect();
    let fields = move || {
        let overrides = live.with(|detail| detail.overrides.clone()).unwrap_or_default();
        overrides.into_iter().map(|found| (found.field.clone(), name(&found.field).to_owned())).collect::<Vec<_>>()
    };
    view! {
        <Dialog id=PLAN refusal title="Change the owner's plan">
            <ActionForm action=actions.change_plan>
                <Decision dialog=PLAN about=about() button="Change plan" pending=actions.change_plan.pending()>
                    <SelectField name="plan" id="owner-plan" label="Plan" options=plans value=actions.plan />
                    <p class="text-sm">
                        "All databases of this owner get the quotas and compute settings of the plan. What differs from the plan on purpose stays. What is used already beyond a new quota blocks the database at once."
                    </p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=BACK_TO_PLAN refusal title="Back to the plan">
            <ActionForm action=actions.end_override>
                <Decision dialog=BACK_TO_PLAN about=about() button="Back to the plan" pending=actions.end_override.pending()>
                    {move || view! { <SelectField name="field" id="override-field" label="What goes back" options=fields() value=actions.field /> }}
                    <p class="text-sm">"The plan's value holds again. What is used already beyond it blocks the database at once."</p>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}
