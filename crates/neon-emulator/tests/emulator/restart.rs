//! A restart forgets nothing.

use neon_emulator::Config;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{TestEmulator, config};

#[tokio::test]
async fn projects_and_their_data_are_there_after_a_restart() {
    let test = TestEmulator::start().await;
    let created = test
        .api
        .create_as(json!({"name": "kept", "settings": {"quota": {"logical_size_bytes": 7_000_000_000_i64}}}))
        .await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("CREATE TABLE kept AS SELECT 42 AS answer").await.unwrap();
    connection.close().await.unwrap();
    let deleted = test.api.create("deleted").await;
    test.api.delete(&deleted.path()).await.ok(200);

    let test = test.restart().await;
    let project = test.api.get(&created.path()).await.ok(200)["project"].take();
    assert_eq!(
        (&project["name"], &project["settings"]["quota"]["logical_size_bytes"]),
        (&json!("kept"), &json!(7_000_000_000_i64))
    );
    test.api.get(&deleted.path()).await.refused(404);
    // The port is another one, so the string is asked for anew.
    let uri = test.api.uri(&created, false).await;
    let mut connection = PgConnection::connect(&uri).await.unwrap();
    let answer: i32 = sqlx::query_scalar("SELECT answer FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, 42);
    connection.close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn an_operation_goes_on_across_a_restart() {
    let test = TestEmulator::with(Config { operation_time_scale: 100.0, ..config() }).await;
    let created = test.api.create("under way").await;
    let test = test.restart().await;
    let id = created.0["operations"][1]["id"].as_str().unwrap();
    let path = format!("{}/operations/{id}", created.path());
    assert_eq!(test.api.get(&path).await.ok(200)["operation"]["status"], "scheduling");
    test.advance(481);
    let ended = test.api.get(&path).await.ok(200)["operation"].take();
    assert_eq!(ended["total_duration_ms"], 170_000);
    assert_eq!(test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"]["current_state"], "active");
    test.finish().await;
}

#[tokio::test]
async fn a_compute_that_was_held_by_connections_may_sleep_after_a_restart() {
    let test = TestEmulator::start().await;
    let created = test.api.create("held").await;
    let _open = PgConnection::connect(created.uri()).await.unwrap();
    let test = test.restart().await;
    test.advance(301);
    let endpoint = test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"].take();
    assert_eq!(endpoint["current_state"], "idle");
    test.finish().await;
}

#[tokio::test]
async fn a_stop_is_quick_even_with_open_connections() {
    let test = TestEmulator::start().await;
    let created = test.api.create("open").await;
    let _open = PgConnection::connect(created.uri()).await.unwrap();
    let start = std::time::Instant::now();
    let test = test.restart().await;
    // It would wait for them for ever.
    assert!(start.elapsed() < std::time::Duration::from_secs(60), "{:?}", start.elapsed());
    test.finish().await;
}

#[tokio::test]
async fn a_second_emulator_keeps_off_the_same_state() {
    let test = TestEmulator::start().await;
    let error = neon_emulator::Emulator::start(test.config.clone()).await.expect_err("refused").to_string();
    assert!(error.starts_with("another emulator uses the state database"), "{error}");
    test.finish().await;
}
