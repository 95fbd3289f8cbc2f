//! The engine against the emulated Neon: what an operator does arrives there, and the pool keeps itself full.

use std::time::{Duration, Instant};

use fleet_types::DatabaseState;
use neon_emulator::{Fault, Rule};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Server, World, until};

/// A claimed database: its id, its project and its connection string.
async fn claimed(server: &Server, owner: &str) -> (String, String, String) {
    let (status, claim) = server.claim(owner).await;
    assert_eq!(status, StatusCode::CREATED, "{claim}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&claim["database"]["id"]), text(&claim["database"]["neon_project_id"]), text(&claim["connection"]["uri"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_fills_is_claimed_from_refills_and_what_is_released_is_deleted() {
    let world = World::with_pool(3).await;
    let server = world.serve().await;
    server.until_available(3).await;
    let (id, project, uri) = claimed(&server, "ada").await;
    let mut connection = PgConnection::connect(&uri).await.unwrap();
    connection.execute("CREATE TABLE notes (text text)").await.unwrap();
    connection.execute("INSERT INTO notes SELECT repeat('x', 1000) FROM generate_series(1, 5000)").await.unwrap();
    connection.close().await.unwrap();
    server.until_available(3).await;
    world.assert_sound().await;

    let before = world.emulator.stats();
    assert_eq!(before.count("POST", "/projects"), 5, "one call for each database that exists, and one for the mark");
    let answer =
        server.api(Method::POST, &format!("/api/v1/databases/{id}/release")).json(&json!({})).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
    until("the project is deleted on Neon", || async {
        world.emulator.projects().await.unwrap().iter().any(|p| p.id == project && p.deleted)
    })
    .await;
    let released = server.get(&format!("/api/v1/databases/{id}")).await;
    assert_eq!(released["state"], DatabaseState::Deleted.as_str());
    let (_, again) = server.claim("ada").await;
    assert_ne!(again["database"]["id"], json!(id), "a released database never comes back");
    server.until_available(3).await;
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_quota_arrives_on_neon_and_the_event_says_who_before_and_after() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let (id, project, _) = claimed(&server, "ada").await;
    let answer = server
        .api(Method::PATCH, &format!("/api/v1/databases/{id}/quota"))
        .json(&json!({ "logical_size_bytes": 1_073_741_824, "reason": "bigger plan" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "done within the deadline, and not accepted for later");
    let quota = world.emulator.projects().await.unwrap().into_iter().find(|p| p.id == project).unwrap().quota;
    assert_eq!(quota.logical_size_bytes, Some(1_073_741_824));
    let detail = world.ledger.database(id.parse().unwrap()).await.unwrap();
    let event = detail.events.iter().find(|event| event.kind == "database.quota").unwrap();
    assert!(event.actor.starts_with("test "));
    assert_eq!((event.via.as_str(), event.reason.as_deref()), ("api", Some("bigger plan")));
    assert_eq!(event.before, Some(json!({ "logical_size_bytes": 536_870_912 })));
    assert_eq!(event.after, Some(json!({ "logical_size_bytes": 1_073_741_824 })));
    assert!(!detail.row.pending);
    server.stop().await;
}

/// An attempt that was given up would keep its lease, and the duty away from the database.
#[tokio::test(flavor = "multi_thread")]
async fn what_neon_takes_too_long_for_is_done_soon_after_the_person_was_told() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let (id, project, _) = claimed(&server, "ada").await;
    let is_pending =
        async || server.get(&format!("/api/v1/databases/{id}")).await["pending"].as_bool().expect("it is told");
    until("Neon knows of the claim", || async { !is_pending().await }).await;
    let slow = Rule::new(Fault::Delay { delay_ms: 8_000 }).on("PATCH", "/projects/{project_id}");
    world.emulator.faults().add(slow.for_project(&project).times(1));
    let change = server.api(Method::PATCH, &format!("/api/v1/databases/{id}/quota"));
    let answer = change.json(&json!({ "logical_size_bytes": 1_073_741_824 })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let told = Instant::now();
    until("the engine has done it", || async { !is_pending().await }).await;
    assert!(told.elapsed() < Duration::from_secs(60), "it took {:?}", told.elapsed());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_cuts_connections_and_the_next_one_wakes_the_database() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let (id, project, uri) = claimed(&server, "ada").await;
    let mut connection = PgConnection::connect(&uri).await.unwrap();
    connection.ping().await.unwrap();
    let answer =
        server.api(Method::POST, &format!("/api/v1/databases/{id}/suspend")).json(&json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
    assert!(connection.ping().await.is_err(), "a suspended database answers nobody");
    let mut woken = PgConnection::connect(&uri).await.unwrap();
    woken.ping().await.unwrap();
    let state =
        || async { world.emulator.projects().await.unwrap().into_iter().find(|p| p.id == project).unwrap().state };
    until("the endpoint is active again", || async { state().await == "active" }).await;
    server.state.engine.refresh_now(id.parse().unwrap()).await;
    let read = server.get(&format!("/api/v1/databases/{id}")).await;
    assert_eq!(read["endpoint"], "active");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_pool_makes_claims_wait_and_serves_them_in_their_order() {
    let world = World::with_pool(0).await;
    let server = world.serve().await;
    let (status, first) = server.claim("ada").await;
    assert_eq!((status, &first["status"]), (StatusCode::ACCEPTED, &json!("waiting")));
    let body = json!({ "owner": { "id": "bob", "email": "bob@mail.example" }, "wait_seconds": 30 });
    let (status, second) = server.claim_with(body, None).await;
    assert_eq!((status, &second["kind"]), (StatusCode::CREATED, &json!("cold")), "{second}");
    // Whoever is served in the same moment may be told a moment later.
    let path = format!("/api/v1/claims/{}", first["id"].as_str().unwrap());
    until("the first is served", || async { server.get(&path).await["status"] == "served" }).await;
    let first = server.get(&path).await;
    assert!(first["served_at"].as_str() <= second["served_at"].as_str(), "first come, first served");
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_whose_creation_was_never_answered_are_adopted_and_not_made_twice() {
    const COUNT: i64 = 12;
    let world = World::with_pool(0).await;
    let server = world.serve().await;
    until("there is a mark", || async { world.ledger.installation().await.unwrap().was_marked }).await;
    world.emulator.faults().add(Rule::new(Fault::AnswerLost).on("POST", "/projects").times(COUNT as u32));
    world.ledger.set_target("standard", COUNT as i32, &ledger::By::cli()).await.unwrap();
    server.until_available(COUNT).await;
    let truth = world.living_on_neon().await;
    assert_eq!(truth.len() as i64, COUNT, "as many projects on Neon as rows");
    let made = world.emulator.stats().count("POST", "/projects") as i64;
    assert_eq!(made, COUNT + 1, "nothing was created twice, and the mark once");
    world.assert_sound().await;
    server.stop().await;
}
