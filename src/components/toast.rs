//! Short answers to what somebody has just done. Good news leaves by itself, bad news stays until it is closed.

use std::time::Duration;

use leptos::prelude::*;

use super::{Glyph, Icon, Tone};

const SHOWN_FOR: Duration = Duration::from_secs(6);

#[derive(Clone, Debug, PartialEq)]
struct Toast {
    id: u32,
    tone: Tone,
    text: String,
}

/// Says things to the operator.
#[derive(Clone, Copy)]
pub struct Toasts {
    shown: RwSignal<Vec<Toast>>,
    last_id: StoredValue<u32>,
}

pub fn provide_toasts() {
    provide_context(Toasts { shown: RwSignal::new(Vec::new()), last_id: StoredValue::new(0) });
}

impl Toasts {
    pub fn say(self, tone: Tone, text: impl Into<String>) {
        let id = self.last_id.try_update_value(|id| {
            *id += 1;
            *id
        });
        let Some(id) = id else { return };
        self.shown.update(|shown| {
            shown.push(Toast { id, tone, text: text.into() });
            if shown.len() > 4 {
                shown.remove(0);
            }
        });
        if !matches!(tone, Tone::Bad | Tone::Warning) {
            set_timeout(move || self.close(id), SHOWN_FOR);
        }
    }

    fn close(self, id: u32) {
        self.shown.try_update(|shown| shown.retain(|toast| toast.id != id));
    }
}

/// Where the toasts appear. Once per page.
#[component]
pub fn ToastHost() -> impl IntoView {
    use_context::<Toasts>().map(|toasts| {
        view! {
            <div class="toast toast-end toast-bottom z-50 mb-12 max-w-full whitespace-normal" role="status" aria-live="polite">
                <For each=move || toasts.shown.get() key=|toast| toast.id let:toast>
                    <ToastCard toast toasts />
                </For>
            </div>
        }
    })
}

#[component]
fn ToastCard(toast: Toast, toasts: Toasts) -> impl IntoView {
    let glyph = match toast.tone {
        Tone::Good => Glyph::Check,
        Tone::Neutral | Tone::Accent => Glyph::Info,
        Tone::Warning | Tone::Bad => Glyph::Alert,
    };
    let id = toast.id;
    view! {
        <div class=format!("{} w-96 max-w-[calc(100vw-2rem)] items-start bg-base-100 shadow-lg", toast.tone.alert())>
            <Icon glyph class="size-5 shrink-0" />
            <span class="min-w-0 flex-1 text-sm text-base-content">{toast.text}</span>
            <button type="button" class="btn btn-ghost btn-xs btn-square" aria-label="Close this message" on:click=move |_| toasts.close(id)>
                <Icon glyph=Glyph::Cross class="size-3.5" />
            </button>
        </div>
    }
}
