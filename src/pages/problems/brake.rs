//! The brake with its lever, and letting many strays be at once.

use leptos::{form::ActionForm, prelude::*};

use crate::components::{
    CancelButton, Dialog, Glyph, Icon, OpenDialog, ReasonField, Refresh, Refusal, SubmitButton, TextField, Timestamp,
    Toasts, Tone, browser,
};
use crate::pages::session;
use crate::rpc::problems::{IgnoreStrays, LiftBrake};
use crate::types::{Brake, Permission, grouped};

const LIFT: &str = "lift-brake";
pub const STRAYS: &str = "ignore-strays";

/// Belongs to the page, so that it outlives a refresh.
#[derive(Clone, Copy)]
pub struct BrakeActions {
    refusal: Refusal,
    prefix: RwSignal<String>,
    lift: ServerAction<LiftBrake>,
    ignore: ServerAction<IgnoreStrays>,
}

impl BrakeActions {
    pub fn new(refresh: Refresh) -> Self {
        let actions = Self {
            refusal: Refusal::new(),
            prefix: RwSignal::new(String::new()),
            lift: ServerAction::new(),
            ignore: ServerAction::new(),
        };
        let toasts = use_context::<Toasts>();
        let done = move |dialog: &'static str, text: String| {
            browser::close_dialog(dialog);
            refresh.now();
            if let Some(toasts) = toasts {
                toasts.say(Tone::Good, text);
            }
        };
        Effect::new(move || match actions.lift.value().get() {
            Some(Ok(())) => done(LIFT, String::from("The brake is lifted: what was due is acted on.")),
            Some(Err(error)) => actions.refusal.show(LIFT, error.to_string()),
            None => {}
        });
        Effect::new(move || match actions.ignore.value().get() {
            Some(Ok(count)) => {
                done(STRAYS, format!("{} strays are ignored.", grouped(i64::try_from(count).unwrap_or(i64::MAX))))
            }
            Some(Err(error)) => actions.refusal.show(STRAYS, error.to_string()),
            None => {}
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
        <Dialog id=LIFT refusal=actions.refusal title="Lift the brake?">
            <ActionForm action=actions.lift>
                <div class="flex flex-col gap-4">
                    <p class="text-sm">
                        "Everything that is due now is acted on, whatever its number: unknown projects are deleted on Neon (recoverable there for 7 days), unusable databases are replaced, quotas are sent again. What becomes due later counts anew."
                    </p>
                    <ReasonField id="lift-reason" />
                </div>
                <div class="modal-action">
                    <CancelButton dialog=LIFT />
                    <SubmitButton text="Lift the brake" pending=actions.lift.pending() class="btn btn-error" why_not=None />
                </div>
            </ActionForm>
        </Dialog>
    }
}

#[component]
pub fn StrayDialog(actions: BrakeActions) -> impl IntoView {
    view! {
        <Dialog id=STRAYS refusal=actions.refusal title="Ignore strays by their names">
            <ActionForm action=actions.ignore>
                <div class="flex flex-col gap-4">
                    <p class="text-sm">"Projects that are not ours are never touched. Those whose name begins so are no longer listed; at most 10,000 at a time."</p>
                    <TextField name="prefix" id="stray-prefix" label="Names begin with" value=actions.prefix required=true />
                    <ReasonField id="strays-reason" />
                </div>
                <div class="modal-action">
                    <CancelButton dialog=STRAYS />
                    <SubmitButton text="Ignore them" pending=actions.ignore.pending() why_not=None />
                </div>
            </ActionForm>
        </Dialog>
    }
}
