//! Says what came of an action, and shows its effect.

use leptos::prelude::*;

use crate::components::{Refresh, Refusal, Toasts, Tone, browser};
use fleet_types::{AppError, Outcome};

/// The answers to all actions of a page. Belongs to the page, so that it outlives a refresh.
#[derive(Clone, Copy)]
pub struct Answers {
    /// Why the form of an open dialog was refused.
    pub refusal: Refusal,
    page: Refresh,
    toasts: Option<Toasts>,
}

impl Answers {
    pub fn new(page: Refresh) -> Self {
        Self { refusal: Refusal::new(), page, toasts: use_context::<Toasts>() }
    }

    /// From now on: whenever an action has ended well its dialog closes, what was done is said and the page is read anew. A refusal is said in the
    /// dialog, or as a toast where `dialog` is empty.
    pub fn follow<T: Into<Outcome>>(
        self,
        dialog: &'static str,
        done: &'static str,
        value: impl Get<Value = Option<Result<T, AppError>>> + 'static,
    ) {
        Effect::new(move || {
            self.give(dialog, value.get(), |outcome| match outcome.into() {
                Outcome::Done => (Tone::Good, done.to_owned()),
                Outcome::Pending(why) => (Tone::Accent, why),
            });
        });
    }

    /// The answer to one action; `tell` puts into words what it has brought.
    pub fn give<T>(
        self,
        dialog: &'static str,
        result: Option<Result<T, AppError>>,
        tell: impl FnOnce(T) -> (Tone, String),
    ) {
        match result {
            None => {}
            Some(Ok(value)) => {
                let (tone, text) = tell(value);
                self.close(dialog);
                self.say(tone, text);
            }
            Some(Err(error)) => self.refuse(dialog, &error),
        }
    }

    /// Without a word: what is shown then says enough.
    pub fn close(self, dialog: &'static str) {
        browser::close_dialog(dialog);
        self.page.now();
    }

    pub fn refuse(self, dialog: &'static str, error: &AppError) {
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
