//! Every route once, in a form that has as many fields as possible. The validation is in the caller.

use neon_emulator::{DEFAULT_ORG, Organization};
use serde_json::json;

use crate::organizations::{OTHER, two};
use crate::support::TestEmulator;

#[tokio::test]
async fn every_route_answers_as_the_contract_says() {
    let test = TestEmulator::start().await;
    let api = &test.api;
    let project = json!({
        "name": "whole", "region_id": "aws-eu-central-1", "pg_version": 16, "history_retention_seconds": 3600,
        "branch": {"name": "trunk", "role_name": "keeper", "database_name": "books"},
        "default_endpoint_settings": {"autoscaling_limit_min_cu": 0.5, "autoscaling_limit_max_cu": 2, "suspend_timeout_seconds": 600,
                                      "pg_settings": {"work_mem": "8MB"}},
        "settings": {"quota": {"active_time_seconds": 1, "compute_time_seconds": 2, "written_data_bytes": 3,
                               "data_transfer_bytes": 4, "logical_size_bytes": 5},
                     "allowed_ips": {"ips": ["192.0.2.1"], "protected_branches_only": false}},
    });
    let created = api.create_as(project).await;
    let (path, branch, endpoint) = (created.path(), created.branch_path(), created.endpoint_path());

    for unchanging in [
        "/auth".into(),
        "/regions".into(),
        "/projects".into(),
        path.clone(),
        format!("{path}/operations"),
        format!("{path}/operations/{}", created.0["operations"][0]["id"].as_str().unwrap()),
        format!("{path}/connection_uri?database_name=books&role_name=keeper&pooled=true"),
        format!("{path}/endpoints"),
        endpoint.clone(),
        format!("{path}/branches"),
        branch.clone(),
        format!("{branch}/endpoints"),
        format!("{branch}/databases"),
        format!("{branch}/databases/books"),
        format!("{branch}/roles"),
        format!("{branch}/roles/keeper"),
        format!("{branch}/roles/keeper/reveal_password"),
    ] {
        api.get(&unchanging).await.ok(200);
    }
    api.patch(&endpoint, json!({"endpoint": {"name": "first"}})).await.ok(200);
    for action in ["suspend", "start", "restart"] {
        api.act(&format!("{endpoint}/{action}")).await.ok(200);
    }
    api.patch(&path, json!({"project": {"name": "renamed"}})).await.ok(200);
    api.delete(&path).await.ok(200);
    api.get("/projects?recoverable=true").await.ok(200);
    api.act(&format!("{path}/recover")).await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn every_call_about_organisations_answers_as_the_contract_says() {
    let test = TestEmulator::with(two()).await;
    let (person, created) = (test.person(), test.api.create("moved").await);
    let of_source = format!("/organizations/{DEFAULT_ORG}");
    let keys = format!("{of_source}/api_keys");
    for path in ["/users/me", "/users/me/organizations", "/api_keys", &of_source, &keys] {
        person.get(path).await.ok(200);
    }
    person.get(&format!("/projects?org_id={DEFAULT_ORG}")).await.ok(200);
    person.get(&format!("/regions?org_id={OTHER}")).await.ok(200);
    let key = person.post(&keys, json!({"key_name": "one", "project_id": created.id()})).await.ok(200);
    person.delete(&format!("{keys}/{}", key["id"])).await.ok(200);

    let transfer = format!("{of_source}/projects/transfer");
    let batch = json!({"destination_org_id": OTHER, "project_ids": [created.id()]});
    test.api.post(&transfer, batch.clone()).await.refused(404);
    test.emulator.set_integration(created.id(), Some("github")).await.unwrap();
    person.get(&format!("/projects?org_id={DEFAULT_ORG}")).await.ok(200);
    person.post(&transfer, batch.clone()).await.ok(422);
    test.emulator.set_integration(created.id(), None).await.unwrap();
    test.emulator.put_organization(&Organization::new(OTHER).holding(0)).await.unwrap();
    person.post(&transfer, batch.clone()).await.ok(406);
    test.emulator.put_organization(&Organization::new(OTHER)).await.unwrap();
    person.post(&transfer, batch).await.ok(200);
    person.get(&created.path()).await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn a_creation_has_the_fields_of_the_capture() {
    let test =
        TestEmulator::with(neon_emulator::Config { operation_time_scale: 1.0, ..crate::support::config() }).await;
    let created = test.api.create("captured").await.0;

    assert_eq!(created["operations"][0]["action"], "create_timeline");
    assert_eq!(created["operations"][0]["status"], "running");
    assert_eq!(created["operations"][1]["action"], "start_compute");
    assert_eq!(created["operations"][1]["status"], "scheduling");
    assert_eq!(created["endpoints"][0]["current_state"], "init");
    assert_eq!(created["endpoints"][0]["pending_state"], "active");
    assert_eq!(created["branch"]["current_state"], "init");
    assert_eq!(created["branch"]["pending_state"], "ready");
    assert_eq!(created["branch"]["logical_size"], json!(null));
    assert_eq!(created["project"]["consumption_period_start"], "0001-01-01T00:00:00Z");
    assert_eq!(created["project"]["owner"], json!(null));
    let password = created["roles"][0]["password"].as_str().unwrap();
    assert!(password.starts_with("npg_") && password.len() == 16, "{password}");
    assert_eq!(created["connection_uris"][0]["connection_parameters"]["password"], password);
    test.finish().await;
}
