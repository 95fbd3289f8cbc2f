//! Endpoints: their states, and what their settings do.

use neon_emulator::Config;
use serde_json::{Value, json};

use crate::support::{Created, TestEmulator, config, eventually};

async fn endpoint(test: &TestEmulator, created: &Created) -> Value {
    test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"].take()
}

async fn state(test: &TestEmulator, created: &Created) -> String {
    endpoint(test, created).await["current_state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn suspend_and_start_change_the_state_and_say_so() {
    let test = TestEmulator::start().await;
    let created = test.api.create("switched").await;
    assert_eq!(state(&test, &created).await, "active");
    let suspended = test.api.act(&format!("{}/suspend", created.endpoint_path())).await.ok(200);
    assert_eq!(suspended["operations"][0]["action"], "suspend_compute");
    assert_eq!(suspended["endpoint"]["current_state"], "idle");
    assert!(suspended["endpoint"]["suspended_at"].is_string());
    let again = test.api.act(&format!("{}/suspend", created.endpoint_path())).await.ok(200);
    assert_eq!(again["operations"], json!([]), "an idle compute needs nothing");

    let started = test.api.act(&format!("{}/start", created.endpoint_path())).await.ok(200);
    assert_eq!(started["operations"][0]["action"], "start_compute");
    assert_eq!(state(&test, &created).await, "active");
    let again = test.api.act(&format!("{}/start", created.endpoint_path())).await.ok(200);
    assert_eq!(again["operations"], json!([]));
    test.finish().await;
}

#[tokio::test]
async fn a_transition_shows_the_pending_state() {
    let test = TestEmulator::with(Config { operation_time_scale: 100.0, ..config() }).await;
    let created = test.api.create("pending").await;
    test.advance(481);
    let suspending = test.api.act(&format!("{}/suspend", created.endpoint_path())).await.ok(200);
    assert_eq!(
        (&suspending["endpoint"]["current_state"], &suspending["endpoint"]["pending_state"]),
        (&json!("active"), &json!("idle"))
    );
    assert_eq!(state(&test, &created).await, "active");
    test.advance(31);
    assert_eq!(state(&test, &created).await, "idle");
    test.finish().await;
}

#[tokio::test]
async fn settings_of_an_endpoint_are_changed_one_by_one() {
    let test = TestEmulator::start().await;
    let created = test.api.create("sized").await;
    let patch = |endpoint: Value| {
        let (api, path) = (&test.api, created.endpoint_path());
        async move { api.patch(&path, json!({ "endpoint": endpoint })).await }
    };
    let active = patch(json!({"autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 4})).await.ok(200);
    assert_eq!(active["operations"][0]["action"], "apply_config");
    patch(json!({"suspend_timeout_seconds": 120, "name": "primary"})).await.ok(200);
    let now = endpoint(&test, &created).await;
    assert_eq!(now["autoscaling_limit_min_cu"], 1.0);
    assert_eq!(now["autoscaling_limit_max_cu"], 4.0);
    assert_eq!(now["suspend_timeout_seconds"], 120);
    assert_eq!(now["name"], "primary");
    for wrong in [json!({"suspend_timeout_seconds": 1}), json!({"autoscaling_limit_max_cu": 100}), json!({"name": ""})]
    {
        patch(wrong).await.refused(400);
    }
    test.finish().await;
}

#[tokio::test]
async fn an_idle_compute_is_woken_to_apply_settings() {
    let test = TestEmulator::start().await;
    let created = test.api.create("asleep").await;
    test.api.act(&format!("{}/suspend", created.endpoint_path())).await.ok(200);
    let patched =
        test.api.patch(&created.endpoint_path(), json!({"endpoint": {"suspend_timeout_seconds": 60}})).await.ok(200);
    let actions: Vec<&str> =
        patched["operations"].as_array().unwrap().iter().map(|o| o["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["start_compute", "apply_config", "suspend_compute"]);
    assert_eq!(state(&test, &created).await, "idle");
    test.finish().await;
}

#[tokio::test]
async fn a_disabled_endpoint_does_not_start() {
    let test = TestEmulator::start().await;
    let created = test.api.create("disabled").await;
    let disabled = test.api.patch(&created.endpoint_path(), json!({"endpoint": {"disabled": true}})).await.ok(200);
    assert_eq!(disabled["operations"][0]["action"], "suspend_compute");
    assert_eq!(
        (&disabled["endpoint"]["disabled"], &disabled["endpoint"]["current_state"]),
        (&json!(true), &json!("idle"))
    );
    test.api.act(&format!("{}/start", created.endpoint_path())).await.refused(422);
    test.api.patch(&created.endpoint_path(), json!({"endpoint": {"disabled": false}})).await.ok(200);
    test.api.act(&format!("{}/start", created.endpoint_path())).await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn an_unused_compute_falls_idle_after_its_timeout() {
    let test = TestEmulator::start().await;
    let with_timeout =
        |seconds| test.api.create_as(json!({"default_endpoint_settings": {"suspend_timeout_seconds": seconds}}));
    let (brief, default, never) = (with_timeout(120).await, with_timeout(0).await, with_timeout(-1).await);
    test.advance(121);
    assert_eq!((state(&test, &brief).await, state(&test, &default).await), ("idle".into(), "active".into()));
    test.advance(180);
    assert_eq!((state(&test, &default).await, state(&test, &never).await), ("idle".into(), "active".into()));
    let recorded = eventually("the operation that the sweep writes down", || async {
        let list = test.api.get(&format!("{}/operations", brief.path())).await.ok(200);
        (list["operations"][0]["action"] == "suspend_compute").then(|| list["operations"].as_array().unwrap().len())
    })
    .await;
    assert_eq!(recorded, 3);
    let project = test.api.get(&brief.path()).await.ok(200)["project"].take();
    assert_eq!(
        (&project["active_time_seconds"], &project["compute_time_seconds"]),
        (&json!(120), &json!(30)),
        "at 0.25 CU"
    );
    test.finish().await;
}

#[tokio::test]
async fn time_is_counted_while_the_compute_runs() {
    let test = TestEmulator::start().await;
    let created = test.api.create_as(json!({"default_endpoint_settings": {"suspend_timeout_seconds": -1}})).await;
    test.advance(1_000);
    let resized = json!({"endpoint": {"autoscaling_limit_min_cu": 2, "autoscaling_limit_max_cu": 2}});
    test.api.patch(&created.endpoint_path(), resized).await.ok(200);
    test.advance(1_000);
    let project = test.api.get(&created.path()).await.ok(200)["project"].take();
    let (active, compute) =
        (project["active_time_seconds"].as_i64().unwrap(), project["compute_time_seconds"].as_i64().unwrap());
    assert!((2_000..2_020).contains(&active), "{active}");
    assert!((2_250..2_290).contains(&compute), "1,000 s at 0.25 CU and 1,000 s at 2 CU: {compute}");
    test.finish().await;
}

#[tokio::test]
async fn an_endpoint_of_another_project_is_not_found() {
    let test = TestEmulator::start().await;
    let (one, other) = (test.api.create("one").await, test.api.create("other").await);
    let crossed = format!("{}/endpoints/{}", one.path(), other.endpoint_id());
    test.api.get(&crossed).await.refused(404);
    test.api.act(&format!("{crossed}/suspend")).await.refused(404);
    test.api.get(&format!("{}/branches/{}", one.path(), other.branch_id())).await.refused(404);
    test.finish().await;
}
