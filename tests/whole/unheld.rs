//! Databases that nobody is known to hold may hold somebody's data all the same: none is deleted, by whom ever, unless it is empty or a person says so.

use std::process::Command;

use fleet_types::{PoolRange, Role, Template};
use ledger::By;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sqlx::{Connection, Executor};

use crate::{
    safety::{connect, lives, rows, until_state},
    support::{NEON_KEY, Server, World, until},
};

/// The database's id and its project's.
async fn members(world: &World) -> Vec<(String, String)> {
    let sql =
        "SELECT id::text || ' ' || neon_project_id FROM databases WHERE state = 'available' ORDER BY available_order";
    let rows = rows(world, sql).await;
    rows.iter()
        .map(|row| row.split_once(' ').map(|(id, project)| (id.to_owned(), project.to_owned())).unwrap())
        .collect()
}

async fn make_something_in(world: &World, project: &str) {
    let mut somebody = connect(world, project).await;
    somebody.execute("CREATE TABLE letters (text text)").await.unwrap();
    somebody.close().await.unwrap();
}

async fn release(server: &Server, id: &str, body: Value) -> (StatusCode, Value) {
    let request = server.api(Method::POST, &format!("/api/v1/databases/{id}/release")).json(&body);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn events(world: &World, id: &str, kind: &str) -> Vec<String> {
    rows(world, &format!("SELECT after::text FROM events WHERE database_id = '{id}' AND kind = '{kind}'")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_database_is_looked_into_before_it_is_released() {
    let world = World::with_pool(3).await;
    let server = world.serve().await;
    server.until_available(3).await;
    let [(filled, theirs), (empty, nobodys), (dark, unknown)]: [_; 3] = members(&world).await.try_into().unwrap();
    world.ledger.pause_pool("standard", &By::cli()).await.unwrap();
    for id in [&filled, &empty, &dark] {
        assert!(world.ledger.withhold(id.parse().unwrap(), "nobody can tell", &By::cli()).await.unwrap());
    }
    make_something_in(&world, &theirs).await;
    let (status, answer) = release(&server, &filled, json!({ "reason": "not needed" })).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.contains("Something has been made in it") && detail.contains("\"anyway\""), "{detail}");
    let (status, answer) = release(&server, &filled, json!({ "anyway": true })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "without a reason: {answer}");
    let operator = server.sign_in(Role::Operator).await;
    let form = async |anyway: &str| {
        let request = server.anonymous(Method::POST, "/rpc/release").header(header::COOKIE, &operator);
        let request = request.header("sec-fetch-site", "same-origin").header(header::ACCEPT, "application/json");
        let mut fields = vec![("id", filled.as_str()), ("confirmation", &filled), ("reason", "they have left us")];
        fields.extend((!anyway.is_empty()).then_some(("anyway", anyway)));
        let answer = request.form(&fields).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let (status, answer) = form("").await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert!(answer.contains("Something has been made in it"), "{answer}");
    until_state(&world, &theirs, "withheld").await;
    assert!(lives(&world, &theirs).await);

    let (status, answer) = release(&server, &empty, json!({})).await;
    assert!(status.is_success(), "{status} {answer}");
    until("the empty one is deleted", || async { !lives(&world, &nobodys).await }).await;
    assert!(events(&world, &empty, "database.released").await[0].contains("nothing is in it"));

    let endpoint = rows(&world, &format!("SELECT neon_endpoint_id FROM databases WHERE id = '{dark}'")).await.remove(0);
    let path = format!("/projects/{unknown}/endpoints/{endpoint}");
    until("its endpoint is disabled", || async {
        let disable = world.neon(Method::PATCH, &path).json(&json!({ "endpoint": { "disabled": true } }));
        disable.send().await.unwrap().status().is_success()
    })
    .await;
    let (status, answer) = release(&server, &dark, json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("could not be looked into"), "{answer}");
    assert!(lives(&world, &unknown).await);

    let (status, answer) = form("true").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    until("it is deleted, as a person said", || async { !lives(&world, &theirs).await }).await;
    assert!(events(&world, &filled, "database.released").await[0].contains("anyway"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_looks_into_it_too() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let (id, project) = members(&world).await.remove(0);
    make_something_in(&world, &project).await;
    let command = async |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        command.args(["database", "release", &id, "--reason", "not needed"]).args(more).env_clear();
        command.env("DATABASE_URL", &world.database_url).env("NEON_API_KEY", NEON_KEY);
        command.env("NEON_API_HOST", world.emulator.api_url()).env("NEON_ORG_ID", neon_emulator::DEFAULT_ORG);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (is_done, told) = command(&[]).await;
    assert!(!is_done && told.contains("Something has been made in it"), "{told}");
    assert!(lives(&world, &project).await);
    let (is_done, told) = command(&["--anyway"]).await;
    assert!(is_done, "{told}");
    until("the engine deletes it", || async { !lives(&world, &project).await }).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_gives_up_by_itself_is_deleted_only_if_it_is_empty() {
    let world = World::with_pool(2).await;
    let server = world.serve().await;
    server.until_available(2).await;
    let [(filled, theirs), (_, nobodys)]: [_; 2] = members(&world).await.try_into().unwrap();
    // So soon after it was verified that no sweep tells it from our own activity.
    make_something_in(&world, &theirs).await;
    let pool = world.ledger.pool("standard", PoolRange::Hour).await.unwrap();
    let newer = Template { pg_version: 16, ..pool.template.template };
    world.ledger.set_template("standard", &newer, None, &By::cli()).await.unwrap();
    server.state.engine.nudge_roll();
    until("the empty one is replaced", || async { !lives(&world, &nobodys).await }).await;
    let refused = format!("SELECT last_error FROM databases WHERE id = '{filled}' AND release_refused_at IS NOT NULL");
    until("the other one is not deleted", || async {
        rows(&world, &refused).await.iter().any(|why| why.contains("Something has been made in it"))
    })
    .await;
    assert!(lives(&world, &theirs).await);
    let problems = world.ledger.status().await.unwrap().problems;
    assert!(problems.iter().any(|problem| problem.text.contains("Something has been made in it")), "{problems:?}");
    server.until_available(2).await;

    let (status, answer) =
        release(&server, &filled, json!({ "anyway": true, "reason": "it was a test of ours" })).await;
    assert!(status.is_success(), "{status} {answer}");
    until("it is deleted, as a person said", || async { !lives(&world, &theirs).await }).await;
    assert_eq!(events(&world, &filled, "database.deletion_cleared").await.len(), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_after_the_look_is_seen_before_the_deletion() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let (id, project) = members(&world).await.remove(0);
    // In safe mode a release waits for hours.
    world.ledger.enter_safe_mode("a test", 0.0, &By::cli()).await.unwrap();
    until_state(&world, &project, "withheld").await;
    let (status, answer) = release(&server, &id, json!({ "reason": "not needed" })).await;
    assert!(status.is_success(), "{status} {answer}");
    until_state(&world, &project, "releasing").await;
    make_something_in(&world, &project).await;
    until("safe mode has settled and is over", || async { world.ledger.end_safe_mode(&By::cli()).await.is_ok() }).await;
    let refused = format!("SELECT last_error FROM databases WHERE id = '{id}' AND release_refused_at IS NOT NULL");
    until("it is kept, or gone", || async {
        !rows(&world, &refused).await.is_empty() || !lives(&world, &project).await
    })
    .await;
    assert!(lives(&world, &project).await, "deleted with what came after the look");
    assert!(rows(&world, &refused).await[0].contains("Something has been made in it"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_is_something() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let (id, project) = members(&world).await.remove(0);
    world.ledger.pause_pool("standard", &By::cli()).await.unwrap();
    assert!(world.ledger.withhold(id.parse().unwrap(), "nobody can tell", &By::cli()).await.unwrap());
    let mut somebody = connect(&world, &project).await;
    // What it holds is the extension's, as far as PostgreSQL can tell.
    somebody.execute("CREATE EXTENSION pg_trgm").await.unwrap();
    let has_joined =
        somebody.execute("CREATE TABLE letters (text text); ALTER EXTENSION pg_trgm ADD TABLE letters").await;
    has_joined.unwrap();
    let (status, answer) = release(&server, &id, json!({ "reason": "not needed" })).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("an extension"), "{answer}");
    assert!(lives(&world, &project).await);
    server.stop().await;
}
