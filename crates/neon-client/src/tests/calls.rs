//! What is sent for each call, and what is understood of Neon's captured answers.

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::stub::{Seen, Stub, json, refusal};
use super::{KEY, client, new_project};
use crate::stats::CallStatus;
use crate::{Class, ComputeSettings, Deletion, NeonClient, NeonConfig, NeonError, NeonQuota};

const CREATED: &str = include_str!("fixtures/create_project.json");

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.headers.get(name).unwrap().to_str().unwrap()
}

#[tokio::test]
async fn a_project_is_created_as_asked_for_and_its_captured_answer_understood() {
    let stub = Stub::answering([json(201, CREATED)]).await;
    let created = client(&stub.url).with_class(Class::Refill).create_project(&new_project()).await.unwrap();
    assert_eq!(
        (created.project_id.as_str(), created.branch_id.as_str()),
        ("sparkling-hill-99143322", "br-green-mode-afe3fl9y")
    );
    assert_eq!(
        (created.endpoint_id.as_str(), created.database.as_str(), created.role.as_str()),
        ("ep-round-unit-afbn7qv4", "neondb", "neondb_owner")
    );
    assert!(created.connection_uri.expose_secret().contains("npg_N67FDMtGvJke@ep-round-unit"));
    let seen = &stub.seen()[0];
    assert_eq!((seen.method.as_str(), seen.uri.path()), ("POST", "/api/v2/projects"));
    assert_eq!(
        seen.body,
        json!({"project": {
            "name": "flotilla-0198f0a2", "region_id": "aws-us-west-2", "pg_version": 17, "store_passwords": true, "org_id": "org-royal-sun-91776391",
            "branch": {"database_name": "neondb", "role_name": "neondb_owner"},
            "default_endpoint_settings": {"autoscaling_limit_min_cu": 0.25, "autoscaling_limit_max_cu": 2.0},
            "settings": {"quota": {"logical_size_bytes": 536_870_912, "active_time_seconds": 0, "compute_time_seconds": 0, "written_data_bytes": 0, "data_transfer_bytes": 0}},
        }})
    );
}

#[tokio::test]
async fn every_call_says_who_asks_and_has_its_own_id() {
    let stub = Stub::answering([json(200, json!({"endpoints": []}))]).await;
    let client = client(&stub.url);
    client.endpoints("p-1").await.unwrap();
    client.endpoints("p-1").await.unwrap();
    let seen = stub.seen();
    assert_eq!(header(&seen[0], "authorization"), format!("Bearer {KEY}"));
    assert_eq!(header(&seen[0], "user-agent"), "fleet/1.2");
    assert_ne!(header(&seen[0], "x-request-id"), header(&seen[1], "x-request-id"));
    assert!(seen[0].headers.get("cookie").is_none());
    assert_eq!(seen[0].uri.path(), "/api/v2/projects/p-1/endpoints");
}

#[tokio::test]
async fn calls_of_one_request_bear_its_id_and_a_number_each() {
    let stub =
        Stub::answering([refusal(503, "", "come back"), json(200, json!({"endpoints": []})), refusal(400, "", "no")])
            .await;
    let config = NeonConfig {
        request_id: || String::from("ticket-4711"),
        ..NeonConfig::new(&stub.url, SecretString::from(KEY))
    };
    let client = NeonClient::new(config).unwrap();
    // The first read is repeated, so that three calls are sent for two.
    client.endpoints("p-1").await.unwrap();
    client.endpoints("p-1").await.unwrap_err();
    let ids: Vec<String> = stub.seen().iter().map(|seen| header(seen, "x-request-id").to_owned()).collect();
    assert_eq!(ids, ["ticket-4711.1", "ticket-4711.2", "ticket-4711.3"]);
}

#[tokio::test]
async fn a_base_address_with_a_slash_at_its_end_and_odd_ids_make_no_other_path() {
    let stub = Stub::answering([json(200, json!({"endpoints": []}))]).await;
    client(&format!("{}/", stub.url)).endpoints("../api_keys?x=").await.unwrap();
    assert_eq!(stub.seen()[0].uri.path_and_query().unwrap(), "/api/v2/projects/..%2Fapi_keys%3Fx=/endpoints");
}

#[tokio::test]
async fn the_zero_time_is_no_time_and_the_counters_are_read() {
    let stub = Stub::answering([json(200, CREATED), json(200, CREATED), json(200, json!({"project": {
        "id": "p-1", "name": "n", "created_at": "2025-09-10T07:58:16Z", "synthetic_storage_size": 31_000_000, "active_time_seconds": 308, "compute_time_seconds": 79,
        "written_data_bytes": 29_060_360, "settings": {"quota": {"logical_size_bytes": 10, "active_time_seconds": 0}}, "maintenance_starts_at": null,
        "consumption_period_start": "2025-09-01T00:00:00Z", "consumption_period_end": "2025-10-01T00:00:00Z", "compute_last_active_at": "2025-09-10T08:03:00Z", "slug": "new-field",
    }}))]).await;
    let client = client(&stub.url);
    client
        .update_project("p-1", Some(&NeonQuota { active_time_seconds: Some(60), ..NeonQuota::default() }), None)
        .await
        .unwrap();
    let updated = client.get_project("p-1").await.unwrap();
    assert_eq!((updated.period_start, updated.last_active_at, updated.synthetic_size_bytes), (None, None, None));
    let quota = &stub.seen()[0].body["project"]["settings"]["quota"];
    assert_eq!((&quota["active_time_seconds"], &quota["logical_size_bytes"]), (&json!(60), &json!(0)));
    let project = client.get_project("p-1").await.unwrap();
    assert_eq!(
        (project.synthetic_size_bytes, project.active_time_seconds, project.data_transfer_bytes),
        (Some(31_000_000), 308, 0)
    );
    assert_eq!(project.quota, NeonQuota { logical_size_bytes: Some(10), ..NeonQuota::default() });
    assert!(project.period_end.is_some() && project.last_active_at.is_some());
}

#[tokio::test]
async fn history_is_kept_without_a_word_about_anything_else() {
    let stub = Stub::answering([json(200, CREATED)]).await;
    client(&stub.url).set_history_retention("p-1", 86_400).await.unwrap();
    assert_eq!(stub.seen()[0].body, json!({ "project": { "history_retention_seconds": 86_400 } }));
}

#[tokio::test]
async fn endpoints_are_read_changed_and_stopped() {
    let captured = serde_json::from_str::<serde_json::Value>(CREATED).unwrap()["endpoints"][0].clone();
    let mut later = captured.clone();
    later["current_state"] = json!("hibernating");
    later.as_object_mut().unwrap().remove("pending_state");
    let stub = Stub::answering([
        json(200, json!({"endpoints": [captured, later]})),
        json(200, json!({"endpoint": captured, "operations": []})),
    ])
    .await;
    let client = client(&stub.url);
    let endpoints = client.endpoints("p-1").await.unwrap();
    assert_eq!((endpoints[0].state.as_str(), endpoints[0].is_changing(), endpoints[0].min_cu), ("init", true, 0.25));
    assert_eq!((endpoints[1].state.as_str(), endpoints[1].is_changing()), ("hibernating", false));
    client
        .update_endpoint("p-1", "ep-1", &ComputeSettings { size: Some((0.5, 1.0)), suspend_timeout_seconds: Some(60) })
        .await
        .unwrap();
    client.suspend_endpoint("p-1", "ep-1").await.unwrap();
    client.start_endpoint("p-1", "ep-1").await.unwrap();
    let seen = stub.seen();
    assert_eq!(
        seen[1].body,
        json!({"endpoint": {"autoscaling_limit_min_cu": 0.5, "autoscaling_limit_max_cu": 1.0, "suspend_timeout_seconds": 60}})
    );
    assert_eq!((seen[2].method.as_str(), seen[2].uri.path()), ("POST", "/api/v2/projects/p-1/endpoints/ep-1/suspend"));
    assert_eq!(seen[3].uri.path(), "/api/v2/projects/p-1/endpoints/ep-1/start");
    assert_eq!(header(&seen[3], "content-length"), "0");
}

#[tokio::test]
async fn the_connection_string_is_asked_for_in_one_certain_form() {
    let stub = Stub::answering([json(200, json!({"uri": "postgresql://u:p@h/d"}))]).await;
    let uri = client(&stub.url).connection_uri("p-1", "br-1", "ep-1", "neondb", "neondb_owner", false).await.unwrap();
    assert_eq!(uri.expose_secret(), "postgresql://u:p@h/d");
    let query = stub.seen()[0].uri.query().unwrap().to_owned();
    assert_eq!(query, "branch_id=br-1&endpoint_id=ep-1&database_name=neondb&role_name=neondb_owner&pooled=false");
}

#[tokio::test]
async fn operations_and_branches_are_read() {
    let operations = serde_json::from_str::<serde_json::Value>(CREATED).unwrap()["operations"].clone();
    let branch = json!({"branch": {"id": "br-1", "name": "main", "current_state": "ready", "logical_size": 30_785_536, "default": true}, "annotation": {}});
    let stub = Stub::answering([
        json(200, json!({"operations": operations, "pagination": {"cursor": "x"}})),
        json(200, branch),
    ])
    .await;
    let client = client(&stub.url);
    let operations = client.operations("p-1", 5_000).await.unwrap();
    assert!(operations[0].is_in_flight() && !operations[0].has_failed());
    assert_eq!(stub.seen()[0].uri.query(), Some("limit=1000"));
    assert_eq!(client.get_branch("p-1", "br-1").await.unwrap().logical_size_bytes, Some(30_785_536));
}

#[tokio::test]
async fn deleting_what_is_gone_is_done_but_a_key_that_does_not_reach_is_not() {
    let scoped = "not allowed to perform actions outside the project this key is scoped to";
    let stub = Stub::answering([
        json(200, r#"{"project":{"id":"p-1"}}"#),
        refusal(404, "", "project not found"),
        refusal(404, "", scoped),
    ])
    .await;
    let client = client(&stub.url);
    assert_eq!(client.delete_project("p-1").await.unwrap(), Deletion::Deleted);
    assert_eq!(client.delete_project("p-1").await.unwrap(), Deletion::AlreadyGone);
    assert!(matches!(client.delete_project("p-1").await, Err(NeonError::Unauthorised { .. })));
}

#[tokio::test]
async fn calls_are_counted_and_health_follows_them() {
    let stub = Stub::answering([
        json(200, json!({"endpoints": []})),
        refusal(500, "", "unknown internal server error"),
        refusal(423, "", "busy"),
    ])
    .await;
    let client = client(&stub.url).with_class(Class::Support);
    client.endpoints("p-1").await.unwrap();
    let well = client.health();
    assert!(well.last_ok_at.is_some() && well.failing_since.is_none() && well.last_error.is_none());
    assert!(client.start_endpoint("p-1", "ep-1").await.is_err());
    assert!(client.health().failing_since.is_some());
    // A busy project is no outage.
    assert!(client.start_endpoint("p-1", "ep-1").await.is_err());
    let health = client.health();
    assert!(health.failing_since.is_none() && health.last_error.unwrap().contains("unknown internal server error"));
    let counted: Vec<_> =
        health.calls.iter().map(|count| (count.class, count.route.method, count.status, count.calls)).collect();
    assert_eq!(
        counted,
        [
            (Class::Support, "GET", CallStatus::Answered(200), 1),
            (Class::Support, "POST", CallStatus::Answered(423), 1),
            (Class::Support, "POST", CallStatus::Answered(500), 1)
        ]
    );
}
