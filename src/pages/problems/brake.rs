//! The brake with its lever, and letting many strays be at once.

use leptos::{form::ActionForm, prelude::*};

use crate::components::{Decision, Dialog, Glyph, Icon, OpenDialog, Refresh, TextField, Timestamp, Tone};
use crate::pages::{answers::Answers, session};
use crate::rpc::problems::{IgnoreStrays, LiftBrake};
use fleet_types::{Brake, Permission, grouped};

const LIFT: &str = "lift-brake";
pub const STRAYS: &str = "ignore-strays";

/// Belongs to the page, so that it outlives a refresh.
#[derive(Clone, Copy)]
pub struct BrakeActions {
    answers: Answers,
    prefix: RwSignal<String>,
    lift: ServerAction<LiftBrake>,
    ignore: ServerAction<IgnoreStrays>,
}

impl BrakeActions {
    pub fn new(refresh: Refresh) -> Self {
        let actions = Self {
            answers: Answers::new(refresh),
            prefix: RwSignal::new(String::new()),
            lift: ServerAction::new(),
            ignore: ServerAction::new(),
        };
        let answers = actions.answers;
        answers.follow(LIFT, "The brake is lifted: what was due is acted on.", actions.lift.value());
        Effect::new(move || {
            answers.give(STRAYS, actions.ignore.value().get(), |count| {
                (Tone::Good, format!("{} strays are ignored.", grouped(i64::try_from(count).unwrap_or(i64::MAX))))
            });
        });
        actions
    }
}

#[component]
pub fn BrakeNotice(brake: Signal<Option<Brake>>, actions: BrakeActions) -> impl IntoView {
    view! {
        {move || brake.try_get().flatten().map(|brake| {
            let why_not = session::why_not(Permission::ManageDatabases);
            view! {
                <div class=format!("{} items-start", Tone::Bad.alert()) role="alert">
                    <Icon glyph=Glyph::Block class="mt-0.5 size-5 shrink-0" />
                    <div class="min-w-0 flex-1 text-base-content">
                        <p class="font-semibold">"The brake is on, since " <Timestamp at=brake.set_at /></p>
                        <p class="text-sm">
                            {brake.sentence()}
                            " Nothing is deleted, replaced or sent again by itself. Look at the findings below: if they are real, lift the brake; if a list of Neon's was wrong, wait for the next sweep first."
                        </p>
                    </div>
                    <OpenDialog dialog=LIFT text="Lift the brake" glyph=Glyph::Play why_not />
                </div>
            }
        })}
        <Dialog id=LIFT refusal=actions.answers.refusal title="Lift the brake?">
            <ActionForm action=actions.lift>
                <Decision dialog=LIFT button="Lift the brake" class="btn btn-error" pending=actions.lift.pending()>
                    <p class="text-sm">
                        "Everything that is due now is acted on, whatever its number: unknown projects are deleted on Neon (recoverable there for 7 days), unusable databases are replaced, quotas are sent again. What becomes due later counts anew."
                    </p>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}

#[component]
pub fn StrayDialog(actions: BrakeActions) -> impl IntoView {
    view! {
        <Dialog id=STRAYS refusal=actions.answers.refusal title="Ignore strays by their names">
            <ActionForm action=actions.ignore>
                <Decision dialog=STRAYS button="Ignore them" pending=actions.ignore.pending()>
                    <p class="text-sm">"Projects that are not ours are never touched. Those whose name begins so are no longer listed; at most 10,000 at a time."</p>
                    <TextField name="prefix" id="stray-prefix" label="Names begin with" value=actions.prefix required=true />
                </Decision>
            </ActionForm>
        </Dialog>
    }
}
