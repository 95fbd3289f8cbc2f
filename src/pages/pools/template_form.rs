//! A pool's template as it is being written.

use leptos::prelude::*;

use fleet_types::{Template, TemplateDraft};

/// The fields as they are being written.
#[derive(Clone, Copy)]
pub struct TemplateForm {
    pub pg_version: RwSignal<String>,
    pub min_cu: RwSignal<String>,
    pub max_cu: RwSignal<String>,
    pub suspend_timeout: RwSignal<String>,
    pub birth_plan: RwSignal<String>,
}

impl TemplateForm {
    pub fn new() -> Self {
        let field = || RwSignal::new(String::new());
        Self { pg_version: field(), min_cu: field(), max_cu: field(), suspend_timeout: field(), birth_plan: field() }
    }

    pub fn fill(self, template: &Template) {
        let TemplateDraft { pg_version, min_cu, max_cu, suspend_timeout, birth_plan } = TemplateDraft::from(template);
        self.pg_version.try_set(pg_version);
        self.min_cu.try_set(min_cu);
        self.max_cu.try_set(max_cu);
        self.suspend_timeout.try_set(suspend_timeout);
        self.birth_plan.try_set(birth_plan);
    }

    pub fn draft(self) -> TemplateDraft {
        let text = |field: RwSignal<String>| field.try_get().unwrap_or_default();
        TemplateDraft {
            pg_version: text(self.pg_version),
            min_cu: text(self.min_cu),
            max_cu: text(self.max_cu),
            suspend_timeout: text(self.suspend_timeout),
            birth_plan: text(self.birth_plan),
        }
    }
}
