//! What can be done with a database, and what stands in the forms. Belongs to the page, so that it outlives a refresh.

use leptos::prelude::*;
use uuid::Uuid;

use super::quota_draft::{Draft, Refill};
use crate::components::{Glyph, Icon, Refresh};
use crate::pages::{answers::Answers, session};
use crate::rpc::database as rpc;
use crate::rpc::plans::{ChangePlan, EndOverride, Relieve};
use fleet_types::{AppError, Credentials, DatabaseDetail, Permission};

/// The ids of the dialogs.
pub const QUOTA: &str = "edit-quota";
pub const SUSPEND: &str = "suspend";
pub const RESUME: &str = "resume";
pub const TIMEOUT: &str = "suspend-timeout";
pub const REVEAL: &str = "reveal";
pub const ROTATE: &str = "rotate-password";
pub const RELEASE: &str = "release";
pub const PLAN: &str = "change-plan";
pub const BACK_TO_PLAN: &str = "back-to-plan";
pub const RELIEVE: &str = "relieve";

#[derive(Clone, Copy)]
pub struct Actions {
    pub id: Uuid,
    pub answers: Answers,
    pub draft: Draft,
    pub timeout: RwSignal<String>,
    pub confirmation: RwSignal<String>,
    pub plan: RwSignal<String>,
    /// The field whose override is to end.
    pub field: RwSignal<String>,
    /// The used-up limit that is to be raised, and for how long.
    pub limit: RwSignal<String>,
    pub hours: RwSignal<String>,
    /// The revealed credentials, until they are hidden again.
    pub credentials: RwSignal<Option<Credentials>>,
    pub set_quota: ServerAction<rpc::SetQuota>,
    pub suspend: ServerAction<rpc::Suspend>,
    pub resume: ServerAction<rpc::Resume>,
    pub set_timeout: ServerAction<rpc::SetSuspendTimeout>,
    pub refresh: ServerAction<rpc::Refresh>,
    pub reveal: ServerAction<rpc::Reveal>,
    pub rotate: ServerAction<rpc::RotatePassword>,
    pub release: ServerAction<rpc::Release>,
    pub delete_again: ServerAction<rpc::DeleteAgain>,
    pub change_plan: ServerAction<ChangePlan>,
    pub end_override: ServerAction<EndOverride>,
    pub relieve: ServerAction<Relieve>,
}

impl Actions {
    pub fn new(id: Uuid, page: Refresh) -> Self {
        let actions = Self {
            id,
            answers: Answers::new(page),
            draft: Draft::new(),
            timeout: RwSignal::new(String::new()),
            confirmation: RwSignal::new(String::new()),
            plan: RwSignal::new(String::new()),
            field: RwSignal::new(String::new()),
            limit: RwSignal::new(String::new()),
            hours: RwSignal::new(String::from("24")),
            credentials: RwSignal::new(None),
            set_quota: ServerAction::new(),
            suspend: ServerAction::new(),
            resume: ServerAction::new(),
            set_timeout: ServerAction::new(),
            refresh: ServerAction::new(),
            reveal: ServerAction::new(),
            rotate: ServerAction::new(),
            release: ServerAction::new(),
            delete_again: ServerAction::new(),
            change_plan: ServerAction::new(),
            end_override: ServerAction::new(),
            relieve: ServerAction::new(),
        };
        let answers = actions.answers;
        answers.follow(QUOTA, "The new quota is in force.", actions.set_quota.value());
        Effect::new(move || match actions.set_quota.value().get() {
            Some(Ok(_)) => actions.draft.refill(Refill::Everything),
            Some(Err(AppError::Conflict(_))) => {
                actions.draft.refill(Refill::AroundWhatIsTouched);
                page.now();
            }
            _ => {}
        });
        answers.follow(SUSPEND, "Suspended: connections are cut.", actions.suspend.value());
        answers.follow(RESUME, "Resumed: it is running.", actions.resume.value());
        answers.follow(TIMEOUT, "The new suspend timeout is in force.", actions.set_timeout.value());
        answers.follow("", "Fresh from Neon.", actions.refresh.value());
        answers.follow(
            ROTATE,
            "Neon has made a new password, and it is stored. Within seconds it works, and the old one does not.",
            actions.rotate.value(),
        );
        answers.follow(RELEASE, "Released: it is deleted on Neon.", actions.release.value());
        answers.follow("", "Deleted on Neon.", actions.delete_again.value());
        answers.follow(PLAN, "The owner has the new plan.", actions.change_plan.value());
        answers.follow(RELIEVE, "The quota is raised, and falls back by itself.", actions.relieve.value());
        answers.follow(BACK_TO_PLAN, "It is back to its plan.", actions.end_override.value());
        Effect::new(move || match actions.reveal.value().get() {
            Some(Ok(credentials)) => {
                actions.credentials.set(Some(credentials));
                // The only copy is the one that is hidden in time.
                actions.reveal.clear();
                answers.close(REVEAL);
            }
            Some(Err(error)) => answers.refuse(REVEAL, &error),
            None => {}
        });
        actions
    }

    /// Puts what is set now into the forms.
    pub fn fill(self, detail: &DatabaseDetail) {
        self.plan.try_set(detail.row.owner.as_ref().map(|owner| owner.plan.clone()).unwrap_or_default());
        self.draft.fill(detail);
        self.timeout.try_set(detail.suspend_timeout_seconds.to_string());
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
