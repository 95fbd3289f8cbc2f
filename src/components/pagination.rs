//! Next and previous, as links: they work without WebAssembly and can be opened in a tab of their own.

use leptos::prelude::*;

use super::{Glyph, Icon};

#[component]
pub fn Pagination(
    /// Where the pages are; `None` where there is no such page.
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
) -> impl IntoView {
    view! {
        <nav class="flex items-center gap-2" aria-label="Pages">
            {first.map(|href| view! { <a class="btn btn-sm btn-ghost" href=href>"First page"</a> })}
            <PageLink href=previous rel="prev" text="Previous" />
            <PageLink href=next rel="next" text="Next" />
        </nav>
    }
}

#[component]
fn PageLink(href: Option<String>, rel: &'static str, text: &'static str) -> impl IntoView {
    let back = rel == "prev";
    let inside = move || {
        view! {
            {back.then(|| view! { <Icon glyph=Glyph::ChevronLeft /> })}
            {text}
            {(!back).then(|| view! { <Icon glyph=Glyph::ChevronRight /> })}
        }
    };
    match href {
        Some(href) => view! { <a class="btn btn-sm" href=href rel=rel>{inside()}</a> }.into_any(),
        None => view! { <span class="btn btn-sm btn-disabled" aria-disabled="true">{inside()}</span> }.into_any(),
    }
}
