//! The one dialog: native, modal, closed by Esc, the backdrop or Cancel.

use leptos::prelude::*;

use super::browser;

#[component]
pub fn Dialog(
    #[prop(into)] id: String,
    #[prop(into)] title: String,
    #[prop(default = "modal-box")] class: &'static str,
    children: Children,
) -> impl IntoView {
    let title_id = format!("{id}-title");
    let labelled_by = title_id.clone();
    view! {
        <dialog id=id class="modal modal-bottom sm:modal-middle" aria-labelledby=labelled_by>
            <div class=class>
                <h2 id=title_id class="mb-3 text-lg font-semibold">
                    {title}
                </h2>
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
        <button type="button" class="btn btn-ghost" command="close" commandfor=dialog on:click=move |_| browser::close_dialog(&id)>
            "Cancel"
        </button>
    }
}
