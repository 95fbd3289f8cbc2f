//! Creating, changing, deleting and recovering projects.

use chrono::{DateTime, TimeDelta, Utc};
use neon_emulator::{Config, DEFAULT_ORG, Organization, Unknowns};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestEmulator, config};

#[tokio::test]
async fn the_smallest_creation_gets_defaults() {
    let test = TestEmulator::start().await;
    let created = test.api.create_as(json!({"branch": {}})).await.0;
    assert_eq!(created["project"]["name"], created["project"]["id"]);
    assert_eq!(created["project"]["pg_version"], 17);
    assert_eq!(created["databases"][0]["name"], "neondb");
    assert_eq!(created["roles"][0]["name"], "neondb_owner");
    test.finish().await;
}

#[tokio::test]
async fn two_projects_may_have_one_name() {
    let test = TestEmulator::start().await;
    let (one, other) = (test.api.create("twin").await, test.api.create("twin").await);
    assert_ne!(one.id(), other.id());
    let found = test.api.get("/projects?search=twin").await.ok(200);
    assert_eq!(found["projects"].as_array().unwrap().len(), 2);
    test.finish().await;
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused() {
    let test = TestEmulator::start().await;
    for project in [
        json!({"name": ""}),
        json!({"name": "n".repeat(257)}),
        json!({"region_id": "aws-the-moon-1"}),
        json!({"pg_version": 13}),
        json!({"history_retention_seconds": 2_592_001}),
        json!({"default_endpoint_settings": {"suspend_timeout_seconds": 59}}),
        json!({"default_endpoint_settings": {"autoscaling_limit_min_cu": 0.1}}),
        json!({"default_endpoint_settings": {"autoscaling_limit_min_cu": 2, "autoscaling_limit_max_cu": 1}}),
        json!({"settings": {"quota": {"logical_size_bytes": -1}}}),
        json!({"branch": {"database_name": "template1"}}),
        json!("not an object"),
    ] {
        let answer = test.api.post("/projects", json!({ "project": project })).await;
        assert_eq!(answer.status, 400, "{project} → {}", answer.body);
    }
    test.api.post("/projects", json!({})).await.refused(400);
    assert_eq!(test.emulator.projects().await.unwrap().len(), 0);
    test.finish().await;
}

#[tokio::test]
async fn a_quota_is_replaced_as_a_whole_by_default() {
    let test = TestEmulator::start().await;
    let created =
        test.api.create_as(json!({"settings": {"quota": {"logical_size_bytes": 5, "active_time_seconds": 7}}})).await;
    let path = created.path();
    let patched =
        test.api.patch(&path, json!({"project": {"settings": {"quota": {"logical_size_bytes": 9}}}})).await.ok(200);
    assert_eq!(patched["operations"], json!([]));
    assert_eq!(patched["project"]["settings"]["quota"], json!({"logical_size_bytes": 9}));
    let read = test.api.get(&path).await.ok(200);
    assert_eq!(read["project"]["settings"]["quota"], json!({"logical_size_bytes": 9}));
    let listed = test.api.get("/projects").await.ok(200);
    assert_eq!(listed["projects"][0]["settings"]["quota"], json!({"logical_size_bytes": 9}));
    test.finish().await;
}

#[tokio::test]
async fn a_quota_is_merged_if_the_switch_says_so() {
    let unknowns = Unknowns { quota_patch_merges: true, ..Unknowns::default() };
    let test = TestEmulator::with(Config { unknowns, ..config() }).await;
    let created =
        test.api.create_as(json!({"settings": {"quota": {"logical_size_bytes": 5, "active_time_seconds": 7}}})).await;
    let patch = json!({"project": {"settings": {"quota": {"logical_size_bytes": 9}}}});
    let patched = test.api.patch(&created.path(), patch).await.ok(200);
    assert_eq!(patched["project"]["settings"]["quota"], json!({"logical_size_bytes": 9, "active_time_seconds": 7}));
    test.finish().await;
}

#[tokio::test]
async fn a_change_of_one_thing_leaves_the_others() {
    let test = TestEmulator::start().await;
    let created = test.api.create_as(json!({"name": "before", "settings": {"quota": {"logical_size_bytes": 5}}})).await;
    let path = created.path();
    let patch = json!({"project": {"name": "after", "default_endpoint_settings": {"suspend_timeout_seconds": 60}}});
    test.api.patch(&path, patch).await.ok(200);
    let retention = test.api.patch(&path, json!({"project": {"history_retention_seconds": 7200}})).await.ok(200);
    assert_eq!(retention["operations"][0]["action"], "apply_storage_config");
    let project = &test.api.get(&path).await.ok(200)["project"];
    assert_eq!(project["name"], "after");
    assert_eq!(project["settings"]["quota"]["logical_size_bytes"], 5);
    assert_eq!(project["default_endpoint_settings"]["suspend_timeout_seconds"], 60);
    assert_eq!(project["history_retention_seconds"], 7200);
    assert_eq!(
        test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"]["suspend_timeout_seconds"],
        0,
        "made before"
    );
    test.finish().await;
}

#[tokio::test]
async fn only_a_read_tells_owner_and_billing_period() {
    let test = TestEmulator::start().await;
    let created = test.api.create("read").await;
    let project = &test.api.get(&created.path()).await.ok(200)["project"];
    assert!(project["owner"]["subscription_type"].is_string());
    assert_ne!(project["consumption_period_start"], "0001-01-01T00:00:00Z");
    let patched = &test.api.patch(&created.path(), json!({"project": {}})).await.ok(200)["project"];
    assert_eq!(patched["consumption_period_start"], "0001-01-01T00:00:00Z");
    test.finish().await;
}

#[tokio::test]
async fn a_deleted_project_can_be_recovered() {
    let test = TestEmulator::start().await;
    let created = test.api.create("lost").await;
    let path = created.path();
    test.api.delete(&path).await.ok(200);
    test.api.get(&path).await.refused(404);
    test.api.patch(&path, json!({"project": {"name": "x"}})).await.refused(404);
    assert_eq!(test.api.get("/projects").await.ok(200)["projects"], json!([]));
    let recoverable = &test.api.get("/projects?recoverable=true").await.ok(200)["projects"][0];
    assert_eq!(recoverable["id"], created.id());
    assert!(recoverable["deleted_at"].is_string() && recoverable["recoverable_until"].is_string());

    let recovered = test.api.act(&format!("{path}/recover")).await.ok(200);
    assert_eq!(recovered["branches"][0]["id"], created.branch_id());
    assert_eq!(test.api.get(&path).await.ok(200)["project"]["name"], "lost");
    test.api.act(&format!("{path}/recover")).await.refused(404);
    test.finish().await;
}

#[tokio::test]
async fn a_second_deletion_is_told_of_a_thinner_project_and_an_id_that_never_was_is_not_found() {
    let test = TestEmulator::start().await;
    let created = test.api.create("twice").await;
    let first = test.api.delete(&created.path()).await.ok(200)["project"].take();
    assert_ne!(first["provisioner"], "");
    for seconds in [0, 8 * 24 * 3600] {
        test.advance(seconds);
        let second = test.api.delete(&created.path()).await.ok(200)["project"].take();
        assert_eq!((&second["id"], &second["provisioner"]), (&json!(created.id()), &json!("")));
    }
    test.api.delete("/projects/never-was-12345678").await.refused(404);

    let unknowns = Unknowns { second_deletion_is_404: true, ..Unknowns::default() };
    let other = TestEmulator::with(Config { unknowns, ..config() }).await;
    let created = other.api.create("twice").await;
    other.api.delete(&created.path()).await.ok(200);
    other.api.delete(&created.path()).await.refused(404);
    other.finish().await;
    test.finish().await;
}

#[tokio::test]
async fn an_id_that_cannot_be_one_is_no_route() {
    let test = TestEmulator::start().await;
    for id in ["Upper-Case-1", "with.dots", "with%20spaces", "with_underscores"] {
        let refused = test.api.request(Method::DELETE, &format!("/projects/{id}")).send().await.unwrap();
        assert_eq!(refused.status(), 404);
        assert_eq!(refused.json::<Value>().await.unwrap()["message"], "this route does not exist", "{id}");
    }
    assert_eq!(test.api.get("/projects/well-formed-1").await.refused(404), "project not found");
    test.finish().await;
}

#[tokio::test]
async fn after_its_window_a_deleted_project_is_gone() {
    let test = TestEmulator::start().await;
    let created = test.api.create("gone").await;
    test.api.delete(&created.path()).await.ok(200);
    test.advance(7 * 24 * 3600 - 10);
    let last_chance = test.api.get("/projects?recoverable=true").await.ok(200);
    assert_eq!(last_chance["projects"][0]["id"], created.id());
    let at = |field: &str| last_chance["projects"][0][field].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert_eq!(at("recoverable_until") - at("deleted_at"), TimeDelta::days(7));
    test.advance(11);
    test.api.act(&format!("{}/recover", created.path())).await.refused(404);
    assert_eq!(test.api.get("/projects?recoverable=true").await.ok(200)["projects"], json!([]));
    assert_eq!(test.emulator.inventory().await.unwrap(), []);
    test.finish().await;
}

#[tokio::test]
async fn passwords_that_are_not_stored_cannot_be_revealed() {
    let test = TestEmulator::start().await;
    let kept = test.api.create("kept").await;
    let revealed = test.api.get(&format!("{}/roles/neondb_owner/reveal_password", kept.branch_path())).await.ok(200);
    assert_eq!(revealed["password"], kept.0["roles"][0]["password"]);
    let not_kept = test.api.create_as(json!({"store_passwords": false})).await;
    test.api.get(&format!("{}/roles/neondb_owner/reveal_password", not_kept.branch_path())).await.refused(412);
    test.api.get(&format!("{}/roles/nobody/reveal_password", kept.branch_path())).await.refused(404);
    test.finish().await;
}

#[tokio::test]
async fn personal_keys_must_name_the_organisation() {
    let test = TestEmulator::start().await;
    let person = test.person();
    let refusal = person.get("/projects").await.refused(400);
    assert_eq!(refusal, "org_id is required, you can find it on your organization settings page");
    person.get(&format!("/projects?org_id={DEFAULT_ORG}")).await.ok(200);
    person.post("/projects", json!({"project": {}})).await.refused(400);
    person.create_as(json!({"org_id": DEFAULT_ORG})).await;
    test.finish().await;
}

#[tokio::test]
async fn the_limit_of_the_plan_is_kept() {
    let organizations = vec![Organization::new(DEFAULT_ORG).holding(1)];
    let test = TestEmulator::with(Config { organizations, ..config() }).await;
    let created = test.api.create("the only one").await;
    let refused = test.api.post("/projects", json!({"project": {"name": "one too many"}})).await.ok(422);
    assert_eq!(refused["code"], "PROJECTS_LIMIT_EXCEEDED");
    assert_eq!(refused["message"], "user projects limit of 1 exceeded, got 1");
    test.api.delete(&created.path()).await.ok(200);
    test.api.create("in its place").await;
    let back = test.api.act(&format!("{}/recover", created.path())).await.ok(422);
    assert_eq!(back["code"], "PROJECTS_LIMIT_EXCEEDED", "its place is taken");
    test.finish().await;
}

#[tokio::test]
async fn what_the_plan_does_not_allow_is_refused_with_the_status_of_its_kind() {
    let plan = Config { branches_limit: Some(2), shortest_suspend_seconds: Some(300), ..config() };
    let test = TestEmulator::with(plan).await;
    let created = test.api.create("planned").await;
    let branches = format!("{}/branches", created.path());
    test.api.post(&branches, json!({"branch": {}})).await.ok(201);
    let refused = test.api.post(&branches, json!({"branch": {}})).await.ok(422);
    assert_eq!(
        (&refused["code"], &refused["message"]),
        (&json!("BRANCHES_LIMIT_EXCEEDED"), &json!("branches limit exceeded"))
    );

    let short = json!({"suspend_timeout_seconds": 60});
    let endpoint = json!({"branch_id": created.branch_id(), "type": "read_write", "suspend_timeout_seconds": 60});
    let refusals = [
        test.api.post("/projects", json!({"project": {"default_endpoint_settings": short}})).await,
        test.api.patch(&created.path(), json!({"project": {"default_endpoint_settings": short}})).await,
        test.api.patch(&created.endpoint_path(), json!({"endpoint": short})).await,
        test.api.post(&format!("{}/endpoints", created.path()), json!({"endpoint": endpoint})).await,
        test.api.post(&branches, json!({"endpoints": [{"type": "read_write", "suspend_timeout_seconds": 60}]})).await,
    ];
    for refusal in refusals {
        assert_eq!(refusal.refused(412), "suspend interval is too short for your plan");
    }
    test.api.patch(&created.endpoint_path(), json!({"endpoint": {"suspend_timeout_seconds": 0}})).await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn counters_stay_zero_if_the_switch_says_so() {
    let unknowns = Unknowns { counters_stay_zero: true, ..Unknowns::default() };
    let test = TestEmulator::with(Config { unknowns, ..config() }).await;
    let created = test.api.create("uncounted").await;
    test.advance(100);
    let project = test.api.get(&created.path()).await.ok(200)["project"].take();
    assert_eq!((&project["active_time_seconds"], &project["written_data_bytes"]), (&json!(0), &json!(0)));
    test.finish().await;
}
