//! The architecture, kept true: who may depend on SQL and on Neon's client (Cargo sees to it that nobody else uses them), that only `rpc` and `http` see a
//! request, and how rows are locked.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The workspace's own packages, with what each is built from; what only its tests use is left out.
fn dependencies() -> Vec<(String, BTreeSet<String>)> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let package = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        let built_from =
            all.filter(|dependency| dependency["kind"] != "dev").map(|dependency| text(&dependency["name"]));
        (text(&package["name"]), built_from.collect())
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn dependents_of(name: &str) -> BTreeSet<String> {
    dependencies().into_iter().filter(|(_, built_from)| built_from.contains(name)).map(|(package, _)| package).collect()
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn only_ledger_and_probe_have_sql() {
    // The emulator is no part of the product: it stands in for Neon.
    assert_eq!(dependents_of("sqlx"), names(["ledger", "neon-emulator", "probe"]));
}

#[test]
fn only_the_engine_has_the_client_of_neon() {
    assert_eq!(dependents_of("neon-client"), names(["engine"]));
}

/// Two readings of one specification check each other only as long as they share nothing; and what is of use by itself depends on nothing of ours.
#[test]
fn what_stands_alone_shares_nothing() {
    let packages = dependencies();
    let ours: BTreeSet<_> = packages.iter().map(|(name, _)| name.clone()).collect();
    let shared = |of: &str| {
        let (_, built_from) = packages.iter().find(|(package, _)| package == of).unwrap();
        built_from.intersection(&ours).cloned().collect::<BTreeSet<_>>()
    };
    for name in ["embedded-postgres", "fleet-types", "neon-client", "trace"] {
        assert_eq!(shared(name), names([]), "{name}");
    }
    assert_eq!(shared("neon-emulator"), names(["embedded-postgres"]));
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Files below `folder` but outside of `allowed` (folders or files in it) whose code holds one of `words`.
fn offenders(folder: &str, words: &[&str], allowed: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "the sources are not where they were");
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let code = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        if !allowed.iter().any(|folder| name.starts_with(folder))
            && code.into_iter().any(|line| words.iter().any(|word| line.contains(word)))
        {
            found.push(name);
        }
    }
    found
}

#[test]
fn only_rpc_and_http_see_a_request() {
    // The cookie is the one header that says who is asking. The crates of ledger and engine have no HTTP server to see one.
    let words = ["http::request::Parts", "extract::Request", "HeaderMap"];
    assert_eq!(offenders("src", &words, &["http/", "rpc/", "auth/cookie.rs"]), [""; 0]);
    assert_eq!(dependents_of("axum"), names(["flotilla", "neon-emulator"]));
}

/// `FOR UPDATE` stands in the way of every row that refers to the locked one, such as an event or a finding; `FOR NO KEY UPDATE` does not.
#[test]
fn locks_leave_foreign_keys_alone() {
    assert_eq!(offenders("crates/ledger/src", &["FOR UPDATE"], &[]), [""; 0]);
}
