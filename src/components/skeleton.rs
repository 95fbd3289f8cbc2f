//! What stands in for a page on its way.

use leptos::prelude::*;

#[component]
pub fn Skeleton(
    /// What is being loaded, for screen readers.
    what: &'static str,
) -> impl IntoView {
    view! {
        <div class="flex flex-col gap-4" role="status">
            <span class="sr-only">{format!("Loading {what}…")}</span>
            <div class="skeleton h-8 w-56"></div>
            <div class="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
                {(0..4).map(|_| view! { <div class="skeleton h-24"></div> }).collect_view()}
            </div>
            <div class="skeleton h-80"></div>
        </div>
    }
}
