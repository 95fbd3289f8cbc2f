//! A known peak as it is being written.

use leptos::prelude::*;

use fleet_types::PeakDraft;

/// The fields of a new schedule, as they are being written.
#[derive(Clone, Copy)]
pub struct PeakForm {
    pub label: RwSignal<String>,
    pub days: RwSignal<String>,
    pub from: RwSignal<String>,
    pub to: RwSignal<String>,
    pub kind: RwSignal<String>,
    pub amount: RwSignal<String>,
}

impl PeakForm {
    pub fn new() -> Self {
        let field = |text: &str| RwSignal::new(text.to_owned());
        Self {
            label: field(""),
            days: field("Mon-Fri"),
            from: field("08:00"),
            to: field("10:00"),
            kind: field("at_least"),
            amount: field(""),
        }
    }

    pub fn draft(self) -> PeakDraft {
        let text = |field: RwSignal<String>| field.try_get().unwrap_or_default();
        PeakDraft {
            label: text(self.label),
            days: text(self.days),
            from: text(self.from),
            to: text(self.to),
            kind: text(self.kind),
            amount: text(self.amount),
        }
    }
}
