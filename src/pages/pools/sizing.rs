//! How the pool finds its target, in words: its policy, or an operator's hand; and the peaks that are known beforehand.

use leptos::prelude::*;

use super::actions::{PoolActions, REMOVE_POLICY};
use super::schedules::{ScheduleButtons, Schedules};
use crate::components::{Fact, Glyph, Icon, Live, OpenDialog, Panel, Timestamp};
use crate::pages::{path, session};
use fleet_types::{Permission, PolicyDraft, PoolDetail, PoolSizing, PoolSummary, cover_text, duration, grouped};

#[component]
pub fn SizingPanel(live: Live<PoolDetail>, actions: PoolActions) -> impl IntoView {
    let why_not = session::why_not(Permission::ManagePools);
    let has_policy = Memo::new(move |_| live.with(|detail| detail.sizing.policy.is_some()).unwrap_or(false));
    let href = Memo::new(move |_| live.with(|detail| policy_href(&detail.summary, &detail.sizing)).unwrap_or_default());
    let aside = {
        let why_not = why_not.clone();
        move || {
            let why_not = why_not.clone();
            view! {
                <span class="flex flex-wrap gap-2">
                    {has_policy
                        .try_get()
                        .unwrap_or_default()
                        .then(|| view! { <OpenDialog dialog=REMOVE_POLICY text="Remove policy" glyph=Glyph::Cross class="btn btn-sm btn-ghost" why_not /> })}
                    <a class="btn btn-sm" href=move || href.try_get().unwrap_or_default()>
                        <Icon glyph=Glyph::Pencil />
                        {if has_policy.try_get().unwrap_or_default() { "Policy" } else { "Try a policy" }}
                    </a>
                </span>
            }
        }
    };
    view! {
        <Panel title="Sizing" aside=ViewFn::from(aside)>
            {move || live.with(|detail| view! { <InForce sizing=detail.sizing.clone() target=detail.summary.target /> })}
            <div class="mt-4 border-t border-base-300 pt-3">
                <div class="flex flex-wrap items-center justify-between gap-2">
                    <h3 class="text-sm font-semibold">"Known peaks"</h3>
                    <ScheduleButtons live actions why_not />
                </div>
                {move || live.with(|detail| view! { <Schedules schedules=detail.sizing.schedules.clone() has_policy=detail.sizing.policy.is_some() as_of=detail.as_of /> })}
            </div>
        </Panel>
    }
}

/// The page of the policy, with what is in force or a suggestion in its form.
pub fn policy_href(pool: &PoolSummary, sizing: &PoolSizing) -> String {
    let draft = match &sizing.policy {
        Some(in_force) => PolicyDraft::from(&in_force.policy),
        None => PolicyDraft::suggested(pool.target),
    };
    path::pool_policy(&pool.name, &draft)
}

#[component]
fn InForce(sizing: PoolSizing, target: i32) -> impl IntoView {
    let Some(in_force) = sizing.policy else {
        return view! {
            <p class="text-sm">
                {format!("The target of {} is set by hand. ", grouped(target.into()))}
                <span class="text-muted">"A policy sizes the pool by the hours of cover that you want; it can be tried on this pool's past before it is set."</span>
            </p>
        }
            .into_any();
    };
    let policy = in_force.policy;
    let last = sizing.decisions.into_iter().next();
    view! {
        <dl class="divide-y divide-base-300">
            <Fact name="Cover wanted">{format!("{} at {}", cover_text(policy.cover_hours), policy.rate.label())}</Fact>
            <Fact name="Between floor and ceiling">{format!("{} to {}", grouped(policy.floor.into()), grouped(policy.ceiling.into()))}</Fact>
            <Fact name="Largest step">{grouped(policy.largest_step.into())}</Fact>
            <Fact name="Before a decrease">{duration(i64::from(policy.decrease_after_minutes) * 60)}</Fact>
            <Fact name="Set">
                {in_force.set_by} ", " <Timestamp at=in_force.set_at />
            </Fact>
            {last
                .map(|last| {
                    view! {
                        <Fact name="Last checked">
                            <Timestamp at=last.last_checked_at />
                        </Fact>
                    }
                })}
        </dl>
    }
        .into_any()
}
