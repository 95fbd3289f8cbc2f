//! What somebody wanted to be different stays as it was meant: its end too, and no longer than its plan allows.

use chrono::{TimeDelta, Utc};
use fleet_types::PlanChange;
use ledger::{By, FoundOwner, PlanIntent};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    plans::{MIB, claim_as, database, send, sql},
    support::{Server, World},
};

/// A claimed database whose compute time is used up and relieved.
async fn relieved(world: &World, server: &Server) -> String {
    let id = claim_as(server, "ada", "free").await;
    sql(world, "UPDATE databases SET used_compute_seconds = 200000").await;
    let ask = json!({ "limit": "compute_time_seconds", "reason": "waits for the upgrade" });
    let (status, answer) = send(server, Method::POST, &format!("/api/v1/databases/{id}/relieve"), ask).await;
    assert!(status.is_success(), "{answer}");
    id
}

async fn overrides(server: &Server, id: &str) -> Value {
    database(server, id).await["overrides"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relief_ends_in_time_although_somebody_sends_its_limit_along_with_another() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let id = relieved(&world, &server).await;
    let path = format!("/api/v1/databases/{id}/quota");
    let relief = overrides(&server, &id).await[0].clone();
    assert!(relief["until"].is_string(), "{relief}");
    let both = json!({ "compute_time_seconds": 270_000, "logical_size_bytes": 700 * MIB });
    assert!(send(&server, Method::PATCH, &path, both).await.0.is_success());
    let kept = overrides(&server, &id).await;
    assert_eq!(kept[0], relief, "it stays as it was meant: {kept}");
    assert_eq!((&kept[1]["field"], &kept[1]["until"]), (&json!("logical_size_bytes"), &Value::Null));

    // Who says so means it, and has read it before.
    let old = database(&server, &id).await["quota_revision"].clone();
    let later = json!({ "compute_time_seconds": 270_000, "until": Utc::now() + TimeDelta::hours(30) });
    assert!(send(&server, Method::PATCH, &path, later).await.0.is_success());
    let mut for_good = json!({ "compute_time_seconds": 270_000, "until": null, "revision": old });
    let (status, problem) = send(&server, Method::PATCH, &path, for_good.clone()).await;
    assert_eq!(status, StatusCode::CONFLICT, "its end was moved since: {problem}");
    for_good["revision"] = Value::Null;
    assert!(send(&server, Method::PATCH, &path, for_good).await.0.is_success());
    assert_eq!(overrides(&server, &id).await[0]["until"], Value::Null);
    let events = world.ledger.database(id.parse().unwrap()).await.unwrap().events;
    let event = events.iter().find(|event| event.kind == "database.quota").unwrap();
    let sides = (event.before.clone().unwrap(), event.after.clone().unwrap());
    let end = "compute_time_seconds_until";
    assert!(sides.0[end].is_string() && sides.1[end] == "for good", "{sides:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relief_ends_when_the_plan_does_not_allow_it_or_does_not_need_it_any_more() {
    for (percent, plan, expected) in [(Some(120), "free", 180_000), (None, "pro", 1_080_000)] {
        let world = World::with_pool(0).await;
        world.stock(1).await;
        let server = world.serve_without_duties().await;
        let id = relieved(&world, &server).await;
        if percent.is_some() {
            let change = json!({ "relief_percent": percent, "min_cu": 0.25, "max_cu": 1, "anyway": true });
            let (status, changed) = send(&server, Method::PATCH, "/api/v1/plans/free", change).await;
            assert_eq!(status, StatusCode::OK, "{changed}");
            let plan = world.ledger.rolling_plans().await.unwrap().remove(0);
            world.ledger.roll_members(&plan, 50, &By::cli()).await.unwrap();
        } else {
            let upgrade = json!({ "plan": plan });
            assert_eq!(send(&server, Method::PATCH, "/api/v1/owners/ada", upgrade).await.0, StatusCode::OK);
        }
        let now = database(&server, &id).await;
        assert_eq!(
            (&now["quota"]["compute_time_seconds"], &now["overrides"]),
            (&json!(expected), &json!([])),
            "{plan}: {now}"
        );
        let events = world.ledger.database(id.parse().unwrap()).await.unwrap().events;
        let ended = events.iter().find(|event| event.kind == "database.override_expired").unwrap();
        assert_eq!(ended.before.as_ref().unwrap()["compute_time_seconds"], 270_000, "{ended:?}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relief_is_measured_against_the_plan_of_now() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let id = claim_as(&server, "ada", "free").await;
    sql(&world, "UPDATE databases SET used_compute_seconds = 200000").await;
    let more = json!({ "quota": { "compute_time_seconds": 190_000 } });
    assert_eq!(send(&server, Method::PATCH, "/api/v1/plans/free", more).await.0, StatusCode::OK);
    let ask = json!({ "limit": "compute_time_seconds", "percent": 110, "hours": 1.0 });
    let (status, answer) = send(&server, Method::POST, &format!("/api/v1/databases/{id}/relieve"), ask).await;
    assert!(status.is_success(), "{answer}");
    assert_eq!(answer["database"]["quota"]["compute_time_seconds"], 209_000, "of what the plan says by now: {answer}");
    server.stop().await;
}

/// The plan has another limit by now, and the database has not followed it yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_to_stay_as_it_is_for_good_survives_the_roll_out() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let id = claim_as(&server, "ada", "free").await;
    let path = format!("/api/v1/databases/{id}/quota");
    let has = database(&server, &id).await["quota"]["compute_time_seconds"].clone();
    let less = json!({ "quota": { "compute_time_seconds": 90_000 } });
    assert_eq!(send(&server, Method::PATCH, "/api/v1/plans/free", less).await.0, StatusCode::OK);
    let kept = json!({ "compute_time_seconds": has, "until": null, "reason": "was promised" });
    for _ in 0..2 {
        let (status, answer) = send(&server, Method::PATCH, &path, kept.clone()).await;
        assert!(status.is_success(), "{answer}");
    }
    let told = overrides(&server, &id).await;
    let expected = json!({ "field": "compute_time_seconds", "value": has, "until": null, "plan_value": 90_000 });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&told[0][field], value, "{told}");
    }
    let events = world.ledger.database(id.parse().unwrap()).await.unwrap().events;
    let changes: Vec<_> = events.iter().filter(|event| event.kind == "database.quota").collect();
    assert_eq!(changes.len(), 1, "said again, it changes nothing: {changes:?}");
    assert_eq!(changes[0].after.as_ref().unwrap()["compute_time_seconds_until"], "for good", "{changes:?}");
    let plan = world.ledger.rolling_plans().await.unwrap().remove(0);
    world.ledger.roll_members(&plan, 50, &By::cli()).await.unwrap();
    assert_eq!(database(&server, &id).await["quota"]["compute_time_seconds"], has);
    server.stop().await;
}

/// Also where nothing changes by it, because the plan says the same by now.
#[tokio::test(flavor = "multi_thread")]
async fn who_ended_an_override_stands_in_the_history() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let id = claim_as(&server, "ada", "free").await;
    let path = format!("/api/v1/databases/{id}");
    let quota = json!({ "logical_size_bytes": 600 * MIB });
    assert!(send(&server, Method::PATCH, &format!("{path}/quota"), quota.clone()).await.0.is_success());
    assert_eq!(send(&server, Method::PATCH, "/api/v1/plans/free", json!({ "quota": quota })).await.0, StatusCode::OK);
    let field = format!("{path}/overrides/logical_size_bytes");
    assert!(send(&server, Method::DELETE, &field, Value::Null).await.0.is_success());
    assert_eq!(overrides(&server, &id).await, json!([]));
    let events = world.ledger.database(id.parse().unwrap()).await.unwrap().events;
    let ended = events.iter().find(|event| event.kind == "database.override_ended").unwrap();
    let before = ended.before.as_ref().unwrap();
    assert_eq!((&before["logical_size_bytes"], ended.via.as_str()), (&json!(600 * MIB), "api"));
    assert!(before["set_by"].is_string(), "{before}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compute_that_a_plan_stops_to_name_is_what_the_database_was_born_with() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let id = claim_as(&server, "ada", "free").await;
    let change = async |min_cu: Option<f64>, max_cu: Option<f64>| {
        let change = PlanChange { min_cu: Some(min_cu), max_cu: Some(max_cu), ..PlanChange::default() };
        world.ledger.change_plan("free", &change, PlanIntent::default(), &By::cli()).await.unwrap();
        let plan = world.ledger.rolling_plans().await.unwrap().remove(0);
        world.ledger.roll_members(&plan, 50, &By::cli()).await.unwrap();
        let detail = world.ledger.database(id.parse().unwrap()).await.unwrap();
        (detail.min_cu, detail.max_cu)
    };
    assert_eq!(change(Some(1.0), Some(2.0)).await, (1.0, 2.0));
    sql(&world, "UPDATE pools SET min_cu = 4, max_cu = 8, suspend_timeout_seconds = 900").await;
    assert_eq!(change(None, None).await, (0.25, 0.25), "what the pool makes by now is for others");
    server.stop().await;
}

/// Their plan is another one by now: what it says holds where they had the old plan's compute, and what they had of limits stays theirs.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_keeps_the_limits_that_it_had_as_overrides_of_the_plan_of_now() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let id = claim_as(&server, "ada", "free").await;
    let bought = json!({ "logical_size_bytes": 600 * MIB, "until": Utc::now() + TimeDelta::hours(1) });
    assert!(send(&server, Method::PATCH, &format!("/api/v1/databases/{id}/quota"), bought).await.0.is_success());
    let row: Uuid = id.parse().unwrap();
    world.ledger.release(row, &By::cli()).await.unwrap();
    let upgrade = json!({ "plan": "pro" });
    assert_eq!(send(&server, Method::PATCH, "/api/v1/owners/ada", upgrade).await.0, StatusCode::OK);
    let timeout = PlanChange { suspend_timeout_seconds: Some(Some(120)), ..PlanChange::default() };
    world.ledger.change_plan("pro", &timeout, PlanIntent::default(), &By::cli()).await.unwrap();

    let owner =
        FoundOwner { id: String::from("ada"), email: String::from("ada@mail.example"), plan: String::from("free") };
    world.ledger.give_back(row, &owner, None, None, None, &By::cli()).await.unwrap();
    let given = database(&server, &id).await;
    assert_eq!((&given["owner"]["plan"], &given["suspend_timeout_seconds"]), (&json!("pro"), &json!(120)), "{given}");
    assert_eq!(given["quota"]["logical_size_bytes"], json!(600 * MIB), "{given}");
    let kept: Vec<(&str, bool)> = given["overrides"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["field"].as_str().unwrap(), one["until"].is_string()))
        .collect();
    let all = [
        ("active_time_seconds", false),
        ("compute_time_seconds", false),
        ("data_transfer_bytes", false),
        ("logical_size_bytes", true),
        ("written_data_bytes", false),
    ];
    assert_eq!(kept, all, "what had an end has it still");
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}
