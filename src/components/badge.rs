//! A word with an icon in a tone.

use leptos::prelude::*;

use super::{Glyph, Icon, Tone};

#[component]
pub fn Badge(
    tone: Tone,
    #[prop(optional, into)] glyph: Option<Glyph>,
    #[prop(into)] text: String,
    /// More about it, for a tooltip.
    #[prop(optional, into)]
    title: Option<String>,
) -> impl IntoView {
    view! {
        <span class=format!("badge badge-sm whitespace-nowrap {}", tone.badge()) title=title>
            {glyph.map(|glyph| view! { <Icon glyph class="size-3.5 shrink-0" /> })}
            {text}
        </span>
    }
}
