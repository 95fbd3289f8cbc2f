//! Tables: they scroll in a box of their own, never the page.

use leptos::prelude::*;

use super::{Glyph, Icon};

#[component]
pub fn Table(
    /// What the rows are, for screen readers.
    #[prop(into)]
    label: String,
    /// Rows become cards on a phone; each cell needs a `data-label`.
    #[prop(default = false)]
    cards: bool,
    /// In a card the cells stand side by side, each below its label: for short numbers.
    #[prop(default = false)]
    numbers: bool,
    /// The cells of the head.
    head: AnyView,
    /// The rows.
    children: Children,
) -> impl IntoView {
    let class = match (cards, numbers) {
        (true, true) => "table table-sm table-cards table-numbers",
        (true, false) => "table table-sm table-cards",
        (false, _) => "table table-sm",
    };
    view! {
        <div class="scroll-hint overflow-x-auto" role="region" aria-label=label tabindex="0">
            <table class=class>
                <thead>
                    <tr>{head}</tr>
                </thead>
                <tbody>{children()}</tbody>
            </table>
        </div>
    }
}

/// The head of a column by which the table can be ordered: a link to the same table in that order.
#[component]
pub fn SortLink(
    #[prop(into)] text: String,
    #[prop(into)] href: String,
    is_current: bool,
    #[prop(default = "")] class: &'static str,
) -> impl IntoView {
    view! {
        <th scope="col" class=class aria-sort=is_current.then_some("descending")>
            <a class="inline-flex items-center gap-1 hover:text-base-content" class=("text-base-content", is_current) href=href>
                {text}
                <Icon glyph=Glyph::ArrowDown class=if is_current { "size-3.5" } else { "size-3.5 opacity-30" } />
            </a>
        </th>
    }
}
