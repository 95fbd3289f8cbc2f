//! Commands and the schema: what runs the fleet brings an older ledger up to date, what only looks leaves it alone, and nobody touches a newer one.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, migrate::Migrator};
use uuid::Uuid;

use crate::support::postgres_url;

/// A fresh database for a ledger.
async fn empty_ledger() -> String {
    let name = format!("flotilla_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&postgres_url()).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"))).await.unwrap();
    let mut url = reqwest::Url::parse(&postgres_url()).unwrap();
    url.set_path(&name);
    url.to_string()
}

async fn flotilla(ledger: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.args(arguments).env_clear().env("DATABASE_URL", ledger);
    let Output { status, stderr, .. } = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (status.success(), String::from_utf8(stderr).unwrap())
}

/// All migrations but the last, with something in the ledger, as an older program would have left it.
async fn older_ledger() -> String {
    let url = empty_ledger().await;
    let folder = tempfile_folder();
    let mut files: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in &files[..files.len() - 1] {
        fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
    }
    let mut connection = PgConnection::connect(&url).await.unwrap();
    Migrator::new(folder.as_path()).await.unwrap().run(&mut connection).await.unwrap();
    fs::remove_dir_all(folder).unwrap();
    let operator = "INSERT INTO operators (id, email, name, role) VALUES (gen_random_uuid(), 'ada@staff.example', 'Ada', 'viewer')";
    connection.execute(operator).await.unwrap();
    url
}

fn tempfile_folder() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("flotilla-migrations-{}", Uuid::now_v7().simple()));
    fs::create_dir(&folder).unwrap();
    folder
}

async fn migrations(ledger: &str) -> i64 {
    let mut connection = PgConnection::connect(ledger).await.unwrap();
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut connection).await.unwrap()
}

/// Every command that only looks, or changes a little.
const OTHERS: [&[&str]; 5] = [
    &["doctor", "--no-neon"],
    &["token", "list"],
    &["operator", "list"],
    &["pool", "list"],
    &["token", "revoke", "none"],
];

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_only_look_refuse_an_older_ledger_and_name_the_one_that_migrates() {
    let ledger = older_ledger().await;
    let before = migrations(&ledger).await;
    for command in OTHERS {
        let (is_done, words) = flotilla(&ledger, command).await;
        assert!(!is_done && words.contains("Run `flotilla migrate` first"), "{command:?}: {words}");
    }
    assert_eq!(migrations(&ledger).await, before, "nothing was changed");
    let (is_done, words) = flotilla(&ledger, &["migrate"]).await;
    assert!(is_done, "{words}");
    assert!(migrations(&ledger).await > before);
    let (is_done, words) = flotilla(&ledger, &["operator", "list"]).await;
    assert!(is_done, "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_ledger_is_set_up_by_whatever_comes_first() {
    let ledger = empty_ledger().await;
    let (is_done, words) = flotilla(&ledger, &["token", "list"]).await;
    assert!(is_done, "{words}");
    assert!(migrations(&ledger).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_a_newer_program_is_refused_in_a_sentence() {
    let ledger = empty_ledger().await;
    assert!(flotilla(&ledger, &["migrate"]).await.0);
    let mut connection = PgConnection::connect(&ledger).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', true, 'x', 1)";
    connection.execute(newer).await.unwrap();
    for command in OTHERS.into_iter().chain([&["migrate"][..], &["serve", "--port", "0"]]) {
        let (is_done, words) = flotilla(&ledger, command).await;
        assert!(!is_done && words.contains("set up by a newer Flotilla"), "{command:?}: {words}");
    }
}
