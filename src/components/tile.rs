//! One number with its meaning, linked to what is behind it.

use leptos::prelude::*;

use super::{Glyph, Icon, Tone};

#[component]
pub fn Tile(
    label: &'static str,
    #[prop(into)] value: String,
    /// Below the number: compared with what, as of when, out of how many.
    #[prop(optional_no_strip)]
    note: Option<String>,
    /// The list behind the number.
    #[prop(optional_no_strip)]
    href: Option<String>,
    #[prop(default = Tone::Neutral)] tone: Tone,
) -> impl IntoView {
    let glyph = match tone {
        Tone::Neutral | Tone::Accent => None,
        Tone::Good => Some(Glyph::Check),
        Tone::Warning | Tone::Bad => Some(Glyph::Alert),
    };
    let inside = view! {
        <span class="flex items-center justify-between gap-2 text-sm text-muted">
            {label} {glyph.map(|glyph| view! { <span class=tone.text()><Icon glyph /></span> })}
        </span>
        <span class="mt-1 block text-2xl font-semibold tracking-tight tabular-nums">{value}</span>
        <span class="mt-0.5 block min-h-5 text-xs text-muted">{note}</span>
    };
    match href {
        Some(href) => view! { <a class="panel tile block p-4" href=href>{inside}</a> }.into_any(),
        None => view! { <div class="panel block p-4">{inside}</div> }.into_any(),
    }
}
