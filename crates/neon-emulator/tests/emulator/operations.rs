//! Operations: their life, the lock, their list.

use neon_emulator::Config;
use serde_json::{Value, json};

use crate::support::{Created, TestEmulator, config, eventually};

const LOCKED: &str = "project already has running conflicting operations, scheduling of new ones is prohibited";

/// Operations take a hundred times Neon's time, and end when the test puts the clock forward: 310 s until the timeline
/// of a new project is there, 170 s more until its compute runs.
async fn slow() -> TestEmulator {
    TestEmulator::with(Config { operation_time_scale: 100.0, ..config() }).await
}

async fn statuses(test: &TestEmulator, created: &Created) -> Vec<String> {
    let list = test.api.get(&format!("{}/operations", created.path())).await.ok(200);
    let status = |operation: &Value| operation["status"].as_str().unwrap().to_owned();
    list["operations"].as_array().unwrap().iter().map(status).collect()
}

#[tokio::test]
async fn operations_pass_from_scheduling_over_running_to_finished() {
    let test = slow().await;
    let created = test.api.create("lively").await;
    assert_eq!(statuses(&test, &created).await, ["scheduling", "running"], "newest first");
    test.advance(311);
    assert_eq!(statuses(&test, &created).await, ["running", "finished"]);
    assert_eq!(test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"]["current_state"], "init");
    test.advance(170);
    assert_eq!(statuses(&test, &created).await, ["finished", "finished"]);
    let endpoint = &test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"];
    assert_eq!(endpoint["current_state"], "active");
    assert_eq!(endpoint.get("pending_state"), None);
    let branch = &test.api.get(&created.branch_path()).await.ok(200)["branch"];
    assert_eq!(branch["current_state"], "ready");
    assert_eq!(branch["logical_size"], neon_emulator::VIRGIN_SIZE);
    test.finish().await;
}

#[tokio::test]
async fn a_project_is_locked_while_its_operations_run() {
    let test = slow().await;
    let created = test.api.create("locked").await;
    let (path, endpoint) = (created.path(), created.endpoint_path());
    let quota = json!({"project": {"settings": {"quota": {"logical_size_bytes": 1}}}});
    assert_eq!(test.api.patch(&path, quota.clone()).await.refused(423), LOCKED);
    assert_eq!(test.api.delete(&path).await.refused(423), LOCKED);
    assert_eq!(test.api.patch(&endpoint, json!({"endpoint": {"name": "n"}})).await.refused(423), LOCKED);
    assert_eq!(test.api.act(&format!("{endpoint}/start")).await.refused(423), LOCKED);
    let suspend = test.api.act(&format!("{endpoint}/suspend")).await.refused(423);
    assert_eq!(suspend, "endpoint is in some transitive state, could not suspend");
    test.api.get(&path).await.ok(200);
    assert!(test.emulator.projects().await.unwrap()[0].busy);
    test.api.create("another is not concerned").await;

    test.advance(481);
    test.api.patch(&path, quota).await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn the_list_of_operations_is_paged() {
    let test = TestEmulator::start().await;
    let created = test.api.create("paged").await;
    for action in ["suspend", "start", "restart"] {
        test.api.act(&format!("{}/{action}", created.endpoint_path())).await.ok(200);
    }
    let base = format!("{}/operations?limit=4", created.path());
    let actions = |page: &Value| {
        let name = |operation: &Value| operation["action"].as_str().unwrap().to_owned();
        page["operations"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    let first = test.api.get(&base).await.ok(200);
    assert_eq!(actions(&first), ["start_compute", "suspend_compute", "start_compute", "suspend_compute"]);
    let second =
        test.api.get(&format!("{base}&cursor={}", first["pagination"]["cursor"].as_str().unwrap())).await.ok(200);
    assert_eq!(actions(&second), ["start_compute", "create_timeline"]);
    let third =
        test.api.get(&format!("{base}&cursor={}", second["pagination"]["cursor"].as_str().unwrap())).await.ok(200);
    assert_eq!((actions(&third).len(), third.get("pagination")), (0, None));
    test.finish().await;
}

#[tokio::test]
async fn an_operation_of_another_project_is_not_found() {
    let test = TestEmulator::start().await;
    let (one, other) = (test.api.create("one").await, test.api.create("other").await);
    let id = one.0["operations"][0]["id"].as_str().unwrap();
    test.api.get(&format!("{}/operations/{id}", one.path())).await.ok(200);
    test.api.get(&format!("{}/operations/{id}", other.path())).await.refused(404);
    test.api.get(&format!("{}/operations/no-uuid", one.path())).await.refused(400);
    test.finish().await;
}

#[tokio::test]
async fn neon_checks_idle_computes_which_shows_as_operations_and_as_activity() {
    let test = TestEmulator::start().await;
    let (checked, left) = (test.api.create("checked").await, test.api.create("left alone").await);
    assert!(!test.emulator.check_availability(checked.id()).await.unwrap(), "its compute runs");
    test.advance(400);
    let last_active = async |created: &Created| {
        test.api.get(&created.path()).await.ok(200)["project"]["compute_last_active_at"].as_str().unwrap().to_owned()
    };
    let (before, of_the_other) = (last_active(&checked).await, last_active(&left).await);
    test.api.patch(&checked.endpoint_path(), json!({"endpoint": {"disabled": true}})).await.ok(200);
    assert!(test.emulator.check_availability(checked.id()).await.unwrap());
    assert!(last_active(&checked).await > before);
    assert_eq!(last_active(&left).await, of_the_other);
    let list = test.api.get(&format!("{}/operations", checked.path())).await.ok(200);
    let actions: Vec<_> =
        list["operations"].as_array().unwrap()[..3].iter().map(|one| one["action"].as_str()).collect();
    assert_eq!(actions, [Some("suspend_compute"), Some("check_availability"), Some("start_compute")]);
    let endpoint = &test.api.get(&checked.endpoint_path()).await.ok(200)["endpoint"];
    assert_eq!((&endpoint["disabled"], &endpoint["current_state"]), (&json!(false), &json!("idle")));
    test.finish().await;
}

#[tokio::test]
async fn a_check_locks_the_project_while_it_runs() {
    let test = slow().await;
    let created = test.api.create("locked").await;
    test.advance(481);
    test.api.act(&format!("{}/suspend", created.endpoint_path())).await.ok(200);
    test.advance(31);
    assert!(test.emulator.check_availability(created.id()).await.unwrap());
    assert_eq!(test.api.delete(&created.path()).await.refused(423), LOCKED);
    assert!(!test.emulator.check_availability(created.id()).await.unwrap(), "one at a time");
    test.advance(100);
    test.api.delete(&created.path()).await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn computes_that_have_been_idle_for_long_are_checked_by_themselves() {
    let day = std::time::Duration::from_secs(86_400);
    let test = TestEmulator::with(Config { availability_checks: Some(day), ..config() }).await;
    let created = test.api.create("idle").await;
    let checks = async || {
        let list = test.api.get(&format!("{}/operations", created.path())).await.ok(200);
        let operations = list["operations"].as_array().unwrap();
        operations.iter().filter(|operation| operation["action"] == "check_availability").count()
    };
    test.advance(80_000);
    assert_eq!(checks().await, 0);
    for count in 1..=2 {
        test.advance(87_000);
        eventually("it is checked", async || (checks().await == count).then_some(())).await;
    }
    test.finish().await;
}
