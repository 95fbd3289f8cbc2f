//! Connections to databases, with a real client and the strings that the API hands out.

use std::net::SocketAddr;

use neon_emulator::{Config, Cut};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor, PgPool};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{Created, TestEmulator, config, eventually};

async fn state(test: &TestEmulator, created: &Created) -> String {
    test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"]["current_state"].as_str().unwrap().to_owned()
}

async fn logical_size(test: &TestEmulator, created: &Created) -> i64 {
    test.api.get(&created.branch_path()).await.ok(200)["branch"]["logical_size"].as_i64().unwrap()
}

/// The SQLSTATE and text of a refused connection.
async fn refusal(uri: &str) -> (String, String) {
    let error = PgConnection::connect(uri).await.expect_err("refused");
    let error = error.into_database_error().expect("an answer in the Postgres protocol");
    (error.code().unwrap().into_owned(), error.message().to_owned())
}

#[tokio::test]
async fn the_connection_string_works_as_it_is() {
    let test = TestEmulator::start().await;
    let created = test.api.create("connected").await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("CREATE TABLE notes (text text)").await.unwrap();
    connection.execute("INSERT INTO notes VALUES ('kept')").await.unwrap();
    connection.close().await.unwrap();

    let pooled = test.api.uri(&created, true).await;
    assert!(pooled.ends_with("-pooler"), "{pooled}");
    let mut connection = PgConnection::connect(&pooled).await.unwrap();
    let text: String = sqlx::query_scalar("SELECT text FROM notes").fetch_one(&mut connection).await.unwrap();
    assert_eq!(text, "kept");
    connection.close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn names_with_unusual_letters_work_too() {
    let test = TestEmulator::start().await;
    let branch = json!({"role_name": "Größe 'x' \"y\"", "database_name": "a/b?c=d & a database name which is rather long in bytes"});
    let created = test.api.create_as(json!({ "branch": branch })).await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("CREATE TABLE t (i int)").await.unwrap();
    connection.close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn wrong_credentials_are_refused_in_the_clients_own_terms() {
    let test = TestEmulator::start().await;
    let created = test.api.create("guarded").await;
    let uri = created.uri();
    let (code, text) = refusal(&uri.replace("npg_", "wrong_")).await;
    assert_eq!((code.as_str(), text.as_str()), ("28P01", "password authentication failed for user \"neondb_owner\""));
    assert_eq!(refusal(&uri.replace("neondb_owner:", "stranger:")).await.0, "28P01");
    assert_eq!(refusal(&uri.replace("/neondb?", "/otherdb?")).await.0, "3D000");
    let (_, text) = refusal(&uri.replace(created.endpoint_id(), "ep-no-such-a1234567")).await;
    assert!(text.starts_with("The requested endpoint could not be found"), "{text}");
    let (_, text) = refusal(uri.split("&options").next().unwrap()).await;
    assert!(text.starts_with("Endpoint ID is not specified"), "{text}");
    test.finish().await;
}

#[tokio::test]
async fn a_tenant_can_enter_no_other_database() {
    let test = TestEmulator::start().await;
    let (one, other) = (test.api.create("one").await, test.api.create("other").await);
    for created in [&one, &other] {
        PgConnection::connect(created.uri()).await.unwrap().close().await.unwrap();
    }
    let crossed = one.uri().replace(one.endpoint_id(), other.endpoint_id());
    assert_eq!(refusal(&crossed).await.0, "28P01", "the password of one does not open the other");

    // Even past the proxy, straight to the backing server, the rights of the role end at its own database.
    let backing =
        |created: &Created, part: &str| -> String { format!("{}.{}.{part}", test.config.state_database, created.id()) };
    let server: PgConnectOptions = crate::support::database_url().parse().unwrap();
    let tenant =
        server.username(&backing(&one, "neondb_owner")).password(one.0["roles"][0]["password"].as_str().unwrap());
    let mut own = tenant.clone().database(&backing(&one, "neondb")).connect().await.unwrap();
    for forbidden in ["CREATE DATABASE mine", "CREATE ROLE mine", "ALTER ROLE CURRENT_USER SUPERUSER"] {
        own.execute(forbidden).await.expect_err(forbidden);
    }
    own.close().await.unwrap();
    for closed in [backing(&other, "neondb"), test.config.state_database.clone()] as [String; 2] {
        let error = tenant.clone().database(&closed).connect().await.expect_err(&closed);
        assert_eq!(error.into_database_error().unwrap().code().unwrap(), "42501", "{closed}");
    }
    test.finish().await;
}

#[tokio::test]
async fn suspending_cuts_the_connection_and_the_next_one_wakes() {
    let test = TestEmulator::start().await;
    let created = test.api.create("cut").await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    test.api.act(&format!("{}/suspend", created.endpoint_path())).await.ok(200);
    let error = connection.execute("SELECT 1").await.expect_err("the session has ended");
    if let Some(words) = error.as_database_error() {
        assert_eq!(words.code().unwrap(), "57P01");
    }
    assert_eq!(state(&test, &created).await, "idle");

    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    assert_eq!(state(&test, &created).await, "active");
    let operations = test.api.get(&format!("{}/operations?limit=1", created.path())).await.ok(200);
    assert_eq!(operations["operations"][0]["action"], "start_compute");
    connection.execute("SELECT 1").await.unwrap();
    connection.close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn a_cold_start_takes_its_time_and_locks_the_project() {
    let test = TestEmulator::with(Config { operation_time_scale: 100.0, ..config() }).await;
    let created = test.api.create("cold").await;
    test.advance(481);
    test.api.act(&format!("{}/suspend", created.endpoint_path())).await.ok(200);
    test.advance(31);
    let (connected, locked) = tokio::join!(PgConnection::connect(created.uri()), async {
        eventually("the start", || async { test.emulator.projects().await.unwrap()[0].busy.then_some(()) }).await;
        let locked = test.api.patch(&created.path(), json!({"project": {"name": "x"}})).await.status;
        test.advance(51);
        locked
    });
    connected.unwrap().close().await.unwrap();
    assert_eq!(locked, 423);
    test.finish().await;
}

#[tokio::test]
async fn a_connection_waits_for_the_creation_of_its_project() {
    let test = TestEmulator::with(Config { operation_time_scale: 100.0, ..config() }).await;
    let created = test.api.create("early").await;
    let (connected, ()) = tokio::join!(PgConnection::connect(created.uri()), async {
        eventually("the connection", || async { (test.emulator.open_connections() == 1).then_some(()) }).await;
        test.advance(481);
    });
    connected.unwrap().close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn connections_keep_the_compute_awake_and_the_last_lets_it_sleep() {
    let test = TestEmulator::start().await;
    let created = test.api.create("held").await;
    let mut first = PgConnection::connect(created.uri()).await.unwrap();
    let second = PgConnection::connect(created.uri()).await.unwrap();
    assert_eq!(test.emulator.open_connections(), 2);
    second.close().await.unwrap();
    eventually("the end of one", || async { (test.emulator.open_connections() == 1).then_some(()) }).await;
    test.advance(1_000);
    assert_eq!(state(&test, &created).await, "active");
    first.execute("SELECT 1").await.unwrap();
    first.close().await.unwrap();
    eventually("the end of both", || async { (test.emulator.open_connections() == 0).then_some(()) }).await;
    eventually("the idle compute", || async {
        test.advance(301);
        (state(&test, &created).await == "idle").then_some(())
    })
    .await;
    test.finish().await;
}

#[tokio::test]
async fn a_disabled_or_deleted_endpoint_takes_no_connection() {
    let test = TestEmulator::start().await;
    let created = test.api.create("closed").await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    test.api.patch(&created.endpoint_path(), json!({"endpoint": {"disabled": true}})).await.ok(200);
    connection.execute("SELECT 1").await.expect_err("cut");
    assert_eq!(refusal(created.uri()).await.1, "The endpoint has been disabled. Enable it using Neon API and retry.");
    test.api.patch(&created.endpoint_path(), json!({"endpoint": {"disabled": false}})).await.ok(200);

    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("CREATE TABLE survives (i int)").await.unwrap();
    test.api.delete(&created.path()).await.ok(200);
    connection.execute("SELECT 1").await.expect_err("cut");
    assert!(refusal(created.uri()).await.1.starts_with("The requested endpoint could not be found"));
    test.api.act(&format!("{}/recover", created.path())).await.ok(200);
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("SELECT FROM survives").await.unwrap();
    connection.close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn the_database_goes_with_the_recovery_window() {
    let test = TestEmulator::start().await;
    let created = test.api.create("purged").await;
    PgConnection::connect(created.uri()).await.unwrap().close().await.unwrap();
    test.api.delete(&created.path()).await.ok(200);
    test.advance(7 * 24 * 3600 + 1);
    // A start sweeps at once.
    let test = test.restart().await;
    let server = PgPool::connect(&crate::support::database_url()).await.unwrap();
    let prefix = format!("{}.", test.config.state_database);
    eventually("the removal of role and database", || {
        let query = sqlx::query_scalar::<_, i64>(
            "SELECT (SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)) + (SELECT count(*) FROM pg_roles WHERE starts_with(rolname, $1))",
        );
        let left = query.bind(&prefix).fetch_one(&server);
        async move { (left.await.unwrap() == 0).then_some(()) }
    })
    .await;
    test.finish().await;
}

#[tokio::test]
async fn what_is_written_shows_in_size_and_usage() {
    let test = TestEmulator::start().await;
    let created = test.api.create("grows").await;
    let before = logical_size(&test, &created).await;
    assert_eq!(before, neon_emulator::VIRGIN_SIZE);
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("CREATE TABLE t AS SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i").await.unwrap();
    let after = logical_size(&test, &created).await;
    assert!(after > before + 2_000_000, "{after}");
    let project = test.api.get(&created.path()).await.ok(200)["project"].take();
    assert!(project["written_data_bytes"].as_i64().unwrap() > 2_000_000);
    assert!(project["compute_last_active_at"].is_string());
    sqlx::query("SELECT * FROM t").fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    eventually("the transfer", || async {
        let project = test.api.get(&created.path()).await.ok(200)["project"].take();
        (project["data_transfer_bytes"].as_i64().unwrap() > 2_000_000).then_some(())
    })
    .await;
    test.finish().await;
}

#[tokio::test]
async fn a_database_that_is_gone_hides_no_growth() {
    let test = TestEmulator::start().await;
    let created = test.api.create("shrinks and grows").await;
    let growth = async || logical_size(&test, &created).await - neon_emulator::VIRGIN_SIZE;
    let databases = format!("{}/databases", created.branch_path());
    let extra = json!({"database": {"name": "extra", "owner_name": "neondb_owner"}});
    test.api.post(&databases, extra).await.ok(201);
    PgConnection::connect(created.uri()).await.unwrap().close().await.unwrap();
    assert!(growth().await > 5_000_000, "an empty database has a size, too");
    test.api.delete(&format!("{databases}/extra")).await.ok(200);
    assert!((0..1_000_000).contains(&growth().await));
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("CREATE TABLE t AS SELECT i, repeat('x', 100) FROM generate_series(1, 50000) i").await.unwrap();
    let grown = growth().await;
    assert!(grown > 6_000_000, "{grown}");
    connection.close().await.unwrap();
    test.finish().await;
}

/// Passes one client through to the proxy and reads along for the key with which its queries are cancelled.
async fn overhear_key(client: &TcpListener, proxy: SocketAddr) -> (JoinHandle<()>, Vec<u8>) {
    let (client, _) = client.accept().await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_proxy, mut to_proxy) = TcpStream::connect(proxy).await.unwrap().into_split();
    let mut heard = Vec::new();
    let forth = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_proxy).await;
    });
    let key = loop {
        let mut part = [0; 1024];
        let length = from_proxy.read(&mut part).await.unwrap();
        assert!(length > 0, "the session begins");
        to_client.write_all(&part[..length]).await.unwrap();
        heard.extend_from_slice(&part[..length]);
        if let Some(key) = key_in(&heard) {
            break key.to_vec();
        }
    };
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_proxy, &mut to_client).await;
        forth.abort();
    });
    (back, key)
}

/// What BackendKeyData holds, among whole messages from the start of a session. First comes the refusal of encryption.
fn key_in(mut heard: &[u8]) -> Option<&[u8]> {
    heard = heard.strip_prefix(b"N").unwrap_or(heard);
    loop {
        let length = u32::from_be_bytes(heard.get(1..5)?.try_into().ok()?) as usize;
        let body = heard.get(5..1 + length)?;
        if heard[0] == b'K' {
            return Some(body);
        }
        heard = &heard[1 + length..];
    }
}

/// Cancels as clients do: it is done when the proxy has closed the connection.
async fn cancel(proxy: SocketAddr, key: &[u8]) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let length = u32::try_from(8 + key.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), key].concat()).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "no answer but the end");
}

#[tokio::test]
async fn a_cancel_that_is_done_hits_no_query_that_comes_after_it() {
    let test = TestEmulator::start().await;
    let created = test.api.create("cancelled").await;
    let proxy = test.emulator.proxy_addr();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options: PgConnectOptions = created.uri().parse().unwrap();
    let options = options.host("127.0.0.1").port(listener.local_addr().unwrap().port());
    let (connection, (session, key)) = tokio::join!(options.connect(), overhear_key(&listener, proxy));
    let mut connection = connection.unwrap();
    for round in 0..200 {
        cancel(proxy, &key).await;
        let slept = connection.execute("SELECT pg_sleep(0.005)").await;
        assert!(slept.is_ok(), "round {round}: {}", slept.unwrap_err());
    }
    let (slept, ()) = tokio::join!(connection.execute("SELECT pg_sleep(30)"), async {
        // It may come before the query has begun, and then hits nothing.
        while session_is_idle(&test).await {}
        cancel(proxy, &key).await;
    });
    assert_eq!(slept.unwrap_err().into_database_error().unwrap().code().unwrap(), "57014");
    connection.close().await.unwrap();
    session.await.unwrap();
    test.finish().await;
}

/// Whether no tenant of this emulator is within a query.
async fn session_is_idle(test: &TestEmulator) -> bool {
    let mut server = PgConnection::connect(&crate::support::database_url()).await.unwrap();
    sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE starts_with(datname, $1 || '.') AND query LIKE '%pg_sleep(30)%' AND state = 'active')",
    )
    .bind(&test.config.state_database)
    .fetch_one(&mut server)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_cut_proxy_resets_connections() {
    let test = TestEmulator::start().await;
    let created = test.api.create("cut off").await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    test.emulator.faults().cut(Cut { api: false, proxy: true });
    let error = connection.execute("SELECT 1").await.expect_err("cut");
    assert!(error.as_database_error().is_none(), "no words, a reset: {error}");
    assert!(PgConnection::connect(created.uri()).await.unwrap_err().as_database_error().is_none());
    test.emulator.faults().clear();
    PgConnection::connect(created.uri()).await.unwrap().close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn one_connection_too_many_is_refused() {
    let test = TestEmulator::with(Config { proxy_max_connections: 2, ..config() }).await;
    let created = test.api.create("crowded").await;
    let first = PgConnection::connect(created.uri()).await.unwrap();
    let second = PgConnection::connect(created.uri()).await.unwrap();
    assert_eq!(refusal(created.uri()).await.0, "53300");
    first.close().await.unwrap();
    eventually("a free place", || async { PgConnection::connect(created.uri()).await.ok() })
        .await
        .close()
        .await
        .unwrap();
    second.close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn many_first_connections_make_one_database() {
    let test = TestEmulator::start().await;
    let created = test.api.create("rush").await;
    let uri = created.uri().to_owned();
    let clients: Vec<_> = (0..12)
        .map(|_| {
            tokio::spawn({
                let uri = uri.clone();
                async move { PgConnection::connect(&uri).await }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap().unwrap().close().await.unwrap();
    }
    test.finish().await;
}
