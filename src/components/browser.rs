//! What the screens ask of the browser. Called from event handlers and effects only, which never run on the server.

use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use web_sys::{FormData, HtmlDialogElement, HtmlElement, HtmlFormElement};

/// Milliseconds since 1970, by the clock of the browser.
pub fn now_ms() -> f64 {
    web_sys::js_sys::Date::now()
}

/// Minutes to add to UTC to get local time at that moment.
pub fn offset_minutes(ms: f64) -> i64 {
    -web_sys::js_sys::Date::new(&ms.into()).get_timezone_offset() as i64
}

pub fn is_visible() -> bool {
    document().visibility_state() == web_sys::VisibilityState::Visible
}

/// Sets `html[data-hydrated]`: from now on a click is answered by WebAssembly.
pub fn mark_hydrated() {
    if let Some(root) = document().document_element() {
        let _ = root.set_attribute("data-hydrated", "");
    }
}

fn element<T: JsCast>(id: &str) -> Option<T> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

/// Opens a dialog unless its button's own command did so before WebAssembly had arrived.
pub fn show_dialog(id: &str) {
    if let Some(dialog) = element::<HtmlDialogElement>(id)
        && !dialog.open()
    {
        let _ = dialog.show_modal();
    }
}

pub fn close_dialog(id: &str) {
    if let Some(dialog) = element::<HtmlDialogElement>(id) {
        dialog.close();
    }
}

pub fn focus(id: &str) {
    if let Some(field) = element::<web_sys::HtmlInputElement>(id) {
        let _ = HtmlElement::focus(&field);
        field.select();
    }
}

/// Asks for the text to be put on the clipboard; the browser may refuse.
pub fn copy(text: &str) {
    let _ = window().navigator().clipboard().write_text(text);
}

/// The form that an event happened in.
pub fn form_of(event: &web_sys::Event) -> Option<HtmlFormElement> {
    let target: HtmlElement = event.current_target().or_else(|| event.target())?.dyn_into().ok()?;
    match target.dyn_into::<HtmlFormElement>() {
        Ok(form) => Some(form),
        Err(inside) => inside.closest("form").ok()??.dyn_into().ok(),
    }
}

/// The fields of a form as they stand: what a named field holds, empty when there is none.
pub fn field_of(form: &HtmlFormElement, name: &str) -> String {
    FormData::new_with_form(form).ok().and_then(|data| data.get(name).as_string()).unwrap_or_default()
}

pub fn remember(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(key, value);
    }
}

pub fn remembered(key: &str) -> Option<String> {
    window().local_storage().ok()??.get_item(key).ok()?
}
