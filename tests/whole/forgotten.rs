//! Plans in a restored ledger: it sends nobody a quota that may be older than what Neon has. Roll-outs, ended overrides and other plans of an owner wait
//! there until somebody has decided.

use chrono::{TimeDelta, Utc};
use ledger::{By, PlanIntent};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    backup::restore,
    plans::{MIB, database, rolled_out, send, sql, storage},
    reconcile::sweeps_pass,
    repairs::{judging_quickly, ledger_command, storage_on_neon},
    restores::{back_up, marked, marking_every, project_of, until_safe_mode_settles},
    support::{Server, World, until},
};

const GIB: i64 = 1 << 30;

/// What an owner has held since before the backup.
struct Held {
    id: String,
    project: String,
}

async fn hold(server: &Server, owner: &str) -> Held {
    let project = project_of(server, owner).await;
    let (_, claim) = server.claim(owner).await;
    let held = Held { id: claim["database"]["id"].as_str().unwrap().to_owned(), project };
    until_settled(server, &held).await;
    held
}

/// What a backup has as being under way is sent again.
async fn until_settled(server: &Server, held: &Held) {
    until("Neon has confirmed it", || async { database(server, &held.id).await["pending"] == json!(false) }).await;
}

/// The backup has cut connections.
async fn set_quota(server: &Server, held: &Held, body: Value) {
    until("the quota is taken", || async {
        send(server, Method::PATCH, &format!("/api/v1/databases/{}/quota", held.id), body.clone()).await.0.is_success()
    })
    .await;
}

async fn until_neon_has(world: &World, held: &Held, bytes: i64) {
    until(&format!("Neon has {bytes}"), || async { on_neon(world, held).await == bytes }).await;
}

async fn on_neon(world: &World, held: &Held) -> i64 {
    storage_on_neon(world, &[(held.project.clone(), 0)]).await[0].1
}

/// Puts the ledger back, which nobody serves yet.
async fn put_back(world: &World, server: Server, backup: &str) {
    server.stop().await;
    restore(world, backup).await;
    until("the ledger answers", || async { world.ledger.installation().await.is_ok() }).await;
}

async fn in_safe_mode(world: &World) -> Server {
    let server = world.serve_with(judging_quickly()).await;
    until_safe_mode_settles(world).await;
    server
}

async fn problem_with(world: &World, words: &str) -> Option<String> {
    let problems = world.ledger.status().await.unwrap().problems;
    problems.into_iter().map(|problem| problem.text).find(|text| text.contains(words))
}

async fn roll_out(server: &Server) -> Value {
    server.get("/api/v1/plans/free").await["roll_out"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_out_of_a_restored_ledger_cuts_nothing_that_was_bought_since() {
    let (world, server) = marked(marking_every(1)).await;
    let (calm, bought) = (hold(&server, "calm").await, hold(&server, "bought").await);
    let backup = back_up(&world).await;
    set_quota(&server, &bought, json!({ "logical_size_bytes": 7 * GIB, "reason": "bought" })).await;
    until_neon_has(&world, &bought, 7 * GIB).await;
    put_back(&world, server, &backup).await;
    // As if it had been under way when the backup was made.
    world.ledger.change_plan("free", &storage(600), PlanIntent::default(), &By::cli()).await.unwrap();
    let server = in_safe_mode(&world).await;
    let stopped = roll_out(&server).await;
    assert_eq!(stopped["state"], "stopped", "{stopped}");
    assert!(stopped["stopped_reason"].as_str().unwrap().contains("found to be old"), "{stopped}");
    assert!(problem_with(&world, "version 2 of the plan free has stopped").await.is_some());

    let resume = "/api/v1/plans/free/roll-out/resume";
    assert_eq!(send(&server, Method::POST, resume, json!({})).await.0, StatusCode::OK);
    sweeps_pass(&world, 4).await;
    assert_eq!(on_neon(&world, &calm).await, 512 * MIB, "nothing is rolled out in safe mode");
    assert!(ledger_command(&world, &["repair", "--end", "--anyway"]).await.0);
    until_neon_has(&world, &calm, 600 * MIB).await;
    until("only what may have been forgotten is left", || async { roll_out(&server).await["state"] == "stopped" })
        .await;
    let stopped = roll_out(&server).await;
    let why = stopped["stopped_reason"].as_str().unwrap();
    assert!(why.starts_with("1 of its databases") && why.contains("Decide about each on Problems"), "{why}");
    assert_eq!(on_neon(&world, &bought).await, 7 * GIB, "an older quota was sent");

    let (is_done, words) = ledger_command(&world, &["repair", "--apply"]).await;
    assert!(is_done && words.contains("512 MiB → 7 GiB"), "{words}");
    let kept = database(&server, &bought.id).await["overrides"].clone();
    assert_eq!((&kept[0]["field"], &kept[0]["value"]), (&json!("logical_size_bytes"), &json!(7 * GIB)), "{kept}");
    assert_eq!(send(&server, Method::POST, resume, json!({})).await.0, StatusCode::OK);
    rolled_out(&server, "free").await;
    assert_eq!((on_neon(&world, &calm).await, on_neon(&world, &bought).await), (600 * MIB, 7 * GIB));
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}

/// What is being changed is not judged by a sweep: that nothing is wrong with it does not say that Neon has the same quota.
#[tokio::test(flavor = "multi_thread")]
async fn a_roll_out_passes_over_a_quota_that_no_sweep_has_seen_on_neon() {
    let (world, server) = marked(marking_every(1)).await;
    let bought = hold(&server, "bought").await;
    let backup = back_up(&world).await;
    set_quota(&server, &bought, json!({ "logical_size_bytes": 7 * GIB, "reason": "bought" })).await;
    until_neon_has(&world, &bought, 7 * GIB).await;
    put_back(&world, server, &backup).await;
    let pending = "UPDATE databases SET wanted_revision = wanted_revision + 1, leased_by = gen_random_uuid(), lease_until = now() + interval '1 hour'
                   WHERE state = 'claimed'";
    sql(&world, pending).await;
    world.ledger.change_plan("free", &storage(600), PlanIntent::default(), &By::cli()).await.unwrap();
    let server = in_safe_mode(&world).await;
    sweeps_pass(&world, 2).await;
    assert!(ledger_command(&world, &["repair", "--end", "--anyway"]).await.0);
    sql(&world, "UPDATE databases SET leased_by = NULL, lease_until = NULL, next_attempt_at = now() + interval '1 hour' WHERE state = 'claimed'")
        .await;
    let resume = "/api/v1/plans/free/roll-out/resume";
    assert_eq!(send(&server, Method::POST, resume, json!({})).await.0, StatusCode::OK);
    until("it passes over the database", || async { roll_out(&server).await["state"] == "stopped" }).await;
    let why = roll_out(&server).await["stopped_reason"].clone();
    assert!(why.as_str().unwrap().starts_with("1 of its databases"), "{why}");
    sql(&world, "UPDATE databases SET next_attempt_at = now() WHERE state = 'claimed'").await;
    until_settled(&server, &bought).await;
    assert_eq!(on_neon(&world, &bought).await, 7 * GIB, "an older quota was sent");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_that_was_prolonged_after_the_backup_does_not_end_by_itself() {
    let (world, server) = marked(marking_every(1)).await;
    let held = hold(&server, "ada").await;
    let for_a_while = Utc::now() + TimeDelta::hours(1);
    set_quota(&server, &held, json!({ "logical_size_bytes": 3 * GIB, "until": for_a_while })).await;
    until_neon_has(&world, &held, 3 * GIB).await;
    until_settled(&server, &held).await;
    let backup = back_up(&world).await;
    set_quota(&server, &held, json!({ "logical_size_bytes": 3 * GIB, "until": null, "reason": "for good" })).await;
    put_back(&world, server, &backup).await;
    sql(&world, "UPDATE database_overrides SET until = now()").await;
    let server = in_safe_mode(&world).await;
    sweeps_pass(&world, 2).await;
    assert!(ledger_command(&world, &["repair", "--end"]).await.0, "Neon has what the ledger wants");
    until("it is shown", || async { problem_with(&world, "1 override holds on").await.is_some() }).await;
    sweeps_pass(&world, 3).await;
    assert_eq!(on_neon(&world, &held).await, 3 * GIB, "it has ended by itself");

    let end = format!("/api/v1/databases/{}/overrides/logical_size_bytes", held.id);
    assert!(send(&server, Method::DELETE, &end, json!({})).await.0.is_success());
    until_neon_has(&world, &held, 512 * MIB).await;
    assert_eq!(problem_with(&world, "holds on").await, None);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_plan_of_an_owner_waits_where_their_quota_may_have_been_forgotten() {
    let (world, server) = marked(marking_every(1)).await;
    let held = hold(&server, "ada").await;
    let backup = back_up(&world).await;
    set_quota(&server, &held, json!({ "logical_size_bytes": 20 * GIB, "reason": "bought" })).await;
    until_neon_has(&world, &held, 20 * GIB).await;
    put_back(&world, server, &backup).await;
    let server = in_safe_mode(&world).await;
    let upgrade = json!({ "plan": "pro", "reason": "paid" });
    assert_eq!(send(&server, Method::PATCH, "/api/v1/owners/ada", upgrade).await.0, StatusCode::OK);
    sweeps_pass(&world, 4).await;
    assert_eq!(on_neon(&world, &held).await, 20 * GIB, "the plan's 10 GiB were sent");

    assert!(ledger_command(&world, &["repair", "--apply"]).await.0);
    assert!(ledger_command(&world, &["repair", "--end"]).await.0);
    let row: Uuid = held.id.parse().unwrap();
    until("it follows its plan", || async {
        let detail = world.ledger.database(row).await.unwrap();
        detail.events.iter().any(|event| event.kind == "database.plan") && !detail.row.pending
    })
    .await;
    let quota = database(&server, &held.id).await["quota"].clone();
    // What was bought is kept, and the rest is the new plan's.
    let hours = server.get("/api/v1/plans/pro").await["quota"]["compute_time_seconds"].clone();
    assert_eq!((&quota["logical_size_bytes"], &quota["compute_time_seconds"]), (&json!(20 * GIB), &hours), "{quota}");
    assert_eq!(on_neon(&world, &held).await, 20 * GIB);
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}
