//! Stopping and resuming how a changed plan is taken to its databases.

use leptos::{form::ActionForm, prelude::*};

use crate::components::{Decision, Dialog, Glyph, Live, OpenDialog, SelectField};
use crate::pages::{answers::Answers, session};
use crate::rpc::plans::{ResumeRollOut, StopRollOut};
use fleet_types::{Permission, Plan, RollOutState};

/// The ids of the dialogs.
const STOP: &str = "stop-roll-out";
const RESUME: &str = "resume-roll-out";

/// The plans whose roll-out is in this state: what is sent, and what is read.
fn plans_in(live: Live<Vec<Plan>>, state: RollOutState) -> Vec<(String, String)> {
    let is_in = |plan: &&Plan| plan.roll_out.as_ref().is_some_and(|roll_out| roll_out.state == state);
    let names = live.with(|plans| plans.iter().filter(is_in).map(|plan| plan.name.clone()).collect::<Vec<_>>());
    names.unwrap_or_default().into_iter().map(|name| (name.clone(), name)).collect()
}

/// Nothing while there is nothing to stop or to resume.
#[component]
pub fn RollOutButtons(live: Live<Vec<Plan>>) -> impl IntoView {
    let why_not = session::why_not(Permission::ManagePools);
    let button = |dialog: &'static str, text: &'static str, glyph: Glyph| {
        view! { <OpenDialog dialog text glyph why_not=why_not.clone() /> }
    };
    let stop = (!plans_in(live, RollOutState::Running).is_empty()).then(|| button(STOP, "Stop roll-out", Glyph::Pause));
    let resume =
        (!plans_in(live, RollOutState::Stopped).is_empty()).then(|| button(RESUME, "Resume roll-out", Glyph::Play));
    view! { <span class="flex flex-wrap gap-2">{stop} {resume}</span> }
}

#[component]
pub fn RollOutDialogs(live: Live<Vec<Plan>>) -> impl IntoView {
    let answers = Answers::new(live.refresh());
    let plan = RwSignal::new(String::new());
    let (stop, resume) = (ServerAction::<StopRollOut>::new(), ServerAction::<ResumeRollOut>::new());
    answers.follow(STOP, "The roll-out is stopped.", stop.value());
    answers.follow(RESUME, "The roll-out goes on.", resume.value());
    let select = move |id: &'static str, state: RollOutState| move || view! { <SelectField name="plan" id=id label="Plan" options=plans_in(live, state) value=plan /> };
    view! {
        <Dialog id=STOP refusal=answers.refusal title="Stop a roll-out">
            <ActionForm action=stop>
                <Decision dialog=STOP button="Stop roll-out" class="btn btn-warning" pending=stop.pending()>
                    {select("stopped-plan", RollOutState::Running)}
                    <p class="text-sm">
                        "No further database is brought to the changed plan. What is claimed from now on gets the changed plan all the same: to take it back, change the plan again."
                    </p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=RESUME refusal=answers.refusal title="Resume a roll-out">
            <ActionForm action=resume>
                <Decision dialog=RESUME button="Resume roll-out" pending=resume.pending()>
                    {select("resumed-plan", RollOutState::Stopped)}
                    <p class="text-sm">
                        "It goes on where it was stopped. Databases that Neon refuses it for by now are left as they are, and are tried again; only further ones stop it again. In safe mode it waits."
                    </p>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}
