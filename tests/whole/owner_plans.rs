//! What single owners and databases are given: another plan, an override of it, a relief.

use chrono::{TimeDelta, Utc};
use flotilla::demo;
use ledger::{By, Invariant, Ledger, NewPool, OwnerChange, PlanIntent};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    commands::flotilla,
    older_ledger::with_migrations_before,
    plans::{DRIFT, MIB, claim_as, database, number, on_neon, send, sql, storage},
    support::{World, until, until_waiting_for_a_lock},
};

const EUROPE: NewPool<'static> = NewPool {
    name: "europe",
    region_id: "aws-eu-central-1",
    pg_version: 17,
    birth_plan: "business",
    target: 1,
    is_default: false,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_with_another_plan_takes_all_their_databases_along() {
    let world = World::with_pool(1).await;
    world.ledger.ensure_pool(&EUROPE).await.unwrap();
    let server = world.serve().await;
    until("both pools are ready", || async {
        world.ledger.pools().await.unwrap().iter().all(|pool| pool.available == 1)
    })
    .await;
    let one = claim_as(&server, "ada", "free").await;
    let body = json!({ "owner": { "id": "ada", "email": "ada@mail.example" }, "pool": "europe" });
    let (_, claim) = server.claim_with(body, None).await;
    let two = claim["database"]["id"].as_str().unwrap().to_owned();

    let (status, problem) = send(&server, Method::PATCH, "/api/v1/owners/ada", json!({ "plan": "none" })).await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("plan")),
        "{problem}"
    );
    let (_, trial) =
        send(&server, Method::PATCH, "/api/v1/owners/ada", json!({ "plan": "pro", "dry_run": true })).await;
    assert_eq!((&trial["effect"]["changing"], &trial["dry_run"]), (&json!(2), &json!(true)), "{trial}");
    assert_eq!(database(&server, &one).await["owner"]["plan"], "free", "a dry run saves nothing");

    let upgrade = json!({ "plan": "pro", "reason": "invoice 7" });
    let (status, owner) = send(&server, Method::PATCH, "/api/v1/owners/ada", upgrade).await;
    assert_eq!((status, &owner["plan"]), (StatusCode::OK, &json!("pro")), "{owner}");
    for id in [&one, &two] {
        until("Neon has the quota of the new plan", || async {
            on_neon(&world, &database(&server, id).await).await.quota.logical_size_bytes == Some(10_240 * MIB)
        })
        .await;
        assert_eq!(database(&server, id).await["owner"]["plan"], "pro");
        let events = world.ledger.database(id.parse().unwrap()).await.unwrap().events;
        let event = events.iter().find(|event| event.kind == "database.plan").unwrap();
        assert_eq!((event.reason.as_deref(), event.via.as_str()), (Some("invoice 7"), "api"));
    }
    // And back, at the command line.
    let back = ["owner", "change-plan", "ada", "free", "--reason", "cancelled"];
    let (is_done, words) = flotilla(&world.database_url, &back).await;
    assert!(is_done && words.contains("2 databases, 2 of them change"), "{words}");
    until("Neon has the quota of the old plan", || async {
        on_neon(&world, &database(&server, &two).await).await.quota.logical_size_bytes == Some(512 * MIB)
    })
    .await;
    assert_eq!(number(&world, DRIFT).await, 0);
    server.stop().await;
}

/// The claim's statement began before the owner was given another plan, and ends after.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_meets_a_change_of_its_owners_plan_ends_with_the_new_one() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    sql(&world, "INSERT INTO owners (id, email, plan) VALUES ('ada', 'ada@mail.example', 'free')").await;
    let mut change = PgConnection::connect(&world.database_url).await.unwrap();
    change.execute("BEGIN; UPDATE owners SET plan = 'pro'").await.unwrap();
    let (claim, ()) = tokio::join!(server.claim("ada"), async {
        until_waiting_for_a_lock(&world, 1).await;
        change.execute("COMMIT").await.unwrap();
    });
    let id = claim.1["database"]["id"].as_str().unwrap().to_owned();
    assert_eq!(database(&server, &id).await["owner"]["plan"], "pro");
    server.stop().await;
    let server = world.serve().await;
    until("it has what the new plan gives", || async {
        database(&server, &id).await["quota"]["logical_size_bytes"] == json!(10_240 * MIB)
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_ends_by_itself_or_when_somebody_ends_it() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let id = claim_as(&server, "ada", "free").await;
    let path = format!("/api/v1/databases/{id}/quota");
    let past = json!({ "logical_size_bytes": 600 * MIB, "until": Utc::now() - TimeDelta::seconds(5) });
    assert_eq!(send(&server, Method::PATCH, &path, past).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let soon =
        json!({ "logical_size_bytes": 600 * MIB, "until": Utc::now() + TimeDelta::seconds(4), "reason": "a fair" });
    let (status, answer) = send(&server, Method::PATCH, &path, soon).await;
    assert!(status.is_success() && answer["database"]["overrides"][0]["until"].is_string(), "{answer}");
    until("it is back to its plan on Neon", || async {
        let now = database(&server, &id).await;
        now["pending"] == false
            && now["overrides"] == json!([])
            && on_neon(&world, &now).await.quota.logical_size_bytes == Some(512 * MIB)
    })
    .await;
    let events = world.ledger.database(id.parse().unwrap()).await.unwrap().events;
    let back = events.iter().find(|event| event.kind == "database.plan").unwrap();
    assert_eq!((back.reason.as_deref(), back.via.as_str()), (Some("The time of an override is over."), "engine"));

    let (_, answer) = send(&server, Method::PATCH, &path, json!({ "compute_time_seconds": null })).await;
    assert_eq!(answer["database"]["overrides"][0]["until"], Value::Null, "{answer}");
    let there = format!("/api/v1/databases/{id}/overrides/compute_time_seconds");
    let (status, answer) = send(&server, Method::DELETE, &there, Value::Null).await;
    assert!(status.is_success() && answer["database"]["quota"]["compute_time_seconds"] == 180_000, "{answer}");
    assert_eq!(send(&server, Method::DELETE, &there, Value::Null).await.0, StatusCode::NOT_FOUND);
    // What is set to what the plan says is no override.
    send(&server, Method::PATCH, &path, json!({ "compute_time_seconds": 5 })).await;
    let (_, answer) = send(&server, Method::PATCH, &path, json!({ "compute_time_seconds": 180_000 })).await;
    assert_eq!(answer["database"]["overrides"], json!([]), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_quota_is_relieved_within_the_cap_of_the_plan() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let id = claim_as(&server, "ada", "free").await;
    let path = format!("/api/v1/databases/{id}/relieve");
    let ask =
        |limit: &str, hours: i64, percent: Option<i32>| json!({ "limit": limit, "hours": hours, "percent": percent });
    let (status, problem) = send(&server, Method::POST, &path, ask("compute_time_seconds", 24, None)).await;
    assert_eq!(status, StatusCode::CONFLICT, "it is not used up: {problem}");
    sql(&world, "UPDATE databases SET used_compute_seconds = 200000, period_end = now() + interval '20 days'").await;
    assert_eq!(database(&server, &id).await["blocked_by"], "compute_time");
    for (wrong, field) in [
        (ask("compute_time_seconds", 25, None), "hours"),
        (ask("compute_time_seconds", 24, Some(151)), "percent"),
        (ask("storage", 24, None), "limit"),
    ] {
        let (status, problem) = send(&server, Method::POST, &path, wrong).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)),
            "{problem}"
        );
    }
    let (status, problem) = send(&server, Method::POST, &path, ask("compute_time_seconds", 24, Some(105))).await;
    assert_eq!(status, StatusCode::CONFLICT, "that would not do: {problem}");
    let (status, answer) = send(&server, Method::POST, &path, ask("compute_time_seconds", 24, None)).await;
    assert!(status.is_success(), "{answer}");
    assert!(answer["warning"].as_str().unwrap().contains("blocked again"), "{answer}");
    let relieved = &answer["database"];
    assert_eq!((&relieved["quota"]["compute_time_seconds"], &relieved["blocked_by"]), (&json!(270_000), &Value::Null));
    assert!(relieved["overrides"][0]["until"].is_string(), "{relieved}");
    let (status, problem) = send(&server, Method::POST, &path, ask("compute_time_seconds", 24, None)).await;
    assert_eq!(status, StatusCode::CONFLICT, "once is enough: {problem}");
    server.stop().await;
    // A day later.
    sql(&world, "UPDATE database_overrides SET until = now()").await;
    let server = world.serve().await;
    until("the plan's limit is back", || async {
        database(&server, &id).await["quota"]["compute_time_seconds"] == 180_000
    })
    .await;
    server.stop().await;
}

/// A ledger of before: its plans stay, and what was changed by hand is not undone by the next change of a plan.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_ledger_keeps_its_plans_and_what_differed_is_an_override() {
    let (url, mut connection) = with_migrations_before(31).await;
    let rows = "INSERT INTO pools (name, region_id, pg_version, birth_plan, target) VALUES ('p', 'r', 17, 'free', 3);
        INSERT INTO owners (id, email, plan) SELECT 'owner-' || n, n || '@mail.example', 'pro' FROM generate_series(1, 3) AS n;
        INSERT INTO databases (id, pool_id, state, region_id, pg_version, neon_project_name, neon_project_id, sealed_credentials, available_order, owner_id,
          plan, claimed_at, quota_logical_size_bytes, quota_compute_seconds, quota_written_bytes, quota_transfer_bytes)
        SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid, pools.id, 'claimed', 'r', 17, 'name-' || n, 'project-' || n, '\\x00', n, 'owner-' || n,
          CASE n WHEN 3 THEN 'free' ELSE 'pro' END, now(), CASE n WHEN 2 THEN 20000000000 ELSE 10737418240 END, 1080000, 107374182400, 107374182400
        FROM pools, generate_series(1, 3) AS n";
    connection.execute(rows).await.unwrap();
    let ledger = Ledger::connect(&url, 2).await.unwrap();
    ledger.migrate().await.unwrap();
    let names: Vec<String> = ledger.plans().await.unwrap().into_iter().map(|plan| plan.name).collect();
    assert_eq!(names.len(), demo::plans::PLANS.len(), "{names:?}");
    let changed = ledger.change_plan("pro", &storage(5), PlanIntent::default(), &By::cli()).await.unwrap();
    assert_eq!((changed.effect.databases, changed.effect.changing, changed.effect.overridden), (3, 2, 1));
    // The third had its quota changed by hand when its owner was given another plan.
    assert_eq!(ledger.check(Invariant::PlanOfItsOwner).await.unwrap(), [""; 0]);
    let moved = ledger.database("00000000-0000-7000-8000-000000000003".parse().unwrap()).await.unwrap();
    assert_eq!((moved.overrides, moved.row.pending), (Vec::new(), true), "Neon is to know the plan");
    let edited = ledger.database("00000000-0000-7000-8000-000000000002".parse().unwrap()).await.unwrap();
    assert_eq!(edited.overrides.len(), 1, "{:?}", edited.overrides);
    assert_eq!(edited.overrides[0].value, Some(20_000_000_000));
}

/// As a program of before leaves it that still runs beside the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_whose_owner_has_another_plan_is_told_of_and_follows_when_it_is_given_again() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let id = claim_as(&server, "ada", "free").await;
    sql(&world, "UPDATE owners SET plan = 'pro'").await;
    let found = world.ledger.check(Invariant::PlanOfItsOwner).await.unwrap();
    assert_eq!(found, [format!("database {id}: free, its owner pro")]);
    let again = OwnerChange { plan: Some(String::from("pro")), ..OwnerChange::default() };
    let changed = world.ledger.change_owner("ada", &again, false, &By::cli()).await.unwrap();
    assert_eq!((changed.effect.databases, changed.effect.changing), (1, 1));
    assert_eq!(database(&server, &id).await["quota"]["logical_size_bytes"], json!(10_240 * MIB));
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}

/// Nobody knows the owner yet when both claims begin, and each brings another plan.
#[tokio::test(flavor = "multi_thread")]
async fn an_owners_first_claims_in_two_pools_at_once_end_with_one_plan() {
    let world = World::with_pool(0).await;
    world.ledger.ensure_pool(&NewPool { target: 0, ..EUROPE }).await.unwrap();
    world.stock(9).await;
    world.stock_in("europe", 9).await;
    let server = world.serve_without_duties().await;
    let claim = async |owner: &str, plan: &str, pool: &str| {
        let owner = json!({ "id": owner, "email": format!("{owner}@mail.example"), "plan": plan });
        let (status, claim) = server.claim_with(json!({ "owner": owner, "pool": pool }), None).await;
        assert_eq!(status, StatusCode::CREATED, "{claim}");
        claim
    };
    // One of them has made the owner, and is not yet committed.
    let mut first = PgConnection::connect(&world.database_url).await.unwrap();
    first
        .execute("BEGIN; INSERT INTO owners (id, email, plan) VALUES ('ada', 'ada@home.example', 'pro')")
        .await
        .unwrap();
    let (second, ()) = tokio::join!(claim("ada", "free", "europe"), async {
        until_waiting_for_a_lock(&world, 1).await;
        first.execute("COMMIT").await.unwrap();
    });
    assert_eq!((&second["owner"]["plan"], &second["owner"]["email"]), (&json!("pro"), &json!("ada@home.example")));
    for round in 0..8 {
        let owner = format!("owner-{round}");
        let (one, two) = tokio::join!(claim(&owner, "free", "standard"), claim(&owner, "pro", "europe"));
        assert_eq!(one["owner"]["plan"], two["owner"]["plan"]);
    }
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
    let server = world.serve().await;
    let id = second["database"]["id"].as_str().unwrap().to_owned();
    until("it has what the plan gives", || async {
        database(&server, &id).await["quota"]["logical_size_bytes"] == json!(10_240 * MIB)
    })
    .await;
    server.stop().await;
}
