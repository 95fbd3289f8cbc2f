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

/// Attaches to the HTML that the server rendered.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(app::App);
}
