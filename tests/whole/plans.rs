//! Plans: made and changed by people, taken to those who have them, and what single databases keep.

use chrono::{TimeDelta, Utc};
use fleet_types::{PlanChange, QuotaChange};
use ledger::{By, NewPool, PlanIntent};
use neon_emulator::ProjectTruth;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    commands::flotilla,
    older_ledger::empty_ledger,
    support::{Server, World, until},
};

pub const MIB: i64 = 1 << 20;

pub async fn send(server: &Server, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let answer = server.api(method, path).json(&body).send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

pub async fn sql(world: &World, statement: &str) {
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
}

pub async fn claim_as(server: &Server, owner: &str, plan: &str) -> String {
    let body = json!({ "owner": { "id": owner, "email": format!("{owner}@mail.example"), "plan": plan } });
    let (status, claim) = server.claim_with(body, None).await;
    assert_eq!(status, StatusCode::CREATED, "{claim}");
    claim["database"]["id"].as_str().unwrap().to_owned()
}

pub async fn database(server: &Server, id: &str) -> Value {
    server.get(&format!("/api/v1/databases/{id}")).await
}

pub async fn on_neon(world: &World, database: &Value) -> ProjectTruth {
    let id = database["neon_project_id"].as_str().unwrap();
    world.living_on_neon().await.into_iter().find(|project| project.id == id).unwrap()
}

pub async fn rolled_out(server: &Server, plan: &str) {
    until("the plan has reached its members", || async {
        server.get(&format!("/api/v1/plans/{plan}")).await["roll_out"]["state"] == "done"
    })
    .await;
}

pub fn storage(mib: i64) -> PlanChange {
    let quota = QuotaChange { logical_size_bytes: Some(Some(mib * MIB)), ..QuotaChange::default() };
    PlanChange { quota, ..PlanChange::default() }
}

pub async fn number(world: &World, query: &str) -> i64 {
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut connection).await.unwrap()
}

/// Kinds of findings about quotas: there must be none, whatever is changed here.
pub const DRIFT: &str = "SELECT count(*) FROM findings WHERE kind = 'drifted'";

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_made_is_used_at_once_and_deleted_when_nobody_uses_it() {
    let world = World::with_pool(0).await;
    world.stock(1).await;
    let server = world.serve_without_duties().await;
    let tiny =
        json!({ "name": "tiny", "label": "Tiny", "quota": { "logical_size_bytes": 64 * MIB }, "reason": "for trials" });
    let (status, plan) = send(&server, Method::POST, "/api/v1/plans", tiny.clone()).await;
    assert_eq!(status, StatusCode::CREATED, "{plan}");
    assert_eq!((&plan["version"], &plan["quota"]["active_time_seconds"]), (&json!(1), &Value::Null), "{plan}");
    let (status, problem) = send(&server, Method::POST, "/api/v1/plans", tiny).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");

    let id = claim_as(&server, "ada", "tiny").await;
    assert_eq!(database(&server, &id).await["quota"]["logical_size_bytes"], json!(64 * MIB));
    let pool = NewPool {
        name: "trials",
        region_id: "aws-us-east-1",
        pg_version: 17,
        birth_plan: "tiny",
        target: 0,
        is_default: false,
    };
    world.ledger.create_pool(&pool).await.unwrap();
    let read = server.get("/api/v1/plans/tiny").await;
    assert_eq!((&read["databases"], &read["owners"], &read["pools"]), (&json!(1), &json!(1), &json!(["trials"])));
    assert_eq!(read["versions"][0]["reason"], "for trials");

    for who in ["trials", "1 owner has"] {
        let (status, problem) = send(&server, Method::DELETE, "/api/v1/plans/tiny", Value::Null).await;
        assert_eq!(status, StatusCode::CONFLICT, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(who), "it says who uses it: {problem}");
        sql(&world, "UPDATE pools SET birth_plan = 'free' WHERE name = 'trials'").await;
    }
    let (status, _) = send(&server, Method::PATCH, "/api/v1/owners/ada", json!({ "plan": "free" })).await;
    assert_eq!(status, StatusCode::OK);
    // One that was born with it waits in the pool; then somebody with another plan has it.
    world.stock(1).await;
    sql(&world, "UPDATE databases SET birth_plan = 'tiny'").await;
    let (status, problem) = send(&server, Method::DELETE, "/api/v1/plans/tiny", Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("1 unclaimed databases were born with it"), "{problem}");
    claim_as(&server, "carol", "free").await;
    let (status, problem) = send(&server, Method::DELETE, "/api/v1/plans/tiny", Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{problem}");
    let gone = server.api(Method::GET, "/api/v1/plans/tiny").send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    let body = json!({ "owner": { "id": "bob", "email": "bob@mail.example", "plan": "tiny" } });
    let (status, problem) = server.claim_with(body, None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("flotilla plan create tiny"), "{problem}");
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_plan_is_refused_and_the_field_named() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    for (field, body) in [
        ("name", json!({ "name": "Pro Plus" })),
        ("label", json!({ "name": "x", "label": "a\u{1b}b" })),
        ("quota.compute_time_seconds", json!({ "name": "x", "quota": { "compute_time_seconds": 0 } })),
        (
            "quota.written_data_bytes",
            json!({ "name": "x", "quota": { "written_data_bytes": 2_000_000_000_000_000_i64 } }),
        ),
        ("max_cu", json!({ "name": "x", "min_cu": 1 })),
        ("min_cu", json!({ "name": "x", "min_cu": 0.3, "max_cu": 1 })),
        ("suspend_timeout_seconds", json!({ "name": "x", "suspend_timeout_seconds": 5 })),
        ("history_retention_seconds", json!({ "name": "x", "history_retention_seconds": 2_592_001 })),
        ("relief_percent", json!({ "name": "x", "relief_percent": 100 })),
    ] {
        let (status, problem) = send(&server, Method::POST, "/api/v1/plans", body).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)),
            "{problem}"
        );
    }
    for wrong in [json!({ "quota": { "storage": 5 } }), json!({ "min_cu": 1 }), json!({ "colour": "red" })] {
        let (status, problem) = send(&server, Method::PATCH, "/api/v1/plans/free", wrong).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    }
    for path in ["/api/v1/plans/none", "/api/v1/plans/none/roll-out/stop"] {
        let method = if path.ends_with("stop") { Method::POST } else { Method::PATCH };
        assert_eq!(send(&server, method, path, json!({})).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let odd = server.api(Method::GET, "/api/v1/plans/a%00b").send().await.unwrap();
    assert_eq!(odd.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(server.get("/api/v1/plans").await["items"].as_array().unwrap().len(), 3, "nothing was made");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_a_version_and_who_read_an_older_one_is_told() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    let change = json!({ "quota": { "logical_size_bytes": 600 * MIB }, "revision": 1, "reason": "more room" });
    let (status, changed) = send(&server, Method::PATCH, "/api/v1/plans/free", change.clone()).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!(changed["plan"]["version"], 2);
    assert_eq!(changed["changes"], json!([{ "field": "logical_size_bytes", "before": 512 * MIB, "after": 600 * MIB }]));
    let (status, problem) = send(&server, Method::PATCH, "/api/v1/plans/free", change).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("to version 2"), "{problem}");
    let (status, same) = send(&server, Method::PATCH, "/api/v1/plans/free", json!({ "label": "Free" })).await;
    assert_eq!((status, &same["plan"]["version"]), (StatusCode::OK, &json!(2)), "what is so already makes no version");
    let versions = server.get("/api/v1/plans/free").await["versions"].clone();
    assert_eq!((&versions[0]["version"], &versions[0]["reason"]), (&json!(2), &json!("more room")));
    assert_eq!(
        (&versions[0]["via"], &versions[1]["terms"]["quota"]["logical_size_bytes"]),
        (&json!("api"), &json!(512 * MIB))
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_plan_reaches_its_members_on_neon_and_an_override_stays() {
    let world = World::with_pool(3).await;
    let server = world.serve().await;
    server.until_available(3).await;
    let mut ids = Vec::new();
    for (owner, plan) in [("ada", "free"), ("bob", "free"), ("eve", "pro")] {
        ids.push(claim_as(&server, owner, plan).await);
    }
    let quota = json!({ "logical_size_bytes": 700 * MIB, "reason": "a good customer" });
    let (status, answer) = send(&server, Method::PATCH, &format!("/api/v1/databases/{}/quota", ids[1]), quota).await;
    assert!(status.is_success(), "{answer}");
    let kept = &answer["database"]["overrides"][0];
    assert_eq!((&kept["field"], &kept["value"]), (&json!("logical_size_bytes"), &json!(700 * MIB)), "{answer}");
    assert_eq!((&kept["plan_value"], &kept["reason"]), (&json!(512 * MIB), &json!("a good customer")));

    let change = json!({
        "quota": { "logical_size_bytes": 800 * MIB, "written_data_bytes": null }, "min_cu": 0.25, "max_cu": 2,
        "history_retention_seconds": 7_200, "suspend_timeout_seconds": 120, "reason": "spring"
    });
    let mut trial = change.clone();
    trial["dry_run"] = json!(true);
    let (_, trial) = send(&server, Method::PATCH, "/api/v1/plans/free", trial).await;
    let effect = &trial["effect"];
    assert_eq!(
        (&effect["databases"], &effect["changing"], &effect["overridden"], &effect["blocked"]),
        (&json!(2), &json!(2), &json!(1), &json!(0)),
        "{trial}"
    );
    assert_eq!(server.get("/api/v1/plans/free").await["version"], 1, "a dry run saves nothing");

    let (status, changed) = send(&server, Method::PATCH, "/api/v1/plans/free", change).await;
    assert_eq!((status, &changed["plan"]["roll_out"]["members"]), (StatusCode::OK, &json!(2)), "{changed}");
    rolled_out(&server, "free").await;
    for (id, expected) in [(&ids[0], 800), (&ids[1], 700), (&ids[2], 10_240)] {
        let project = on_neon(&world, &database(&server, id).await).await;
        assert_eq!(project.quota.logical_size_bytes, Some(expected * MIB), "{id}");
        let is_free = expected < 10_000;
        assert_eq!(
            (project.max_cu, project.quota.written_data_bytes.unwrap_or(0) == 0),
            if is_free { (2.0, true) } else { (0.25, false) }
        );
    }
    let answer =
        world.neon(Method::GET, &format!("/projects/{}", on_neon(&world, &database(&server, &ids[0]).await).await.id));
    let project: Value = answer.send().await.unwrap().json().await.unwrap();
    assert_eq!(project["project"]["history_retention_seconds"], 7_200);
    let detail = world.ledger.database(ids[1].parse().unwrap()).await.unwrap();
    let event = detail.events.iter().find(|event| event.kind == "database.plan").unwrap();
    assert!(event.after.as_ref().unwrap().get("logical_size_bytes").is_none(), "it tells what changed: {event:?}");

    // What waits in the pool was born with the plan, and follows by the pool's template.
    until("the unclaimed ones follow too", || async {
        let living = world.living_on_neon().await;
        living.iter().filter(|project| project.quota.logical_size_bytes == Some(800 * MIB)).count() == 4
    })
    .await;
    assert_eq!(number(&world, DRIFT).await, 0);
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_before_the_new_plan_reached_it_is_put_right_by_the_claim() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    server.stop().await;
    world.ledger.change_plan("free", &storage(900), PlanIntent::default(), &By::cli()).await.unwrap();
    let server = world.serve_without_duties().await;
    let id = claim_as(&server, "ada", "free").await;
    assert_eq!(database(&server, &id).await["quota"]["logical_size_bytes"], json!(900 * MIB));
    server.stop().await;
    let server = world.serve().await;
    until("Neon has the quota of the claim", || async {
        on_neon(&world, &database(&server, &id).await).await.quota.logical_size_bytes == Some(900 * MIB)
    })
    .await;
    rolled_out(&server, "free").await;
    assert_eq!(number(&world, DRIFT).await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_out_is_stopped_and_resumed_and_a_newer_version_takes_over() {
    let world = World::with_pool(1).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let id = claim_as(&server, "ada", "free").await;
    until("the claim is settled on Neon", || async { database(&server, &id).await["pending"] == false }).await;
    server.stop().await;

    let server = world.serve_without_duties().await;
    let change = |mib: i64| json!({ "quota": { "logical_size_bytes": mib * MIB } });
    send(&server, Method::PATCH, "/api/v1/plans/free", change(600)).await;
    let stop = "/api/v1/plans/free/roll-out/stop";
    let (status, plan) = send(&server, Method::POST, stop, json!({ "reason": "too early" })).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    assert_eq!(
        (&plan["roll_out"]["state"], &plan["roll_out"]["stopped_reason"]),
        (&json!("stopped"), &json!("too early"))
    );
    assert_eq!(send(&server, Method::POST, stop, json!({})).await.0, StatusCode::CONFLICT, "it is stopped already");
    server.stop().await;

    let server = world.serve().await;
    let began = Utc::now();
    until("the duty has run", || async {
        let duties = server.state.engine.duties().await.unwrap();
        let roll = duties.into_iter().find(|duty| duty.name == "roll").unwrap();
        roll.last_finished_at.is_some_and(|at| at > began + TimeDelta::seconds(3))
    })
    .await;
    assert_eq!(database(&server, &id).await["quota"]["logical_size_bytes"], json!(512 * MIB), "stopped is stopped");
    let resume = "/api/v1/plans/free/roll-out/resume";
    assert_eq!(send(&server, Method::POST, resume, json!({})).await.0, StatusCode::OK);
    rolled_out(&server, "free").await;
    assert_eq!(on_neon(&world, &database(&server, &id).await).await.quota.logical_size_bytes, Some(600 * MIB));
    assert_eq!(send(&server, Method::POST, resume, json!({})).await.0, StatusCode::CONFLICT, "it is done");
    server.stop().await;

    let server = world.serve_without_duties().await;
    for mib in [650, 700] {
        assert_eq!(send(&server, Method::PATCH, "/api/v1/plans/free", change(mib)).await.0, StatusCode::OK);
    }
    server.stop().await;
    let server = world.serve().await;
    rolled_out(&server, "free").await;
    assert_eq!(on_neon(&world, &database(&server, &id).await).await.quota.logical_size_bytes, Some(700 * MIB));
    let outcomes = "SELECT count(*) FROM plan_roll_outs WHERE outcome = 'superseded'";
    assert_eq!(number(&world, outcomes).await, 1);
    server.stop().await;
}

/// Members that Neon has not confirmed hold the next ones back: one roll-out never fills the queue of all changes.
#[tokio::test(flavor = "multi_thread")]
async fn members_follow_in_bounded_batches() {
    let world = World::with_pool(0).await;
    world.stock(60).await;
    sql(
        &world,
        "INSERT INTO owners (id, email, plan) SELECT 'owner-' || n, n || '@mail.example', 'free' FROM generate_series(1, 60) AS n;
         UPDATE databases AS d SET state = 'claimed', owner_id = 'owner-' || n.n, plan = 'free', claimed_at = now()
         FROM (SELECT id, row_number() OVER () AS n FROM databases) AS n WHERE n.id = d.id",
    )
    .await;
    let server = world.serve().await;
    // Before that nothing is brought to a plan.
    until("the process is proven", || async { number(&world, "SELECT count(*) FROM proofs").await > 0 }).await;
    // No call reaches Neon.
    world.emulator.faults().set(vec![neon_emulator::Rule::new(neon_emulator::Fault::status(503))]);
    world.ledger.change_plan("free", &storage(600), PlanIntent::default(), &By::cli()).await.unwrap();
    let followed = "SELECT count(*) FROM databases WHERE quota_logical_size_bytes = 600 * 1048576";
    until("some members follow", || async { number(&world, followed).await > 0 }).await;
    let began = Utc::now();
    until("the duty has run again", || async {
        let duties = server.state.engine.duties().await.unwrap();
        let roll = duties.into_iter().find(|duty| duty.name == "roll").unwrap();
        roll.last_finished_at.is_some_and(|at| at > began + TimeDelta::seconds(3))
    })
    .await;
    assert_eq!(number(&world, followed).await, 50);
    let plan = server.get("/api/v1/plans/free").await;
    assert_eq!((&plan["roll_out"]["done"], &plan["roll_out"]["members"]), (&json!(50), &json!(60)), "{plan}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_blocks_databases_at_once_says_whom_and_wants_to_be_meant() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let server = world.serve_without_duties().await;
    let id = claim_as(&server, "ada", "free").await;
    claim_as(&server, "bob", "free").await;
    sql(&world, &format!("UPDATE databases SET used_compute_seconds = 5000 WHERE id = '{id}'")).await;
    let mut change = json!({ "quota": { "compute_time_seconds": 4_000 } });
    let (status, problem) = send(&server, Method::PATCH, "/api/v1/plans/free", change.clone()).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("block 1 of"), "{problem}");
    change["dry_run"] = json!(true);
    let (_, trial) = send(&server, Method::PATCH, "/api/v1/plans/free", change.clone()).await;
    assert_eq!(trial["effect"]["blocked"], 1);
    let first = &trial["effect"]["sample"][0];
    assert_eq!(
        (&first["id"], &first["owner_id"], &first["blocked_by"]),
        (&json!(id), &json!("ada"), &json!("compute_time"))
    );
    assert_eq!(server.get("/api/v1/plans/free").await["version"], 1);
    change["dry_run"] = json!(false);
    change["anyway"] = json!(true);
    let (status, changed) = send(&server, Method::PATCH, "/api/v1/plans/free", change).await;
    assert_eq!((status, &changed["plan"]["version"]), (StatusCode::OK, &json!(2)), "{changed}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_ledger_is_given_its_plans_at_the_command_line() {
    let ledger = empty_ledger().await;
    let pool = ["pool", "create", "standard", "--region", "aws-us-east-1", "--target", "3", "--default"];
    let (is_done, words) = flotilla(&ledger, &pool).await;
    assert!(!is_done && words.contains("flotilla plan create free"), "{words}");
    let create = ["plan", "create", "free", "--storage", "512 MiB", "--compute-hours", "50", "--reason", "the first"];
    let (is_done, words) = flotilla(&ledger, &create).await;
    assert!(is_done, "{words}");
    assert!(!flotilla(&ledger, &create).await.0, "it is there already");
    let (is_done, words) = flotilla(&ledger, &pool).await;
    assert!(is_done, "the only plan needs no naming: {words}");
    let (_, words) = flotilla(&ledger, &["plan", "show", "free"]).await;
    assert!(words.contains("512 MiB") && (words.contains("50 h") || words.contains("2 d 2 h")), "{words}");
    assert!(words.contains("pools: standard") && words.contains("the first"), "{words}");

    let trial = ["plan", "change", "free", "--storage", "1 GiB", "--max-cu", "2", "--min-cu", "1", "--dry-run"];
    let (is_done, words) = flotilla(&ledger, &trial).await;
    assert!(
        is_done && words.contains("logical size bytes: 512 MiB → 1 GiB") && words.contains("Nothing was saved"),
        "{words}"
    );
    let (is_done, words) = flotilla(&ledger, &trial[..trial.len() - 1]).await;
    assert!(is_done && words.contains("has version 2 now"), "{words}");
    let (is_done, words) = flotilla(&ledger, &["plan", "change", "free", "--label", "F", "--revision", "1"]).await;
    assert!(!is_done && words.contains("to version 2"), "{words}");
    let (_, words) = flotilla(&ledger, &["plan", "list"]).await;
    assert!(words.contains("1 GiB"), "{words}");
    for (step, expected) in [("stop", "stopped"), ("show", "stopped"), ("resume", "running")] {
        let (is_done, words) = flotilla(&ledger, &["plan", "roll-out", step, "free"]).await;
        assert!(is_done && words.contains(expected), "{step}: {words}");
    }
    let (is_done, words) = flotilla(&ledger, &["plan", "delete", "free"]).await;
    assert!(!is_done && words.contains("standard"), "{words}");
    for (wrong, named) in [
        (["--storage", "10"], "10 MiB or 10 GiB"),
        (["--min-cu", "much"], "--min-cu"),
        (["--relief-percent", "50"], "101 to 1000"),
    ] {
        let (is_done, words) = flotilla(&ledger, &["plan", "create", "odd", wrong[0], wrong[1]]).await;
        assert!(!is_done && words.contains(named), "{words}");
    }
}

/// Every member is read to say what a change does to them: of millions that takes longer than a request may.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_with_more_members_than_a_request_can_read_is_changed_by_command() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let server = world.serve_without_duties().await;
    for plan in ["free", "pro"] {
        let id = claim_as(&server, plan, plan).await;
        let path = format!("/api/v1/databases/{id}/quota");
        assert!(send(&server, Method::PATCH, &path, json!({ "compute_time_seconds": 7_000 })).await.0.is_success());
    }
    let slow =
        "CREATE OR REPLACE FUNCTION plan_allows(p plans, o database_overrides) RETURNS boolean LANGUAGE plpgsql AS
                  $$ BEGIN PERFORM pg_sleep(16); RETURN true; END $$";
    sql(&world, slow).await;
    let smaller = json!({ "quota": { "logical_size_bytes": 64 * MIB } });
    let change = ["plan", "change", "pro", "--storage", "64 MiB"];
    let ((status, problem), (is_done, words)) = tokio::join!(
        send(&server, Method::PATCH, "/api/v1/plans/free", smaller),
        flotilla(&world.database_url, &change),
    );
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("flotilla plan change free"), "{problem}");
    assert!(is_done, "{words}");
    let versions = [server.get("/api/v1/plans/free").await, server.get("/api/v1/plans/pro").await];
    assert_eq!(versions.map(|plan| plan["version"].clone()), [json!(1), json!(2)]);
    server.stop().await;
}
