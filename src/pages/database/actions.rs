//! What can be done with a database, and what stands in the forms. Belongs to the page, so that it outlives a refresh.

use leptos::prelude::*;
use uuid::Uuid;

use super::quota_form::Draft;
use crate::components::{Glyph, Icon, Refresh, Refusal, Toasts, Tone, browser};
use crate::pages::session;
use crate::rpc::database as rpc;
use crate::types::{AppError, Connection, DatabaseDetail, Outcome, Permission};

/// The ids of the dialogs.
pub const QUOTA: &str = "edit-quota";
pub const SUSPEND: &str = "suspend";
pub const RESUME: &str = "resume";
pub const TIMEOUT: &str = "suspend-timeout";
pub const REVEAL: &str = "reveal";
pub const RELEASE: &str = "release";

#[derive(Clone, Copy)]
pub struct Actions {
    pub id: Uuid,
    pub refusal: Refusal,
    pub draft: Draft,
    pub timeout: RwSignal<String>,
    pub confirmation: RwSignal<String>,
    /// The revealed connection, until it is hidden again.
    pub connection: RwSignal<Option<Connection>>,
    pub set_quota: ServerAction<rpc::SetQuota>,
    pub suspend: ServerAction<rpc::Suspend>,
    pub resume: ServerAction<rpc::Resume>,
    pub set_timeout: ServerAction<rpc::SetSuspendTimeout>,
    pub refresh: ServerAction<rpc::Refresh>,
    pub reveal: ServerAction<rpc::Reveal>,
    pub release: ServerAction<rpc::Release>,
}

impl Actions {
    pub fn new(id: Uuid, page: Refresh) -> Self {
        let actions = Self {
            id,
            refusal: Refusal::new(),
            draft: Draft::new(),
            timeout: RwSignal::new(String::new()),
            confirmation: RwSignal::new(String::new()),
            connection: RwSignal::new(None),
            set_quota: ServerAction::new(),
            suspend: ServerAction::new(),
            resume: ServerAction::new(),
            set_timeout: ServerAction::new(),
            refresh: ServerAction::new(),
            reveal: ServerAction::new(),
            release: ServerAction::new(),
        };
        let answer = Answer { page, refusal: actions.refusal, toasts: use_context::<Toasts>() };
        Effect::new(move || answer.to(QUOTA, "The new quota is in force.", actions.set_quota.value().get()));
        Effect::new(move || answer.to(SUSPEND, "Suspended: connections are cut.", actions.suspend.value().get()));
        Effect::new(move || answer.to(RESUME, "Resumed: it is running.", actions.resume.value().get()));
        Effect::new(move || {
            answer.to(TIMEOUT, "The new suspend timeout is in force.", actions.set_timeout.value().get())
        });
        Effect::new(move || answer.to("", "Fresh from Neon.", actions.refresh.value().get()));
        Effect::new(move || answer.to(RELEASE, "Released: it is deleted on Neon.", actions.release.value().get()));
        Effect::new(move || match actions.reveal.value().get() {
            Some(Ok(connection)) => {
                browser::close_dialog(REVEAL);
                actions.connection.set(Some(connection));
                // The only copy is the one that is hidden in time.
                actions.reveal.clear();
                page.now();
            }
            Some(Err(error)) => answer.refuse(REVEAL, &error),
            None => {}
        });
        actions
    }

    /// Puts what is set now into the forms.
    pub fn fill(self, detail: &DatabaseDetail) {
        self.draft.fill(&detail.quota);
        self.timeout.try_set(detail.suspend_timeout_seconds.to_string());
    }
}

/// Says what came of an action, and shows its effect.
#[derive(Clone, Copy)]
struct Answer {
    page: Refresh,
    refusal: Refusal,
    toasts: Option<Toasts>,
}

impl Answer {
    fn to(self, dialog: &'static str, done: &str, result: Option<Result<Outcome, AppError>>) {
        let Some(result) = result else { return };
        match result {
            Ok(outcome) => {
                browser::close_dialog(dialog);
                self.page.now();
                match outcome {
                    Outcome::Done => self.say(Tone::Good, done.to_owned()),
                    Outcome::Pending(why) => {
                        self.say(Tone::Accent, format!("Recorded, not done yet: {why} The engine goes on trying."))
                    }
                }
            }
            Err(error) => self.refuse(dialog, &error),
        }
    }

    /// In the dialog if there is one, else as a toast.
    fn refuse(self, dialog: &'static str, error: &AppError) {
        if dialog.is_empty() {
            self.say(Tone::Bad, error.to_string());
        } else {
            self.refusal.show(dialog, error.to_string());
        }
    }

    fn say(self, tone: Tone, text: String) {
        if let Some(toasts) = self.toasts {
            toasts.say(tone, text);
        }
    }
}

/// Asks Neon for the state, the size and the usage now.
#[component]
pub fn RefreshButton(actions: Actions) -> impl IntoView {
    let why_not = session::why_not(Permission::Refresh);
    let pending = actions.refresh.pending();
    let is_off = why_not.is_some();
    view! {
        <leptos::form::ActionForm action=actions.refresh>
            <input type="hidden" name="id" value=actions.id.to_string() />
            <button type="submit" class="btn btn-sm" disabled=move || is_off || pending.get() title=why_not>
                <span class:animate-spin=pending>
                    <Icon glyph=Glyph::Refresh />
                </span>
                "Ask Neon now"
            </button>
        </leptos::form::ActionForm>
    }
}
