//! The compute of a database: whether it runs, when it stops by itself, suspending and resuming it.

use leptos::{form::ActionForm, prelude::*};

use super::actions::{Actions, RESUME, SUSPEND, TIMEOUT};
use crate::components::{Decision, Dialog, Fact, Glyph, Live, OpenDialog, Panel, TextField, Timestamp};
use crate::pages::look::{self, LookBadge};
use crate::pages::pools::compute;
use crate::pages::session;
use fleet_types::{DatabaseDetail, DatabaseState, EndpointState, Permission, duration};

#[component]
pub fn EndpointPanel(live: Live<DatabaseDetail>) -> impl IntoView {
    let buttons = move || live.with(|detail| view! { <Buttons detail=detail.clone() /> });
    view! {
        <Panel title="Compute" aside=ViewFn::from(buttons)>
            <dl class="divide-y divide-base-300">
                <Fact name="Endpoint">{move || live.with(endpoint)}</Fact>
                <Fact name="Last active">{move || live.with(|detail| moment(detail.row.last_active_at))}</Fact>
                <Fact name="Size">
                    {move || live.with(|detail| compute(detail.min_cu, detail.max_cu))}
                </Fact>
                <Fact name="Suspended after">{move || live.with(|detail| timeout_text(detail.suspend_timeout_seconds))}</Fact>
            </dl>
        </Panel>
    }
}

fn endpoint(detail: &DatabaseDetail) -> AnyView {
    match detail.row.endpoint {
        Some(state) => view! { <LookBadge look=look::of_endpoint(state) /> }.into_any(),
        None => view! { <span class="text-muted">"not observed"</span> }.into_any(),
    }
}

pub fn moment(at: Option<fleet_types::Time>) -> AnyView {
    match at {
        Some(at) => view! { <Timestamp at /> }.into_any(),
        None => view! { <span class="text-muted">"never"</span> }.into_any(),
    }
}

fn timeout_text(seconds: i32) -> String {
    match seconds {
        0 => String::from("5 min without a connection (Neon's default)"),
        -1 => String::from("never"),
        seconds => format!("{} without a connection", duration(seconds.into())),
    }
}

/// Whether there is a compute to speak of.
fn has_compute(detail: &DatabaseDetail) -> bool {
    matches!(detail.row.state, DatabaseState::Available | DatabaseState::Claimed)
}

#[component]
fn Buttons(detail: DatabaseDetail) -> impl IntoView {
    let gone = (!has_compute(&detail)).then(|| format!("It is {}.", detail.row.state.as_str()));
    let why_not = session::why_not(Permission::ManageDatabases).or(gone);
    let is_idle = detail.row.endpoint == Some(EndpointState::Idle);
    let why_not_suspend = why_not.clone().or_else(|| is_idle.then(|| String::from("It is suspended already.")));
    let is_active = detail.row.endpoint == Some(EndpointState::Active);
    let why_not_resume = why_not.clone().or_else(|| is_active.then(|| String::from("It is running already.")));
    view! {
        <span class="flex flex-wrap gap-2">
            <OpenDialog dialog=SUSPEND text="Suspend" glyph=Glyph::Pause why_not=why_not_suspend />
            <OpenDialog dialog=RESUME text="Resume" glyph=Glyph::Play why_not=why_not_resume />
            <OpenDialog dialog=TIMEOUT text="Timeout" glyph=Glyph::Clock why_not />
        </span>
    }
}

#[component]
pub fn EndpointDialogs(live: Live<DatabaseDetail>, actions: Actions) -> impl IntoView {
    let effect = move || match actions.timeout.get().trim().parse::<i32>() {
        Ok(seconds) if seconds == 0 || seconds == -1 || (60..=604_800).contains(&seconds) => {
            let before = live.with(|detail| timeout_text(detail.suspend_timeout_seconds)).unwrap_or_default();
            format!("{before} → {}", timeout_text(seconds))
        }
        _ => String::from("Write 60 to 604800 seconds, 0 for Neon's default, or -1 for never."),
    };
    let about = move || ("id", actions.id.to_string());
    let refusal = actions.answers.refusal;
    view! {
        <Dialog id=SUSPEND refusal title="Suspend this database?">
            <ActionForm action=actions.suspend>
                <Decision dialog=SUSPEND about=about() button="Suspend" class="btn btn-warning" pending=actions.suspend.pending()>
                    <p class="text-sm">"Open connections are cut at once. The data stays; the next connection wakes it again, so this is no lock."</p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=RESUME refusal title="Resume this database?">
            <ActionForm action=actions.resume>
                <Decision dialog=RESUME about=about() button="Resume" pending=actions.resume.pending()>
                    <p class="text-sm">"Its compute is started now and costs until the suspend timeout has passed without a connection. A used-up quota keeps it from starting."</p>
                </Decision>
            </ActionForm>
        </Dialog>
        <Dialog id=TIMEOUT refusal title="Suspend timeout">
            <ActionForm action=actions.set_timeout>
                <Decision dialog=TIMEOUT about=about() button="Save timeout" pending=actions.set_timeout.pending()>
                    <TextField
                        name="seconds"
                        id="timeout-seconds"
                        label="Seconds without a connection after which the compute stops"
                        value=actions.timeout
                        kind="number"
                        required=true
                        hint="60 to 604800; 0 is Neon's default of 5 minutes, -1 is never"
                    />
                    <p class="text-sm text-muted needs-wasm" role="status">
                        {effect}
                    </p>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}
