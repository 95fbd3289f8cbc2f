//! What the plan of an organisation allows, with the status that is known for its kind.

use neon_emulator::{Config, DEFAULT_ORG, Organization, Plan};
use serde_json::json;

use crate::support::{TestEmulator, config};

async fn on(plan: Plan) -> TestEmulator {
    let organizations = vec![Organization::new(DEFAULT_ORG).on(plan)];
    TestEmulator::with(Config { organizations, ..config() }).await
}

#[tokio::test]
async fn a_free_plan_takes_neither_timeouts_nor_large_computes_nor_long_history() {
    let test = on(Plan::Free).await;
    let created = test.api.create("free").await;
    assert_eq!(created.0["project"]["history_retention_seconds"], 21_600, "as much as the plan allows");
    let of_project = |settings| json!({"project": {"default_endpoint_settings": settings}});
    for settings in
        [json!({"suspend_timeout_seconds": 300}), json!({"autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 4})]
    {
        test.api.post("/projects", of_project(settings.clone())).await.refused(412);
        test.api.patch(&created.path(), of_project(settings.clone())).await.refused(412);
        test.api.patch(&created.endpoint_path(), json!({"endpoint": settings})).await.refused(412);
    }
    test.api.patch(&created.path(), json!({"project": {"history_retention_seconds": 86_400}})).await.refused(412);
    test.api.patch(&created.endpoint_path(), json!({"endpoint": {"autoscaling_limit_max_cu": 2}})).await.ok(200);
    test.finish().await;
}

#[tokio::test]
async fn a_plan_limits_the_branches_of_a_project() {
    let test = on(Plan::AgentFree).await;
    let created = test.api.create("branchy").await;
    let branches = format!("{}/branches", created.path());
    for _ in 1..10 {
        test.api.post(&branches, json!({"branch": {}})).await.ok(201);
    }
    let refused = test.api.post(&branches, json!({"branch": {}})).await.ok(422);
    assert_eq!(refused["code"], "BRANCHES_LIMIT_EXCEEDED");
    test.finish().await;
}

#[tokio::test]
async fn a_free_plan_has_no_consumption_history() {
    let test = on(Plan::Free).await;
    let now = test.emulator.clock().now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let path = format!(
        "/consumption_history/v2/projects?org_id={DEFAULT_ORG}&granularity=daily&from={now}&to={now}&metrics=compute_unit_seconds"
    );
    test.api.get(&path).await.refused(403);
    test.finish().await;
}

#[tokio::test]
async fn a_region_that_an_organisation_may_not_use_is_refused() {
    let mut organization = Organization::new(DEFAULT_ORG);
    organization.regions = vec!["aws-us-east-1".into()];
    let test = TestEmulator::with(Config { organizations: vec![organization], ..config() }).await;
    test.api.create_as(json!({"region_id": "aws-us-east-1"})).await;
    test.api.post("/projects", json!({"project": {"region_id": "aws-eu-west-2"}})).await.refused(400);
    let regions = test.api.get(&format!("/regions?org_id={DEFAULT_ORG}")).await.ok(200);
    assert_eq!(regions["regions"].as_array().unwrap().len(), 1);
    test.finish().await;
}
