//! What can be done with a pool, and what stands in the forms. Belongs to the page, so that it outlives a refresh.

use leptos::prelude::*;

use super::{peak_form::PeakForm, template_form::TemplateForm};
use crate::components::Refresh;
use crate::pages::answers::Answers;
use crate::rpc::pools::{PausePool, ResumePool, SetCreationLimit, SetTarget, SetTemplate};
use crate::rpc::sizing::{AddSchedule, RemovePolicy, RemoveSchedule};
use fleet_types::PoolDetail;

/// The ids of the dialogs.
pub const TARGET: &str = "set-target";
pub const LIMIT: &str = "set-creation-limit";
pub const PAUSE: &str = "pause-pool";
pub const RESUME: &str = "resume-pool";
pub const REMOVE_POLICY: &str = "remove-policy";
pub const ADD_SCHEDULE: &str = "add-schedule";
pub const REMOVE_SCHEDULE: &str = "remove-schedule";
pub const TEMPLATE: &str = "set-template";

#[derive(Clone, Copy)]
pub struct PoolActions {
    pub answers: Answers,
    pub target: RwSignal<String>,
    pub limit: RwSignal<String>,
    pub peak: PeakForm,
    pub template: TemplateForm,
    pub set_target: ServerAction<SetTarget>,
    pub set_limit: ServerAction<SetCreationLimit>,
    pub pause: ServerAction<PausePool>,
    pub resume: ServerAction<ResumePool>,
    pub remove_policy: ServerAction<RemovePolicy>,
    pub add_schedule: ServerAction<AddSchedule>,
    pub remove_schedule: ServerAction<RemoveSchedule>,
    pub set_template: ServerAction<SetTemplate>,
}

impl PoolActions {
    pub fn new(refresh: Refresh) -> Self {
        let actions = Self {
            answers: Answers::new(refresh),
            target: RwSignal::new(String::new()),
            limit: RwSignal::new(String::new()),
            peak: PeakForm::new(),
            template: TemplateForm::new(),
            set_target: ServerAction::new(),
            set_limit: ServerAction::new(),
            pause: ServerAction::new(),
            resume: ServerAction::new(),
            remove_policy: ServerAction::new(),
            add_schedule: ServerAction::new(),
            remove_schedule: ServerAction::new(),
            set_template: ServerAction::new(),
        };
        let answers = actions.answers;
        answers.follow(TARGET, "The new target is set.", actions.set_target.value());
        answers.follow(LIMIT, "The creation limit is set.", actions.set_limit.value());
        answers.follow(PAUSE, "The pool is paused.", actions.pause.value());
        answers.follow(RESUME, "The pool creates again.", actions.resume.value());
        answers.follow(REMOVE_POLICY, "The target is set by hand again.", actions.remove_policy.value());
        answers.follow(ADD_SCHEDULE, "The peak is known.", actions.add_schedule.value());
        answers.follow(REMOVE_SCHEDULE, "The peak is forgotten.", actions.remove_schedule.value());
        answers.follow(TEMPLATE, "The new template rolls out.", actions.set_template.value());
        actions
    }

    /// Puts what is set now into the forms.
    pub fn fill(self, pool: &PoolDetail) {
        self.target.try_set(pool.summary.target.to_string());
        self.limit.try_set(pool.summary.creations_per_hour.map(|limit| limit.to_string()).unwrap_or_default());
        self.template.fill(&pool.template.template);
    }
}
