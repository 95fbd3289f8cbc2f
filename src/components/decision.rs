//! The inside of a form that asks for a decision and its reason.

use leptos::prelude::*;

use super::{CancelButton, ReasonField, SubmitButton};

#[component]
pub fn Decision(
    /// The dialog that the form stands in.
    dialog: &'static str,
    /// A hidden field that says what is decided about: its name and its value.
    #[prop(optional)]
    about: Option<(&'static str, String)>,
    button: &'static str,
    #[prop(default = "btn btn-primary")] class: &'static str,
    #[prop(into)] pending: Signal<bool>,
    /// What the decision means, and further fields.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="flex flex-col gap-4">
            {about.map(|(name, value)| view! { <input type="hidden" name=name value=value /> })}
            {children()}
            <ReasonField id=format!("{dialog}-reason") />
        </div>
        <div class="modal-action">
            <CancelButton dialog />
            <SubmitButton text=button pending class why_not=None />
        </div>
    }
}
