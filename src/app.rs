//! The HTML shell, the routes, the frame around every page.

use leptos::prelude::*;

#[component]
pub fn App() -> impl IntoView {
    view! { <main></main> }
}
