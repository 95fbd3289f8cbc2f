//! The emulator's own switches over HTTP: fleets and the clock.

use neon_emulator::Config;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestEmulator, config, eventually};

async fn switch(test: &TestEmulator, path: &str, body: Value) -> (u16, Value) {
    let answer = test.api.switch(Method::POST, path).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_fleet_is_seeded_by_a_call() {
    let test = TestEmulator::start().await;
    let spec = json!({"count": 30, "name_prefix": "made", "quota": {"logical_size_bytes": 536_870_912},
                      "shares": {"asleep": 0, "diurnal": 0, "heavy": 0, "polled": 1}});
    assert_eq!(switch(&test, "/fleet", spec).await, (200, json!({"projects": 30})));
    let list = test.api.get("/projects?limit=100&search=made-0000").await.ok(200);
    assert_eq!(list["projects"].as_array().unwrap().len(), 30);
    assert_eq!(list["projects"][0]["name"], "made-000029", "the newest first");
    assert!(test.emulator.projects().await.unwrap().iter().all(|project| project.state == "active"));
    for wrong in [json!({"count": 1, "shares": {"asleep": -1}}), json!({"count": 1, "days": -1}), json!({"kount": 1})] {
        assert!((400..500).contains(&switch(&test, "/fleet", wrong).await.0));
    }
    test.finish().await;
}

#[tokio::test]
async fn a_fast_clock_ends_operations_and_lets_computes_sleep() {
    let test = TestEmulator::with(Config { operation_time_scale: 1.0, ..config() }).await;
    let created = test.api.create("hurried").await;
    let (status, clock) = switch(&test, "/clock", json!({"rate": 600})).await;
    assert_eq!((status, &clock["rate"]), (200, &json!(600.0)));
    eventually("the sleep", || async {
        let endpoint = test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"].take();
        (endpoint["current_state"] == "idle").then_some(())
    })
    .await;
    let operations = test.api.get(&format!("{}/operations", created.path())).await.ok(200);
    assert!(operations["operations"].as_array().unwrap().iter().all(|one| one["status"] == "finished"));
    assert_eq!(test.api.get(&created.path()).await.ok(200)["project"]["active_time_seconds"], 300);
    assert_eq!(switch(&test, "/clock", json!({"rate": 0})).await.0, 400);
    test.finish().await;
}
