//! Running a pool: set its target and its creation limit, pause it, resume it.

use leptos::{form::ActionForm, prelude::*};

use super::actions::{LIMIT, PAUSE, PoolActions, REMOVE_POLICY, RESUME, TARGET};
use crate::components::{Decision, Dialog, Glyph, Live, OpenDialog, TextField};
use crate::pages::session;
use fleet_types::{Permission, PoolDetail, grouped};

#[component]
pub fn Controls(live: Live<PoolDetail>, actions: PoolActions) -> impl IntoView {
    let name = live.with_untracked(|detail| detail.summary.name.clone()).unwrap_or_default();
    let why_not = session::why_not(Permission::ManagePools);
    let stopped = Memo::new(move |_| {
        live.with(|detail| detail.summary.paused_at.is_some() || detail.summary.breaker_until.is_some())
            .unwrap_or(false)
    });
    let pause_or_resume = {
        let why_not = why_not.clone();
        move || {
            if stopped.try_get().unwrap_or_default() {
                view! { <OpenDialog dialog=RESUME text="Resume" glyph=Glyph::Play why_not=why_not.clone() /> }
            } else {
                view! { <OpenDialog dialog=PAUSE text="Pause" glyph=Glyph::Pause why_not=why_not.clone() /> }
            }
        }
    };
    let has_policy = Memo::new(move |_| live.with(|detail| detail.sizing.policy.is_some()).unwrap_or(false));
    let target_why_not = why_not.clone();
    let set_target = move || {
        let by_policy = has_policy
            .try_get()
            .unwrap_or_default()
            .then(|| String::from("The policy sets it. Change the policy, or remove it first."));
        let why_not = target_why_not.clone().or(by_policy);
        view! { <OpenDialog dialog=TARGET text="Set target" glyph=Glyph::Pencil class="btn btn-sm btn-primary" why_not /> }
    };
    view! {
        {pause_or_resume}
        <OpenDialog dialog=LIMIT text="Creation limit" glyph=Glyph::Pencil why_not />
        {set_target}
        <TargetDialog name=name.clone() live actions />
        <LimitDialog name=name.clone() live actions />
        <StepDialogs name actions />
    }
}

#[component]
fn TargetDialog(name: String, live: Live<PoolDetail>, actions: PoolActions) -> impl IntoView {
    let effect = move || {
        let wanted: Option<i64> =
            actions.target.get().trim().parse().ok().filter(|target| (0..=100_000).contains(target));
        match (
            wanted,
            live.with(|detail| (detail.summary.available + detail.summary.in_flight, i64::from(detail.summary.target))),
        ) {
            (None, _) => String::from("Write a whole number from 0 to 100,000."),
            (Some(wanted), Some((have, before))) if wanted > have => {
                format!("{} → {}: {} more are created now.", grouped(before), grouped(wanted), grouped(wanted - have))
            }
            (Some(wanted), Some((have, before))) => {
                format!(
                    "{} → {}: nothing is created until claims bring the {} at hand below it. None is deleted.",
                    grouped(before),
                    grouped(wanted),
                    grouped(have)
                )
            }
            (Some(_), None) => String::new(),
        }
    };
    view! {
        <Dialog id=TARGET refusal=actions.answers.refusal title=format!("Target of pool {name}")>
            <ActionForm action=actions.set_target>
                <Decision dialog=TARGET about=("name", name.clone()) button="Set target" pending=actions.set_target.pending()>
                    <TextField name="target" id="target" label="Databases kept ready" value=actions.target kind="number" required=true />
                    <p class="text-sm text-muted" role="status">
                        {effect}
                    </p>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}

#[component]
fn LimitDialog(name: String, live: Live<PoolDetail>, actions: PoolActions) -> impl IntoView {
    let now = move || {
        live.with(|detail| {
            format!(
                "{} databases were created in the last hour; at most {} may be. Left empty, the limit follows the target and the claims of the last hour.",
                grouped(detail.summary.creations_last_hour),
                grouped(detail.summary.creation_ceiling.into())
            )
        })
    };
    view! {
        <Dialog id=LIMIT refusal=actions.answers.refusal title=format!("Creation limit of pool {name}")>
            <ActionForm action=actions.set_limit>
                <Decision dialog=LIMIT about=("name", name.clone()) button="Set limit" pending=actions.set_limit.pending()>
                    <TextField name="limit" id="creation-limit" label="Databases created per hour, at most" value=actions.limit kind="number" />
                    <p class="text-sm text-muted" role="status">
                        {now}
                    </p>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}

/// Steps that need a reason and nothing else.
#[component]
fn StepDialogs(name: String, actions: PoolActions) -> impl IntoView {
    let refusal = actions.answers.refusal;
    let stored = StoredValue::new(name.clone());
    let about = move || ("name", stored.get_value());
    view! {
        <Dialog id=PAUSE refusal title=format!("Pause pool {name}?")>
            <ActionForm action=actions.pause>
                <Decision dialog=PAUSE about=about() button="Pause" class="btn btn-warning" pending=actions.pause.pending()>
                    <p class="text-sm">"Nothing more is created for this pool. Claims go on as long as it lasts, then they wait. You can resume it at any time."</p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=RESUME refusal title=format!("Resume pool {name}?")>
            <ActionForm action=actions.resume>
                <Decision dialog=RESUME about=about() button="Resume" pending=actions.resume.pending()>
                    <p class="text-sm">"The engine creates again at once, until the target is reached. If creations had failed in a row, it tries one now, and goes on when that one succeeds."</p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=REMOVE_POLICY refusal title=format!("Remove the policy of pool {name}?")>
            <ActionForm action=actions.remove_policy>
                <Decision dialog=REMOVE_POLICY about=about() button="Remove policy" class="btn btn-warning" pending=actions.remove_policy.pending()>
                    <p class="text-sm">"The target stays as it is now, until somebody sets another. The policy can be set again at any time."</p>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}
