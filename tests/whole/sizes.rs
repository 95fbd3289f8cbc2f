//! The two sizes: what a branch holds, which the storage quota limits, and what Neon's list tells, which is data and history of all branches.

use std::time::Duration;

use engine::EngineSettings;
use fleet_types::{BlockReason, Role};
use ledger::ListedProject;
use neon_emulator::VIRGIN_SIZE;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, Row};
use uuid::Uuid;

use crate::support::{Server, World, until};

/// The calls by which the engine measures.
const BRANCH: &str = "/projects/{project_id}/branches/{branch_id}";

async fn set_quota(server: &Server, id: &str, bytes: i64) {
    let body = json!({ "logical_size_bytes": bytes, "reason": "a test of sizes" });
    let answer = server.api(Method::PATCH, &format!("/api/v1/databases/{id}/quota")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

async fn read(server: &Server, id: &str) -> Value {
    server.get(&format!("/api/v1/databases/{id}")).await
}

/// How many are in the table that the tile "near the storage quota" opens.
async fn near_quota(server: &Server) -> usize {
    server.get("/api/v1/databases?storage_percent=80").await["items"].as_array().unwrap().len()
}

fn sweeping() -> EngineSettings {
    EngineSettings { sweep_rest: Duration::from_millis(200), ..EngineSettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_logical_size_is_compared_with_the_storage_quota() {
    let world = World::with_pool(2).await;
    let server = world.serve_with(sweeping()).await;
    server.until_available(2).await;
    let (_, claim) = server.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap().to_owned();
    // Data alone are two thirds of it; with their history they are over it.
    set_quota(&server, &id, VIRGIN_SIZE * 3 / 2).await;
    until("the branch was measured", || async { read(&server, &id).await["logical_size_bytes"].is_i64() }).await;
    until("a list told the other size", || async { read(&server, &id).await["synthetic_size_bytes"].is_i64() }).await;
    let measured = read(&server, &id).await;
    let holds = measured["logical_size_bytes"].as_i64().unwrap();
    assert!((VIRGIN_SIZE..VIRGIN_SIZE + 1_000_000).contains(&holds), "{measured}");
    assert!(measured["synthetic_size_bytes"].as_i64().unwrap() >= 2 * VIRGIN_SIZE, "{measured}");
    assert_eq!((&measured["blocked_by"], near_quota(&server).await), (&Value::Null, 0), "neither full nor near");
    assert_eq!(world.emulator.stats().count("GET", BRANCH), 1, "what the list proves is not asked about");

    // Used again: the list then tells its size anew, and that must change nothing about the other one.
    let mut connection = PgConnection::connect(claim["connection"]["uri"].as_str().unwrap()).await.unwrap();
    connection.execute("CREATE TABLE notes (text text)").await.unwrap();
    connection.close().await.unwrap();
    let sweeps = || async { world.ledger.usage_tiers().await.unwrap().swept_at };
    for _ in 0..2 {
        let before = sweeps().await;
        until("another sweep", || async { sweeps().await > before }).await;
    }
    let swept = read(&server, &id).await;
    assert!(swept["last_active_at"].as_str() > measured["last_active_at"].as_str(), "{swept}");
    assert_eq!((&swept["logical_size_bytes"], &swept["blocked_by"]), (&json!(holds), &Value::Null));

    set_quota(&server, &id, VIRGIN_SIZE + VIRGIN_SIZE / 10).await;
    assert_eq!((near_quota(&server).await, world.ledger.fleet_health().await.unwrap().near_quota.count), (1, 1));
    set_quota(&server, &id, VIRGIN_SIZE).await;
    assert_eq!(read(&server, &id).await["blocked_by"], BlockReason::Storage.as_str());
    server.stop().await;
}

/// Databases of the ledger alone, with their projects.
async fn stocked(count: usize) -> (World, PgConnection, Vec<(Uuid, String)>) {
    let world = World::with_pool(0).await;
    world.stock(count).await;
    let mut sql = PgConnection::connect(&world.database_url).await.unwrap();
    let rows = sqlx::query("SELECT id, neon_project_id FROM databases ORDER BY available_order");
    let found = rows.fetch_all(&mut sql).await.unwrap().into_iter().map(|row| (row.get(0), row.get(1))).collect();
    (world, sql, found)
}

fn listed(project_id: &str, synthetic: i64) -> ListedProject {
    ListedProject { project_id: project_id.to_owned(), last_active_at: None, synthetic_size_bytes: Some(synthetic) }
}

/// 80 % of it are 429,496,730 bytes.
const FREE_QUOTA: i64 = 536_870_912;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_measured_is_shown_as_not_known_and_never_as_zero() {
    let (world, mut sql, found) = stocked(3).await;
    sql.execute("UPDATE databases SET observed_at = NULL").await.unwrap();
    let server = world.serve_without_duties().await;
    for owner in ["ada", "bob", "eve"] {
        server.claim(owner).await;
    }
    world.ledger.record_listed(&[listed(&found[0].1, FREE_QUOTA), listed(&found[1].1, FREE_QUOTA / 2)]).await.unwrap();
    let cookie = server.sign_in(Role::Viewer).await;
    let page = |path: String| {
        let request = server.anonymous(Method::GET, &path).header(header::COOKIE, &cookie);
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let expected =
        [(json!(FREE_QUOTA), "not measured"), (json!(FREE_QUOTA / 2), "under 51 %"), (Value::Null, "not measured")];
    for ((id, _), (synthetic, text)) in found.iter().zip(expected) {
        let row = read(&server, &id.to_string()).await;
        assert_eq!((&row["logical_size_bytes"], &row["usage"]["logical_size_bytes"]), (&Value::Null, &Value::Null));
        assert_eq!((&row["synthetic_size_bytes"], &row["blocked_by"]), (&synthetic, &Value::Null));
        let shown = page(format!("/databases/{id}")).await;
        assert!(shown.contains(text) && shown.contains("Storage not measured yet."), "{shown}");
        assert!(!shown.contains("Storage used"), "no bar at zero");
        assert!(!shown.contains("at most"), "data and history are not told as the storage used");
    }
    let list = page(String::from("/databases")).await;
    for shown in ["not measured", "quota 512 MiB", "512 MiB with history", "under 51 %", "256 MiB with history"] {
        assert!(list.contains(shown), "{shown} is missing");
    }
    assert!(!list.contains("at most"), "one size is not told twice");
    assert!(page(String::from("/")).await.contains("full ones included; 1 not measured yet"));
    assert!(page(String::from("/engine")).await.contains("1 to be measured, 1 of them never yet"));
    let sorted = server.get("/api/v1/databases?sort=size").await;
    let order: Vec<_> = sorted["items"].as_array().unwrap().iter().map(|row| &row["synthetic_size_bytes"]).collect();
    assert_eq!(order, [&json!(FREE_QUOTA), &json!(FREE_QUOTA / 2), &Value::Null], "the unknown comes last");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_may_be_near_their_quota_are_asked_about_in_turn_and_again_when_they_were_used() {
    let (world, mut sql, found) = stocked(3).await;
    let due = || async {
        let due = world.ledger.due_sizes(10).await.unwrap();
        due.into_iter().map(|due| due.id).collect::<Vec<_>>()
    };
    let sizes = [FREE_QUOTA, FREE_QUOTA / 2, 5 * FREE_QUOTA];
    let list: Vec<_> = found.iter().zip(sizes).map(|((_, project), size)| listed(project, size)).collect();
    world.ledger.record_listed(&list).await.unwrap();
    assert_eq!(due().await.len(), 2, "the second is proven not to be full");
    assert_eq!(world.ledger.due_sizes(1).await.unwrap().len(), 1, "a batch is bounded");
    world.ledger.record_logical_size(found[0].0, Some(FREE_QUOTA - 1)).await.unwrap();
    world.ledger.record_logical_size(found[2].0, None).await.unwrap();
    assert!(due().await.is_empty(), "neither the measured one nor the one that Neon has not measured yet");
    sql.execute("UPDATE databases SET size_rests_until = now()").await.unwrap();
    assert_eq!(due().await, [found[2].0], "nobody has used the measured one since");
    world.ledger.set_size_aside(found[2].0).await.unwrap();
    assert!(due().await.is_empty());
    // The list now says that it is far from full, but it was used, and what is known of it says otherwise.
    sql.execute("UPDATE databases SET last_active_at = now()").await.unwrap();
    world.ledger.record_listed(&[listed(&found[0].1, FREE_QUOTA / 4)]).await.unwrap();
    assert_eq!(due().await, [found[0].0]);
    world.ledger.record_logical_size(found[0].0, Some(VIRGIN_SIZE)).await.unwrap();
    assert!(due().await.is_empty());

    sql.execute("SET enable_seqscan = off").await.unwrap();
    let plan = "EXPLAIN SELECT id FROM databases_to_measure WHERE size_rests_until <= now() ORDER BY size_rests_until LIMIT 20";
    let plan: Vec<String> = sqlx::query_scalar(plan).fetch_all(&mut sql).await.unwrap();
    assert!(plan.iter().any(|line| line.contains("databases_to_measure_due")), "{plan:#?}");
}
