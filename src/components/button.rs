//! Buttons that open a dialog or send a form. A button that may not be used stays visible and says why.

use leptos::prelude::*;

use super::{Glyph, Icon, browser};

/// Opens a [`Dialog`](super::Dialog). Browsers that know invoker commands open it before WebAssembly has arrived.
#[component]
pub fn OpenDialog(
    /// The id of the dialog.
    #[prop(into)]
    dialog: String,
    #[prop(into)] text: String,
    glyph: Glyph,
    #[prop(default = "btn btn-sm")] class: &'static str,
    /// Why it is off.
    #[prop(optional_no_strip)]
    why_not: Option<String>,
) -> impl IntoView {
    let id = dialog.clone();
    view! {
        <button
            type="button"
            class=class
            command="show-modal"
            commandfor=dialog
            disabled=why_not.is_some()
            title=why_not
            on:click=move |event| {
                // Instead of the command, which would find the dialog open.
                event.prevent_default();
                browser::show_dialog(&id);
            }
        >
            <Icon glyph />
            {text}
        </button>
    }
}

/// Sends the form it stands in; shows that it is under way and cannot be pressed twice.
#[component]
pub fn SubmitButton(
    #[prop(into)] text: String,
    #[prop(into)] pending: Signal<bool>,
    #[prop(default = "btn btn-primary")] class: &'static str,
    #[prop(optional, into)] glyph: Option<Glyph>,
    /// Why it is off.
    #[prop(optional_no_strip)]
    why_not: Option<String>,
) -> impl IntoView {
    let off = why_not.is_some();
    view! {
        <button type="submit" class=class disabled=move || off || pending.try_get().unwrap_or(false) title=why_not>
            {move || {
                if pending.try_get().unwrap_or(false) {
                    view! { <span class="loading loading-spinner loading-xs" aria-hidden="true"></span> }.into_any()
                } else {
                    glyph.map(|glyph| view! { <Icon glyph /> }).into_any()
                }
            }}
            {text}
        </button>
    }
}
