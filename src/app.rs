//! The HTML shell and the routes.
//!
//! All pages are rendered whole on the server (`SsrMode::Async`): rows stand in the first HTML, status codes follow the data,
//! and everything reads without WebAssembly.

use leptos::prelude::*;
use leptos_meta::{MetaTags, Title, provide_meta_context};
use leptos_router::components::{ParentRoute, Route, Router, Routes};
use leptos_router::{SsrMode, path};

use crate::components::{provide_clock, provide_toasts};
use crate::entry_files::EntryFiles;
use crate::pages::{
    DatabasePage, DatabasesPage, EnginePage, FindingPage, FleetPage, Frame, FrameOutlet, LookupPage, NotFoundPage,
    PoolPage, PoolPolicyPage, PoolsPage, ProblemsPage, SignInPage, provide_operator,
};
use fleet_types::text;

/// The page around the application; rendered on the server only.
pub fn shell(files: EntryFiles) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <script src="/theme.js"></script>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <link rel="stylesheet" href=files.style.clone() />
                <Hydration files />
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// Loads the WebAssembly. Written here because the framework's own component puts the nonce of the page into `crossorigin`.
#[component]
fn Hydration(files: EntryFiles) -> impl IntoView {
    let EntryFiles { script, wasm, .. } = files;
    let start =
        format!("import({script:?}).then(m => m.default({{ module_or_path: {wasm:?} }}).then(() => m.hydrate()))");
    view! {
        <link rel="modulepreload" href=script />
        <link rel="preload" href=wasm r#as="fetch" r#type="application/wasm" crossorigin="" />
        <script type="module" nonce=leptos::nonce::use_nonce()>
            {start}
        </script>
    }
}

#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    provide_operator();
    provide_clock();
    provide_toasts();
    view! {
        <Title formatter=whole_title />
        <Router>
            <Routes fallback=not_found>
                <Route path=path!("/sign-in") view=SignInPage ssr=SsrMode::Async />
                <ParentRoute path=path!("") view=FrameOutlet>
                    <Route path=path!("/") view=FleetPage ssr=SsrMode::Async />
                    <Route path=path!("/databases") view=DatabasesPage ssr=SsrMode::Async />
                    <Route path=path!("/databases/:id") view=DatabasePage ssr=SsrMode::Async />
                    <Route path=path!("/pools") view=PoolsPage ssr=SsrMode::Async />
                    <Route path=path!("/pools/:name") view=PoolPage ssr=SsrMode::Async />
                    <Route path=path!("/pools/:name/policy") view=PoolPolicyPage ssr=SsrMode::Async />
                    <Route path=path!("/problems") view=ProblemsPage ssr=SsrMode::Async />
                    <Route path=path!("/problems/:id") view=FindingPage ssr=SsrMode::Async />
                    <Route path=path!("/engine") view=EnginePage ssr=SsrMode::Async />
                    <Route path=path!("/budget") view=budget_page() ssr=SsrMode::Async />
                    <Route path=path!("/lookup") view=LookupPage ssr=SsrMode::Async />
                </ParentRoute>
            </Routes>
        </Router>
    }
}

/// Few open it: where the WebAssembly is split, a browser loads it only then.
#[cfg(feature = "split")]
fn budget_page() -> leptos_router::Lazy<crate::pages::BudgetPart> {
    leptos_router::Lazy::new()
}

#[cfg(not(feature = "split"))]
fn budget_page() -> fn() -> AnyView {
    || view! { <crate::pages::BudgetPage /> }.into_any()
}

/// Every title passes here. The framework writes what comes out into the HTML as it stands, and in the browser takes it as text.
fn whole_title(title: String) -> String {
    let title =
        if title.is_empty() { String::from("Flotilla") } else { format!("{} · Flotilla", text::visible(&title)) };
    if cfg!(feature = "ssr") { title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;") } else { title }
}

fn not_found() -> impl IntoView {
    view! {
        <Frame>
            <NotFoundPage />
        </Frame>
    }
}
