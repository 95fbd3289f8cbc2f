//! The three sentences of the architecture, kept true: only `ledger` writes SQL, only `engine` calls Neon, only `rpc` and `http` see a request.

use std::{
    fs,
    path::{Path, PathBuf},
};

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

/// Files outside of `allowed` (folders or files below `src`) whose code holds one of `words`.
fn offenders(words: &[&str], allowed: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
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
fn only_the_ledger_writes_sql() {
    let words = ["sqlx::query", "query!(", "query_as!(", "query_scalar!(", "QueryBuilder", "raw_sql"];
    assert_eq!(offenders(&words, &["server/ledger/"]), [""; 0]);
}

#[test]
fn only_the_engine_calls_neon() {
    let words = [
        ".create_project(",
        ".update_project(",
        ".delete_project(",
        ".recover_project(",
        ".suspend_endpoint(",
        ".start_endpoint(",
        ".get_project(",
        ".list_projects(",
        ".consumption(",
        ".consumption_v2(",
    ];
    // The demonstration plays the people in Neon's own console.
    assert_eq!(offenders(&words, &["server/engine/", "server/demo/mishaps.rs"]), [""; 0]);
}

#[test]
fn only_rpc_and_http_see_a_request() {
    // `auth` reads the one header that says who is asking.
    let words = ["http::request::Parts", "extract::Request", "HeaderMap"];
    assert_eq!(offenders(&words, &["server/http/", "rpc/", "server/auth/"]), [""; 0]);
}

/// `FOR UPDATE` stands in the way of every row that refers to the locked one, such as an event or a finding; `FOR NO KEY UPDATE` does not.
#[test]
fn locks_leave_foreign_keys_alone() {
    assert_eq!(offenders(&["FOR UPDATE"], &[]), [""; 0]);
}
