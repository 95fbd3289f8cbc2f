//! A text that somebody else wrote, as it is shown on every screen.

use leptos::prelude::*;

use fleet_types::text;

/// Isolated, so that its direction of writing ends with it, and with everything visible that would not be seen.
#[component]
pub fn UserText(#[prop(into)] text: String) -> impl IntoView {
    view! { <bdi>{text::visible(&text)}</bdi> }
}
