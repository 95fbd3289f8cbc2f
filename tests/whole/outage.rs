//! Neon away: claims go on, the console says so in words, and afterwards everything is as it should be.

use std::time::{Duration, Instant};

use neon_emulator::{Cut, Fault, Rule};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{
    restores::held_by,
    safety::rows,
    support::{World, until},
};

/// How long a call to Neon takes that nobody answers.
const WAIT_FOR_NEON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn claims_go_on_from_the_pool_while_the_network_to_neon_is_cut() {
    let world = World::with_pool(6).await;
    let server = world.serve().await;
    server.until_available(6).await;
    world.emulator.faults().cut(Cut { api: true, proxy: true });
    for owner in ["a-1", "a-2", "a-3", "a-4"] {
        let started = Instant::now();
        let (status, claim) = server.claim(owner).await;
        assert_eq!(status, StatusCode::CREATED, "{claim}");
        assert!(started.elapsed() < WAIT_FOR_NEON, "a claim does not wait for Neon");
    }
    until("the console says what is wrong", || async {
        let status = server.state.ledger.status().await.unwrap();
        status.problems.iter().any(|problem| problem.text.contains("Neon has not answered"))
    })
    .await;
    world.emulator.faults().clear();
    server.until_available(6).await;
    until("the console takes it back", || async { server.state.ledger.status().await.unwrap().problems.is_empty() })
        .await;
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_fills_through_faults_of_every_kind() {
    let world = World::with_pool(0).await;
    let server = world.serve().await;
    let faults = world.emulator.faults();
    for fault in [Fault::status(429), Fault::status(503), Fault::status(423)] {
        faults.add(Rule::new(fault).with_probability(0.1));
    }
    faults.add(Rule::new(Fault::Html).with_probability(0.05));
    faults.add(Rule::new(Fault::TruncatedJson).with_probability(0.05));
    world.ledger.set_target("standard", 8, &ledger::By::cli()).await.unwrap();
    server.until_available(8).await;
    faults.clear();
    let posts = world.emulator.stats();
    assert!(posts.count("POST", "/projects") >= 8);
    world.assert_sound().await;
    server.stop().await;
}

/// While its route is not called, it is only put off: what counts as tries is what *Problems* shows, and what makes the next one wait longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_was_never_sent_is_no_try_of_it() {
    let world = World::with_pool(3).await;
    let server = world.serve().await;
    server.until_available(3).await;
    let mut held = Vec::new();
    for owner in ["a-1", "a-2", "a-3"] {
        held.push(held_by(&server, owner).await["id"].as_str().unwrap().to_owned());
    }
    world.emulator.faults().add(Rule::new(Fault::status(500)).on("DELETE", "/projects/{project_id}"));
    let sent = || world.emulator.faults().rules()[0].struck;
    for id in &held {
        let release = server.api(Method::POST, &format!("/api/v1/databases/{id}/release"));
        assert!(release.json(&json!({ "reason": "account closed" })).send().await.unwrap().status().is_success());
    }
    until("the route is not called for a while", || async { sent() >= 8 }).await;
    let tries = rows(&world, "SELECT sum(attempts)::text FROM databases WHERE state = 'releasing'").await.remove(0);
    let (tries, sent) = (tries.parse::<u64>().unwrap(), sent());
    assert!(tries <= sent, "{tries} tries, and {sent} calls were made");
    world.emulator.faults().clear();
    until("all are deleted", || async {
        rows(&world, "SELECT id::text FROM databases WHERE state = 'releasing'").await.is_empty()
    })
    .await;
    server.stop().await;
}
