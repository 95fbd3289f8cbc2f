//! Puts a text on the clipboard.

use std::time::Duration;

use leptos::prelude::*;

use super::{Glyph, Icon, browser};

#[component]
pub fn CopyButton(
    #[prop(into)] text: String,
    /// What is copied: `host name`.
    what: &'static str,
) -> impl IntoView {
    let copied = RwSignal::new(false);
    let copy = move |_| {
        browser::copy(&text);
        copied.try_set(true);
        set_timeout(
            move || {
                copied.try_set(false);
            },
            Duration::from_secs(2),
        );
    };
    let is_copied = move || copied.try_get().unwrap_or(false);
    view! {
        <button type="button" class="btn btn-ghost btn-xs btn-square needs-wasm" aria-label=format!("Copy the {what}") title=format!("Copy the {what}") on:click=copy>
            {move || {
                if is_copied() { view! { <Icon glyph=Glyph::Check class="size-3.5 text-success" /> } } else { view! { <Icon glyph=Glyph::Copy class="size-3.5" /> } }
            }}
            <span class="sr-only" role="status">
                {move || if is_copied() { "Copied" } else { "" }}
            </span>
        </button>
    }
}
