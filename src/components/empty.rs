//! Nothing to show: what that means, and what to do.

use leptos::prelude::*;

use super::{Glyph, Icon};

#[component]
pub fn EmptyState(
    glyph: Glyph,
    #[prop(into)] title: String,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <div class="flex flex-col items-center gap-2 px-6 py-12 text-center">
            <span class="grid size-12 place-items-center rounded-full bg-base-200 text-muted">
                <Icon glyph class="size-6" />
            </span>
            <p class="font-medium">{title}</p>
            {children.map(|children| view! { <div class="max-w-prose text-sm text-muted">{children()}</div> })}
        </div>
    }
}
