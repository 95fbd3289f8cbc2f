//! Flotilla: a fleet console and pool engine for platforms that give every user a Postgres database on Neon.
//!
//! Browser and server share
//! - [`components`]: look and behaviour that know nothing of databases
//! - [`pages`]: one file per screen
//! - [`rpc`]: server functions, the pages' way to the server
//!
//! Everything else never reaches the browser. Three sentences are the architecture: only [`ledger`] writes SQL, only [`engine`] calls Neon, only [`rpc`] and
//! [`http`] see a request.

#![recursion_limit = "256"]

pub mod app;
pub mod components;
pub mod entry_files;
pub mod pages;
pub mod rpc;

#[cfg(feature = "ssr")]
pub mod auth;
#[cfg(feature = "ssr")]
pub mod cli;
#[cfg(feature = "ssr")]
pub mod config;
#[cfg(feature = "ssr")]
pub mod demo;
#[cfg(feature = "ssr")]
pub mod http;
#[cfg(feature = "ssr")]
pub mod keys;
#[cfg(feature = "ssr")]
pub mod metrics;
#[cfg(feature = "ssr")]
pub mod output;
#[cfg(feature = "ssr")]
pub mod site;
#[cfg(feature = "ssr")]
pub mod start;
#[cfg(feature = "ssr")]
pub mod state;
#[cfg(feature = "ssr")]
pub mod stop;
#[cfg(feature = "ssr")]
pub mod telemetry;

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
