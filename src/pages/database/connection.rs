//! How to connect. The secret part is masked until somebody gives a reason; then it is shown for half a minute.

use std::time::Duration;

use leptos::{form::ActionForm, prelude::*};

use super::actions::{Actions, REVEAL, ROTATE};
use super::facts::Copyable;
use crate::components::{
    CancelButton, CopyButton, Decision, Dialog, Fact, Glyph, Live, OpenDialog, Panel, ReasonField, SubmitButton,
    Timestamp,
};
use crate::pages::session;
use fleet_types::{Credentials, DatabaseDetail, DatabaseState, Permission};

const SHOWN_FOR_SECONDS: u32 = 30;
const NEEDS_SCRIPT: &str =
    r#"<p class="text-sm text-warning">Showing a secret for a limited time needs JavaScript.</p>"#;

#[component]
pub fn ConnectionPanel(live: Live<DatabaseDetail>, actions: Actions) -> impl IntoView {
    let state = Memo::new(move |_| live.with(|detail| detail.row.state));
    let left = hide_in_time(actions.credentials);
    let buttons = move || {
        let unclaimed = state.get().and_then(not_claimed);
        let why_not_reveal = session::why_not(Permission::Reveal).or(unclaimed.clone());
        let why_not_rotate = session::why_not(Permission::ManageDatabases).or(unclaimed);
        view! {
            <span class="flex flex-wrap gap-2">
                <OpenDialog dialog=ROTATE text="Rotate password" glyph=Glyph::Refresh why_not=why_not_rotate />
                <OpenDialog dialog=REVEAL text="Reveal" glyph=Glyph::Eye why_not=why_not_reveal />
            </span>
        }
    };
    view! {
        <Panel title="Connection" aside=ViewFn::from(buttons)>
            <dl class="divide-y divide-base-300">
                {move || live.with(|detail| fact("Host", detail.host.clone(), "host name"))}
                {move || live.with(|detail| fact("Database", detail.database_name.clone(), "database name"))}
                {move || live.with(|detail| fact("Role", detail.role_name.clone(), "role"))}
                {move || live.with(verified)}
                {move || secrets(actions.credentials.try_get().flatten())}
            </dl>
            {move || live.with(changed_on_neon)}
            <TimeLeft credentials=actions.credentials left />
        </Panel>
        <RevealDialog actions />
        <RotateDialog actions />
    }
}

/// Whoever claims a database that is not claimed yet is given the password that it has now; of others nobody needs it.
fn not_claimed(state: DatabaseState) -> Option<String> {
    (state != DatabaseState::Claimed).then(|| format!("Only for a claimed database; this one is {}.", state.as_str()))
}

/// How old the knowledge is that the password is right.
fn verified(detail: &DatabaseDetail) -> Option<AnyView> {
    detail.credentials_verified_at.map(|at| view! { <Fact name="Password checked"><Timestamp at /></Fact> }.into_any())
}

fn changed_on_neon(detail: &DatabaseDetail) -> Option<AnyView> {
    detail.credentials_changed_at.map(|at| {
        view! {
            <p class="notice notice-warning mt-3 text-sm">
                "The password was changed on Neon, noticed " <Timestamp at />
                ". The new one is stored; whoever was given the old one cannot connect until they are told."
            </p>
        }
        .into_any()
    })
}

fn fact(name: &'static str, value: Option<String>, what: &'static str) -> AnyView {
    let value = match value {
        Some(text) => view! { <Copyable text what /> }.into_any(),
        None => view! { <span class="text-muted">"–"</span> }.into_any(),
    };
    view! { <Fact name>{value}</Fact> }.into_any()
}

/// Hides what was revealed when its time is over. Returns the seconds that are left.
fn hide_in_time(credentials: RwSignal<Option<Credentials>>) -> RwSignal<u32> {
    let left = RwSignal::new(0_u32);
    Effect::new(move || {
        if credentials.with(Option::is_none) {
            return;
        }
        left.set(SHOWN_FOR_SECONDS);
        let tick = move || {
            let seconds = left.try_update(|left| {
                *left = left.saturating_sub(1);
                *left
            });
            if seconds == Some(0) {
                credentials.try_set(None);
            }
        };
        if let Ok(handle) = set_interval_with_handle(tick, Duration::from_secs(1)) {
            on_cleanup(move || handle.clear());
        }
    });
    left
}

/// Masked, or the real ones.
fn secrets(credentials: Option<Credentials>) -> AnyView {
    match credentials {
        None => view! {
            <Fact name="Password">
                <span class="text-muted" aria-hidden="true">
                    "••••••••••••"
                </span>
                <span class="sr-only">"hidden"</span>
            </Fact>
        }
        .into_any(),
        Some(credentials) => view! { <Revealed credentials /> }.into_any(),
    }
}

/// How long they are still to be seen, and a way to end it.
#[component]
fn TimeLeft(credentials: RwSignal<Option<Credentials>>, left: RwSignal<u32>) -> impl IntoView {
    let hide = move |_| {
        credentials.try_set(None);
    };
    let is_shown = move || credentials.try_with(Option::is_some).unwrap_or(false);
    move || {
        is_shown().then(|| {
            view! {
                <div class="flex flex-wrap items-center justify-between gap-3 pt-3 text-sm">
                    <span class="text-warning">
                        {move || {
                            format!("Hidden again in {} s. That you looked is in the history.", left.try_get().unwrap_or(0))
                        }}
                    </span>
                    <button type="button" class="btn btn-sm" on:click=hide>
                        "Hide now"
                    </button>
                </div>
            }
        })
    }
}

#[component]
fn Revealed(credentials: Credentials) -> impl IntoView {
    let Credentials { connection, verified_at, not_verified_because, .. } = credentials;
    let unsure = not_verified_because.map(|why| {
        let since = verified_at.map(|at| view! { " It was right " <Timestamp at /> "." });
        view! { <p class="py-1.5 text-sm text-warning" role="status">"As stored. Neon could not confirm it just now: " {why} {since}</p> }
    });
    view! {
        {unsure}
        <Secret name="Password" text=connection.password what="password" />
        <Secret name="Connection string" text=connection.uri what="connection string" />
        <Secret name="Pooled" text=connection.pooled_uri what="pooled connection string" />
    }
}

#[component]
fn Secret(name: &'static str, text: String, what: &'static str) -> impl IntoView {
    view! {
        <div class="py-1.5">
            <dt class="text-sm text-muted">{name}</dt>
            <dd class="flex items-start gap-1">
                <code class="min-w-0 flex-1 text-xs break-all">{text.clone()}</code>
                <CopyButton text what />
            </dd>
        </div>
    }
}

#[component]
fn RotateDialog(actions: Actions) -> impl IntoView {
    let about = ("id", actions.id.to_string());
    view! {
        <Dialog id=ROTATE refusal=actions.answers.refusal title="Rotate the password?">
            <ActionForm action=actions.rotate>
                <Decision dialog=ROTATE about button="Rotate password" class="btn btn-warning" pending=actions.rotate.pending()>
                    <ul class="list-disc pl-5 text-sm">
                        <li>"Neon makes a new password. The old one stops working within seconds, for good."</li>
                        <li>"Open connections are cut; a sleeping compute is woken for a moment."</li>
                        <li>"The owner's application cannot connect until it has the new connection string: repeat its claim, or reveal it here."</li>
                    </ul>
                </Decision>
            </ActionForm>
        </Dialog>
    }
}

#[component]
fn RevealDialog(actions: Actions) -> impl IntoView {
    // Sent by the browser itself it would be written down but not shown, so it can only be sent once there is somebody to show it.
    let is_ready = RwSignal::new(false);
    Effect::new(move || is_ready.set(true));
    let pending = actions.reveal.pending();
    let is_off = Signal::derive(move || pending.get() || !is_ready.get());
    view! {
        <Dialog id=REVEAL refusal=actions.answers.refusal title="Reveal the connection string?">
            <ActionForm action=actions.reveal>
                <div class="flex flex-col gap-4">
                    <input type="hidden" name="id" value=actions.id.to_string() />
                    <p class="text-sm">
                        "Whoever has it can read and change this owner's data. It is shown for 30 seconds; your name, the time and the reason go into the history first."
                    </p>
                    <ReasonField id="reveal-reason" />
                    <noscript inner_html=NEEDS_SCRIPT></noscript>
                </div>
                <div class="modal-action">
                    <CancelButton dialog=REVEAL />
                    <SubmitButton text="Reveal" pending=is_off glyph=Glyph::Eye why_not=None />
                </div>
            </ActionForm>
        </Dialog>
    }
}
