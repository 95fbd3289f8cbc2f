//! Commands and the schema: what runs the fleet brings an older ledger up to date, what only looks leaves it alone, and nobody touches a newer one.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use flotilla::cli;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::{
    older_ledger::{empty_ledger, one_behind},
    support::{World, until},
};

/// Whether it ended well, and what it said.
pub async fn flotilla(ledger: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.args(arguments).env_clear().env("DATABASE_URL", ledger);
    // What a server asks for before it looks at the ledger.
    command.env("NEON_API_KEY", "napi_none").env("FLOTILLA_SECRET_KEY", "00".repeat(32));
    let Output { status, stderr, stdout } =
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

/// One migration behind, with something in the ledger, as an older program would have left it.
async fn older_ledger() -> String {
    let (url, mut connection) = one_behind().await;
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
    for command in OTHERS.into_iter().chain([&["migrate"][..], &["serve"]]) {
        let (is_done, words) = flotilla(&ledger, command).await;
        assert!(!is_done && words.contains("set up by a newer Flotilla"), "{command:?}: {words}");
    }
}

/// What asks the health of a container is a program of its own, without any of the server's secrets.
#[tokio::test(flavor = "multi_thread")]
async fn health_is_asked_of_the_server_that_listens_where_the_settings_say() {
    let server = World::with_pool(0).await.serve().await;
    let port = reqwest::Url::parse(&server.url).unwrap().port().unwrap().to_string();
    for arguments in [
        &["health", "--port", &port][..],
        &["health", "--ready", "--port", &port],
        &["health", "--listen", "0.0.0.0", "--port", &port],
    ] {
        let (is_well, words) = flotilla("", arguments).await;
        assert!(is_well, "{arguments:?}: {words}");
    }
    let (is_well, words) = flotilla("", &["health", "--metrics-listen", "127.0.0.1:1", "--port", &port]).await;
    assert!(!is_well && words.contains("Nothing answers at 127.0.0.1:1. Is `flotilla serve` running"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_ready_is_alive_all_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let app = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(async || StatusCode::SERVICE_UNAVAILABLE));
    tokio::spawn(async move { axum::serve(listener, app).await });
    assert!(flotilla("", &["health", "--port", &port]).await.0);
    let (is_ready, words) = flotilla("", &["health", "--ready", "--port", &port]).await;
    assert!(!is_ready && words.contains("is not ready"), "{words}");
}

/// The archive that is installed holds them, and whoever has the program alone can make them.
#[test]
fn completions_and_manual_pages_know_every_command() {
    let commands: Vec<String> = cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    assert!(commands.len() > 10, "{commands:?}");
    for shell in ["bash", "fish", "zsh"] {
        let output = Command::new(env!("CARGO_BIN_EXE_flotilla")).args(["completions", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        for command in &commands {
            assert!(script.contains(command), "{shell} does not complete {command}");
        }
    }
    let folder = tempfile_folder();
    let output = Command::new(env!("CARGO_BIN_EXE_flotilla")).arg("manual").arg(&folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let main_page = fs::read_to_string(folder.join("flotilla.1")).unwrap();
    assert!(main_page.contains("DATABASE_URL"), "a setting is told with its variable");
    for command in &commands {
        let page = fs::read_to_string(folder.join(format!("flotilla-{command}.1"))).unwrap();
        assert!(page.contains(".SH NAME"), "{command}");
    }
    fs::remove_dir_all(folder).unwrap();
}

/// Starts `flotilla migrate`; what it says goes into this file.
fn migrating(ledger: &str, log: &Path) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.arg("migrate").env_clear().env("DATABASE_URL", ledger).stderr(fs::File::create(log).unwrap());
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_waits_longer_than_a_request_would_says_for_whom_and_runs_once() {
    let ledger = older_ledger().await;
    let folder = tempfile_folder();
    let logs = ["one", "other"].map(|name| folder.join(name));
    let said = |which: usize| fs::read_to_string(&logs[which]).unwrap_or_default();
    // Every migration writes into this table in its own transaction.
    let mut busy = PgConnection::connect(&ledger).await.unwrap();
    busy.execute("BEGIN; LOCK TABLE _sqlx_migrations IN SHARE MODE").await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut busy).await.unwrap();
    let mut one = migrating(&ledger, &logs[0]);
    until("the first says for whom it waits", || async { said(0).contains(&format!("the sessions [{pid}]")) }).await;
    let mut other = migrating(&ledger, &logs[1]);
    until("the second says that it waits", || async { said(1).contains("waiting for another Flotilla") }).await;
    // A request gives up after five seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(one.try_wait().unwrap().is_none() && other.try_wait().unwrap().is_none(), "{}{}", said(0), said(1));
    busy.execute("COMMIT").await.unwrap();
    let ended = tokio::task::spawn_blocking(move || [one.wait().unwrap(), other.wait().unwrap()]).await.unwrap();
    assert!(ended.iter().all(|status| status.success()), "{}{}", said(0), said(1));
    assert!(
        said(0).contains("1 of 1") && !said(1).contains("1 of 1"),
        "who waited has nothing left to do: {}",
        said(1)
    );
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_is_undone_named_and_can_be_repeated() {
    let ledger = older_ledger().await;
    let before = migrations(&ledger).await;
    let mut connection = PgConnection::connect(&ledger).await.unwrap();
    let refuse = format!("ALTER TABLE _sqlx_migrations ADD CONSTRAINT no_more CHECK (version <= {before})");
    connection.execute(AssertSqlSafe(refuse)).await.unwrap();
    let (is_done, words) = flotilla(&ledger, &["migrate"]).await;
    assert!(!is_done && words.contains("migration "), "{words}");
    assert!(words.contains("failed and was undone") && words.contains("no_more"), "{words}");
    assert_eq!(migrations(&ledger).await, before);
    connection.execute("ALTER TABLE _sqlx_migrations DROP CONSTRAINT no_more").await.unwrap();
    let (is_done, words) = flotilla(&ledger, &["migrate"]).await;
    assert!(is_done, "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_repair_of_an_empty_ledger_names_the_setting_that_is_wrong() {
    let ledger = empty_ledger().await;
    assert!(flotilla(&ledger, &["migrate"]).await.0);
    for command in [&["ledger", "repair", "--apply"][..], &["ledger", "give-back", "none", "--owner", "ada"]] {
        let (is_done, words) = flotilla(&ledger, command).await;
        assert!(!is_done && words.contains("This ledger is empty") && words.contains("DATABASE_URL"), "{words}");
    }
}
