//! The one dialog: native, modal, closed by Esc, the backdrop or Cancel.

use leptos::prelude::*;

use super::{Glyph, Icon, browser};

/// Why the form in a dialog was refused. Shown inside of it, because it covers everything else.
#[derive(Clone, Copy)]
pub struct Refusal(RwSignal<Option<(&'static str, String)>>);

impl Refusal {
    pub fn new() -> Self {
        Self(RwSignal::new(None))
    }

    pub fn show(self, dialog: &'static str, text: String) {
        self.0.try_set(Some((dialog, text)));
    }

    pub fn clear(self) {
        self.0.try_set(None);
    }

    fn of(self, dialog: &str) -> Option<String> {
        self.0.try_get().flatten().filter(|(refused, _)| *refused == dialog).map(|(_, text)| text)
    }
}

impl Default for Refusal {
    fn default() -> Self {
        Self::new()
    }
}

#[component]
pub fn Dialog(
    id: &'static str,
    #[prop(into)] title: String,
    refusal: Refusal,
    #[prop(default = "modal-box")] class: &'static str,
    children: Children,
) -> impl IntoView {
    let title_id = format!("{id}-title");
    let labelled_by = title_id.clone();
    view! {
        <dialog id=id on:close=move |_| refusal.clear() class="modal modal-bottom sm:modal-middle" aria-labelledby=labelled_by>
            <div class=class>
                <h2 id=title_id class="mb-3 text-lg font-semibold">
                    {title}
                </h2>
                {move || refusal.of(id).map(|text| view! {
                    <div class="notice notice-error mb-4" role="alert">
                        <Icon glyph=Glyph::Alert class="size-5 shrink-0" />
                        <p class="text-sm">{text}</p>
                    </div>
                })}
                {children()}
            </div>
            <form method="dialog" class="modal-backdrop">
                <button tabindex="-1">"Close"</button>
            </form>
        </dialog>
    }
}

/// Closes the dialog and changes nothing.
#[component]
pub fn CancelButton(#[prop(into)] dialog: String) -> impl IntoView {
    let id = dialog.clone();
    view! {
        <button type="button" class="btn btn-ghost" command="close" commandfor=dialog on:click=move |event| {
            event.prevent_default();
            browser::close_dialog(&id);
        }>
            "Cancel"
        </button>
    }
}
