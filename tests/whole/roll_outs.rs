//! Roll-outs that do not go through: what Neon refuses stops them, and who claims meanwhile does not keep them from ending.

use fleet_types::PlanChange;
use ledger::{By, PlanIntent};
use neon_emulator::{DEFAULT_ORG, Organization, Plan};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{
    plans::{MIB, claim_as, database, number, on_neon, rolled_out, send, sql, storage},
    support::{World, postgres_url, until},
};

/// Neon's own plan keeps history for a week, the changed plan for a month.
#[tokio::test(flavor = "multi_thread")]
async fn a_roll_out_that_neon_refuses_stops_and_says_why_and_a_better_version_goes_through() {
    let world = World::new(6, &postgres_url(), |settings| {
        settings.organizations = vec![Organization::new(DEFAULT_ORG).on(Plan::Launch)];
    })
    .await;
    let server = world.serve().await;
    server.until_available(6).await;
    let mut ids = Vec::new();
    for owner in 1..=6 {
        ids.push(claim_as(&server, &format!("owner-{owner}"), "free").await);
    }
    until("the claims are settled on Neon", || async {
        number(&world, "SELECT count(*) FROM databases WHERE state = 'claimed' AND wanted_revision <> applied_revision")
            .await
            == 0
    })
    .await;
    let month = json!({ "quota": { "logical_size_bytes": 600 * MIB }, "history_retention_seconds": 2_592_000 });
    let (status, changed) = send(&server, Method::PATCH, "/api/v1/plans/free", month).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    until("the roll-out has stopped by itself", || async {
        server.get("/api/v1/plans/free").await["roll_out"]["state"] == "stopped"
    })
    .await;
    let stopped = &server.get("/api/v1/plans/free").await["roll_out"];
    assert_eq!(stopped["stopped_by"], "roll", "{stopped}");
    let reason = stopped["stopped_reason"].as_str().unwrap();
    assert!(reason.contains("history retention is too long"), "{stopped}");
    let problems = world.ledger.status().await.unwrap().problems;
    let line = problems.iter().find(|problem| problem.text.contains("version 2 of the plan free")).unwrap();
    assert!(line.text.contains("history retention is too long"), "{line:?}");
    // What goes with it is not refused along with it.
    let project = on_neon(&world, &database(&server, &ids[0]).await).await;
    assert_eq!(project.quota.logical_size_bytes, Some(600 * MIB));

    let (status, plan) = send(&server, Method::POST, "/api/v1/plans/free/roll-out/resume", json!({})).await;
    assert_eq!((status, &plan["roll_out"]["state"]), (StatusCode::OK, &json!("running")), "those are accepted");
    let week = json!({ "history_retention_seconds": 604_800 });
    assert_eq!(send(&server, Method::PATCH, "/api/v1/plans/free", week).await.0, StatusCode::OK);
    rolled_out(&server, "free").await;
    let left = "SELECT count(*) FROM databases WHERE state = 'claimed' AND wanted_revision <> applied_revision";
    assert_eq!(number(&world, left).await, 0, "done is done");
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}

/// History for a month is refused; a stop and a new password are none of its business, and what is done is not told again with each try of the rest.
#[tokio::test(flavor = "multi_thread")]
async fn what_neon_refuses_of_a_plan_holds_up_nothing_else_that_is_wanted_of_a_database() {
    let world = World::new(1, &postgres_url(), |settings| {
        settings.organizations = vec![Organization::new(DEFAULT_ORG).on(Plan::Launch)];
    })
    .await;
    let server = world.serve().await;
    server.until_available(1).await;
    let path = format!("/api/v1/databases/{}", claim_as(&server, "ada", "free").await);
    until("the claim is settled on Neon", || async { server.get(&path).await["pending"] == false }).await;
    let month = json!({ "history_retention_seconds": 2_592_000 });
    assert_eq!(send(&server, Method::PATCH, "/api/v1/plans/free", month).await.0, StatusCode::OK);
    let refused = || async { server.get(&path).await["last_error"].as_str().is_some_and(|it| it.contains("too long")) };
    until("Neon has refused it", refused).await;

    for action in ["suspend", "rotate-password"] {
        let (status, answer) = send(&server, Method::POST, &format!("{path}/{action}"), json!({})).await;
        assert!(status.is_success(), "{answer}");
    }
    let told = |field: &str| {
        format!(
            "SELECT count(*) FROM events WHERE kind = 'database.applied' AND after ->> '{field}' IN ('suspended', 'changed')"
        )
    };
    until("there is a new password", || async { number(&world, &told("password")).await == 1 }).await;
    assert_eq!(number(&world, &told("endpoint")).await, 1);
    let tries = || number(&world, "SELECT attempts::bigint FROM databases WHERE state = 'claimed'");
    let before = tries().await;
    until("the rest was tried again", || async { tries().await > before }).await;
    // Each that Neon has carried out; one that met a lock was none.
    let calls = world.emulator.stats().calls;
    let carried_out = calls.iter().filter(|call| call.route.ends_with("/suspend") && call.status == 200);
    let stops: u64 = carried_out.map(|call| call.count).sum();
    assert_eq!(stops, 2, "once when it came to the pool, and once as it was asked for");

    // What was refused goes with the version that asked for it.
    let nothing = json!({ "history_retention_seconds": null });
    assert_eq!(send(&server, Method::PATCH, "/api/v1/plans/free", nothing).await.0, StatusCode::OK);
    until("nothing is left", || async { server.get(&path).await["pending"] == false }).await;
    assert_eq!(server.get(&path).await["history_retention_seconds"], json!(null));
    server.stop().await;
}

/// Each change of the compute locks the project for longer than the next call takes to come.
#[tokio::test(flavor = "multi_thread")]
async fn a_size_and_a_history_reach_neon_one_after_the_other_while_it_locks_the_project() {
    let world = World::new(1, &postgres_url(), |settings| settings.operation_time_scale = 10.0).await;
    let server = world.serve().await;
    server.until_available(1).await;
    let id = claim_as(&server, "ada", "free").await;
    let both = json!({ "min_cu": 0.25, "max_cu": 2, "history_retention_seconds": 7_200 });
    assert_eq!(send(&server, Method::PATCH, "/api/v1/plans/free", both).await.0, StatusCode::OK);
    rolled_out(&server, "free").await;
    assert_eq!(on_neon(&world, &database(&server, &id).await).await.max_cu, 2.0);
    let locked = world.emulator.stats().calls.iter().filter(|call| call.status == 423).count();
    assert!(locked > 0, "nothing was locked, so this has shown nothing");
    server.stop().await;
}

/// Who stops a roll-out because it harms does not want it to reach anybody by way of something else.
#[tokio::test(flavor = "multi_thread")]
async fn while_a_roll_out_is_stopped_its_version_reaches_nobody_by_the_end_of_an_override() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let server = world.serve_without_duties().await;
    let id = claim_as(&server, "ada", "free").await;
    let path = format!("/api/v1/databases/{id}");
    sql(&world, "UPDATE databases SET claimed_at = claimed_at - interval '1 minute', used_compute_seconds = 200000")
        .await;
    let first = database(&server, &id).await["quota"].clone();
    let quota = json!({ "active_time_seconds": 7_000, "logical_size_bytes": 700 * MIB });
    assert!(send(&server, Method::PATCH, &format!("{path}/quota"), quota).await.0.is_success());
    let less = json!({ "quota": { "active_time_seconds": 50, "logical_size_bytes": 10 * MIB, "compute_time_seconds": 60 }, "anyway": true });
    let (status, changed) = send(&server, Method::PATCH, "/api/v1/plans/free", less).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    let (status, stopped) = send(&server, Method::POST, "/api/v1/plans/free/roll-out/stop", json!({})).await;
    assert_eq!(status, StatusCode::OK, "{stopped}");

    assert!(
        send(&server, Method::DELETE, &format!("{path}/overrides/active_time_seconds"), json!(null))
            .await
            .0
            .is_success()
    );
    let now = database(&server, &id).await;
    let expected = json!([first["active_time_seconds"], 700 * MIB, first["compute_time_seconds"]]);
    let field = |name: &str| now["quota"][name].clone();
    assert_eq!(
        json!([field("active_time_seconds"), field("logical_size_bytes"), field("compute_time_seconds")]),
        expected,
        "the version that it was given: {now}"
    );
    let relief = json!({ "limit": "compute_time_seconds", "hours": 1.0 });
    assert!(send(&server, Method::POST, &format!("{path}/relieve"), relief).await.0.is_success());
    let relieved = database(&server, &id).await["quota"].clone();
    assert!(relieved["compute_time_seconds"].as_i64() > first["compute_time_seconds"].as_i64(), "{relieved}");
    assert_eq!(relieved["active_time_seconds"], first["active_time_seconds"]);

    assert_eq!(send(&server, Method::POST, "/api/v1/plans/free/roll-out/resume", json!({})).await.0, StatusCode::OK);
    let plan = world.ledger.rolling_plans().await.unwrap().remove(0);
    assert!(plan.is_behind);
    world.ledger.roll_members(&plan, 50, &By::cli()).await.unwrap();
    let now = database(&server, &id).await["quota"].clone();
    assert_eq!((&now["active_time_seconds"], &now["logical_size_bytes"]), (&json!(50), &json!(700 * MIB)), "{now}");
    server.stop().await;
}

/// Fewer than five do not stop it on its way, and it is not done with them either.
#[tokio::test(flavor = "multi_thread")]
async fn a_roll_out_that_neon_refuses_for_a_few_stops_when_the_others_are_through() {
    let world = World::new(1, &postgres_url(), |settings| {
        settings.organizations = vec![Organization::new(DEFAULT_ORG).on(Plan::Launch)];
    })
    .await;
    let server = world.serve().await;
    server.until_available(1).await;
    claim_as(&server, "ada", "free").await;
    let month = json!({ "history_retention_seconds": 2_592_000 });
    assert_eq!(send(&server, Method::PATCH, "/api/v1/plans/free", month).await.0, StatusCode::OK);
    until("the roll-out has stopped by itself", || async {
        server.get("/api/v1/plans/free").await["roll_out"]["state"] == "stopped"
    })
    .await;
    let reason = server.get("/api/v1/plans/free").await["roll_out"]["stopped_reason"].clone();
    assert!(reason.as_str().unwrap().contains("history retention is too long"), "{reason}");
    let resume = "/api/v1/plans/free/roll-out/resume";
    assert_eq!(send(&server, Method::POST, resume, json!({})).await.0, StatusCode::OK);
    rolled_out(&server, "free").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_out_waits_for_those_that_were_there_when_it_began_and_for_no_others() {
    let world = World::with_pool(0).await;
    world.stock(2).await;
    let server = world.serve_without_duties().await;
    let before = claim_as(&server, "ada", "free").await;
    sql(&world, "UPDATE databases SET claimed_at = claimed_at - interval '1 minute'").await;
    world.ledger.change_plan("free", &storage(600), PlanIntent::default(), &By::cli()).await.unwrap();
    let later = claim_as(&server, "bob", "free").await;
    let plan = world.ledger.rolling_plans().await.unwrap().remove(0);
    assert!(plan.is_behind);
    let done = world.ledger.roll_members(&plan, 50, &By::cli()).await.unwrap();
    assert_eq!((done.followed, done.changed), (1, 1), "who claims now has it already");
    let seen = async || {
        let plan = world.ledger.rolling_plans().await.unwrap().remove(0);
        (plan.is_behind, plan.unconfirmed, plan.refused)
    };
    assert_eq!(seen().await, (false, 1, 0));
    let refused = |id: &str| format!("UPDATE databases SET attempts = 3, last_error = 'no' WHERE id = '{id}'");
    sql(&world, &refused(&later)).await;
    assert_eq!(seen().await, (false, 1, 0));
    sql(&world, &refused(&before)).await;
    assert_eq!(seen().await, (false, 0, 1));
    sql(&world, &format!("UPDATE databases SET applied_revision = wanted_revision WHERE id = '{before}'")).await;
    assert_eq!(seen().await, (false, 0, 0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_more_plans_than_a_list_shows() {
    let world = World::with_pool(0).await;
    sql(&world, "INSERT INTO plans (name, label) SELECT 'plan-' || n, 'Plan' FROM generate_series(4, 1000) AS n").await;
    let server = world.serve_without_duties().await;
    let (status, problem) = send(&server, Method::POST, "/api/v1/plans", json!({ "name": "one-more" })).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("1000 plans"), "{problem}");
    let nothing = PlanChange::default();
    assert!(world.ledger.change_plan("plan-1000", &nothing, PlanIntent::default(), &By::cli()).await.is_ok());
    server.stop().await;
}
