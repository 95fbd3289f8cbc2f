//! The parts a page is made of: its head, titled panels, and facts in pairs.

use leptos::prelude::*;
use leptos_meta::Title;

/// The title of the page, on it and on the tab, with what can be done beside it.
#[component]
pub fn PageHead(
    #[prop(into)] title: String,
    /// Under the title.
    #[prop(optional, into)]
    note: Option<String>,
    #[prop(optional)] children: Option<Children>,
) -> impl IntoView {
    view! {
        <Title text=title.clone() />
        <header class="mb-5 flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
            <div class="min-w-0">
                <h1 class="wrap-anywhere text-xl font-semibold tracking-tight sm:text-2xl"><bdi>{title}</bdi></h1>
                {note.map(|note| view! { <p class="mt-0.5 text-sm text-muted">{note}</p> })}
            </div>
            {children.map(|children| view! { <div class="flex flex-wrap items-center gap-2">{children()}</div> })}
        </header>
    }
}

/// A titled box.
#[component]
pub fn Panel(
    #[prop(into)] title: String,
    /// At the right of the title; follows the signals that it reads.
    #[prop(optional, into)]
    aside: Option<ViewFn>,
    /// Without the inner margin, for tables and lists.
    #[prop(default = false)]
    flush: bool,
    #[prop(default = "")] class: &'static str,
    children: Children,
) -> impl IntoView {
    let label = title.clone();
    view! {
        <section class=format!("panel {class}") aria-label=label>
            <div class="flex min-h-11 flex-wrap items-center justify-between gap-2 border-b border-base-300 px-4 py-2">
                <h2 class="text-sm font-semibold">{title}</h2>
                {aside.map(|aside| move || aside.run())}
            </div>
            <div class=if flush { "" } else { "p-4" }>{children()}</div>
        </section>
    }
}

/// A name and what it is.
#[component]
pub fn Fact(name: &'static str, children: Children) -> impl IntoView {
    view! {
        <div class="flex flex-wrap items-baseline justify-between gap-x-4 gap-y-0.5 py-1.5">
            <dt class="text-sm text-muted">{name}</dt>
            <dd class="min-w-0 text-sm break-words">{children()}</dd>
        </div>
    }
}
