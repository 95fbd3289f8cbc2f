//! Flotilla: a fleet console and pool engine for platforms that give every user a Postgres database on Neon.
//!
//! - [`types`]: plain data that browser and server share
//! - [`components`]: look and behaviour that know nothing of databases
//! - [`pages`]: one file per screen
//! - [`rpc`]: server functions, the pages' way to the server
//! - [`server`]: everything that never reaches the browser

#![recursion_limit = "256"]

pub mod app;
pub mod components;
pub mod pages;
pub mod rpc;
#[cfg(feature = "ssr")]
pub mod server;
pub use fleet_types as types;

/// Attaches to the HTML that the server rendered. A page that is a part of its own is loaded first.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub async fn hydrate() {
    console_error_panic_hook::set_once();
    if let Some(body) = leptos::prelude::document().body() {
        leptos::mount::hydrate_from_async(body, app::App).await.forget();
        components::browser::mark_hydrated();
    }
}
