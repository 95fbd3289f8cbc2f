//! A release build of the server holds the console's files, so they must have been built before it. Any other build reads them from their folder at run
//! time, and does without them if they are not there.

use std::{env, path::Path};

const NOT_BUILT: &str = "The console's files are not built: run `make build` in the checkout. It makes them, and then target/release/flotilla, \
                         which holds them; after it, `cargo install --path .` works too";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(embed_site)");
    let is_server = env::var_os("CARGO_FEATURE_SSR").is_some();
    if !is_server || env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    // A failure is not remembered: the next build looks again.
    if Path::new("target/site/pkg").is_dir() {
        println!("cargo::rustc-cfg=embed_site");
    } else {
        println!("cargo::error={NOT_BUILT}");
    }
}
