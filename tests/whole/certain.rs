//! What happens only where it is certain that the ledger is the newest, and the only one: what somebody asks of a restored ledger sets nothing back that it has
//! forgotten, what it was about to do waits, and what is given by a command is noticed by every older copy.

use std::{collections::BTreeSet, time::Duration};

use fleet_types::{Outcome, Quota};
use ledger::By;
use neon_emulator::{Fault, ProjectTruth, Rule};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    backup::restore,
    held::in_the_ledger,
    repairs::{judging_quickly, ledger_command, with_a_forgotten_claim},
    restores::{
        back_up, held_by, is_in_safe_mode, marked, marking_every, project_of, until_safe_mode_settles, until_told,
    },
    safety::rows,
    support::{Server, World, until},
};

/// A database that was held when the backup was taken from which the ledger is restored, which has settled in safe mode.
struct Held {
    id: Uuid,
    project: String,
}

async fn restored() -> (World, Server, Held) {
    restored_after("SELECT").await
}

async fn restored_without_quota() -> (World, Server, Held) {
    restored_after(
        "UPDATE plans SET quota_logical_size_bytes = NULL, quota_active_seconds = NULL, quota_compute_seconds = NULL, quota_written_bytes = NULL,
           quota_transfer_bytes = NULL",
    )
    .await
}

/// With what was done to the ledger before the first claim.
async fn restored_after(statement: &str) -> (World, Server, Held) {
    let (world, server) = marked(marking_every(1)).await;
    in_the_ledger(&world, statement.to_owned()).await;
    let held = held_by(&server, "early").await;
    let text = |field: &str| held[field].as_str().unwrap().to_owned();
    let held = Held { id: text("id").parse().unwrap(), project: text("neon_project_id") };
    until_told(&world, &BTreeSet::from([held.project.clone()])).await;
    let backup = back_up(&world).await;
    let late = project_of(&server, "late").await;
    until_told(&world, &BTreeSet::from([late])).await;
    server.stop().await;
    restore(&world, &backup).await;
    let server = server_in_safe_mode(&world).await;
    (world, server, held)
}

async fn server_in_safe_mode(world: &World) -> Server {
    let server = world.serve_with(judging_quickly()).await;
    until_safe_mode_settles(world).await;
    server
}

async fn on_neon(world: &World, project: &str) -> ProjectTruth {
    world.living_on_neon().await.into_iter().find(|one| one.id == project).expect("it lives")
}

async fn history_on_neon(world: &World, project: &str) -> i64 {
    let answer = world.neon(Method::GET, &format!("/projects/{project}")).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["project"]["history_retention_seconds"].as_i64().expect("Neon tells it")
}

async fn set_limit(server: &Server, id: Uuid, limit: &str, value: i64) -> (StatusCode, Value) {
    let body = json!({ limit: value });
    let answer = server.api(Method::PATCH, &format!("/api/v1/databases/{id}/quota")).json(&body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn set_on_neon(world: &World, method: Method, path: &str, body: Value) {
    let answer = world.neon(method, path).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_limit_is_not_changed_before_it_is_known_what_the_others_are_on_neon() {
    let (world, server, held) = restored().await;
    let bought = json!({ "project": { "settings": { "quota": { "active_time_seconds": 66_666 } } } });
    set_on_neon(&world, Method::PATCH, &format!("/projects/{}", held.project), bought).await;
    for _ in 0..2 {
        let (status, answer) = set_limit(&server, held.id, "compute_time_seconds", 7_777).await;
        assert_eq!(status, StatusCode::CONFLICT, "{answer}");
        assert!(answer.to_string().contains("flotilla ledger repair --apply"), "{answer}");
    }
    assert_eq!(on_neon(&world, &held.project).await.quota.active_time_seconds, Some(66_666));
    let (is_done, words) = ledger_command(&world, &["repair", "--apply"]).await;
    assert!(is_done, "{words}");
    let (status, answer) = set_limit(&server, held.id, "compute_time_seconds", 7_777).await;
    assert!(status.is_success(), "{answer}");
    until("Neon has both", || async {
        let quota = on_neon(&world, &held.project).await.quota;
        (quota.active_time_seconds, quota.compute_time_seconds) == (Some(66_666), Some(7_777))
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sweep_sees_as_it_is_here_may_be_changed() {
    let (_world, server, held) = restored().await;
    until("a sweep has seen the same quota on Neon", || async {
        set_limit(&server, held.id, "compute_time_seconds", 7_777).await.0.is_success()
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_to_neon_while_another_ledger_may_run_beside_this_one() {
    let (world, server) = marked(marking_every(1)).await;
    let (held, spare) = (held_by(&server, "ada").await, held_by(&server, "bob").await);
    let (id, project) = (held["id"].as_str().unwrap().parse().unwrap(), held["neon_project_id"].as_str().unwrap());
    until_told(&world, &BTreeSet::from([project.to_owned()])).await;
    in_the_ledger(
        &world,
        String::from("UPDATE installation SET hands_out = false, settles_at = now() + interval '1 hour'"),
    )
    .await;
    let (status, answer) = set_limit(&server, id, "logical_size_bytes", 7 << 30).await;
    assert!(
        status == StatusCode::ACCEPTED && answer.to_string().contains("the newest, and the only one"),
        "{status} {answer}"
    );
    let release = server
        .api(Method::POST, &format!("/api/v1/databases/{}/release", spare["id"].as_str().unwrap()))
        .json(&json!({}));
    assert_eq!(release.send().await.unwrap().status(), StatusCode::ACCEPTED, "told to be deleted");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_ne!(on_neon(&world, project).await.quota.logical_size_bytes, Some(7 << 30));
    in_the_ledger(&world, String::from("UPDATE installation SET settles_at = now()")).await;
    until("it is taken there afterwards", || async {
        on_neon(&world, project).await.quota.logical_size_bytes == Some(7 << 30)
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_suspend_timeout_leaves_the_size_that_the_compute_has_by_now() {
    let (world, server, held) = restored().await;
    let endpoint = on_neon(&world, &held.project).await.endpoint_id;
    let larger = json!({ "endpoint": { "autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 2 } });
    set_on_neon(&world, Method::PATCH, &format!("/projects/{}/endpoints/{endpoint}", held.project), larger).await;
    world.ledger.set_suspend_timeout(held.id, 600, &By::cli()).await.unwrap();
    until("Neon has the timeout", || async { on_neon(&world, &held.project).await.suspend_timeout_seconds == 600 })
        .await;
    let truth = on_neon(&world, &held.project).await;
    assert_eq!((truth.min_cu, truth.max_cu), (1.0, 2.0), "an older size was sent");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_size_leaves_the_suspend_timeout_that_the_compute_has_by_now() {
    let (world, server, held) = restored().await;
    let endpoint = on_neon(&world, &held.project).await.endpoint_id;
    let never = json!({ "endpoint": { "suspend_timeout_seconds": -1 } });
    set_on_neon(&world, Method::PATCH, &format!("/projects/{}/endpoints/{endpoint}", held.project), never).await;
    // As a roll-out writes it.
    in_the_ledger(&world, format!(
        "UPDATE databases SET min_cu = 1, max_cu = 2, wanted_revision = wanted_revision + 1, compute_revision = wanted_revision + 1 WHERE id = '{0}';
         INSERT INTO events (kind, database_id, actor, via, after) VALUES ('database.plan', '{0}', 'roll', 'engine', '{{\"min_cu\": 1, \"max_cu\": 2}}')",
        held.id
    ))
    .await;
    until("Neon has the size", || async { on_neon(&world, &held.project).await.max_cu > 1.9 }).await;
    assert_eq!(on_neon(&world, &held.project).await.suspend_timeout_seconds, -1, "an older timeout was sent");
    server.stop().await;
}

/// No sweep ever sees the quota of such a one, because Neon lists none; nothing is a quota too.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_one_database_is_enough_to_know_that_neon_has_no_other_quota() {
    for way in ["refresh", "repair"] {
        let (world, server, held) = restored_without_quota().await;
        let (status, answer) = set_limit(&server, held.id, "compute_time_seconds", 7_777).await;
        assert_eq!(status, StatusCode::CONFLICT, "{answer}");
        if way == "refresh" {
            assert_eq!(server.state.engine.refresh_now(held.id).await, Outcome::Done);
        } else {
            let (_, words) = ledger_command(&world, &["repair"]).await;
            assert!(words.contains("Quotas that would be taken from Neon: 0"), "{words}");
            assert_eq!(set_limit(&server, held.id, "compute_time_seconds", 7_777).await.0, StatusCode::CONFLICT);
            ledger_command(&world, &["repair", "--apply"]).await;
        }
        let (status, answer) = set_limit(&server, held.id, "compute_time_seconds", 7_777).await;
        assert!(status.is_success(), "{way}: {answer}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_an_owner_has_got_since_the_backup_is_told_by_the_repair() {
    let (world, server) = marked(marking_every(1)).await;
    let project = project_of(&server, "ada").await;
    until_told(&world, &BTreeSet::from([project.clone()])).await;
    let backup = back_up(&world).await;
    let upgrade = async |server: &Server| {
        let answer = server.api(Method::PATCH, "/api/v1/owners/ada").json(&json!({ "plan": "pro" })).send().await;
        answer.unwrap().status() == StatusCode::OK
    };
    // The backup has cut the connections to the ledger.
    until("the owner has another plan", || upgrade(&server)).await;
    let pending = "SELECT id::text FROM databases WHERE owner_id = 'ada' AND wanted_revision <> applied_revision";
    until("Neon was told", || async { rows(&world, pending).await.is_empty() }).await;
    server.stop().await;
    restore(&world, &backup).await;
    let server = server_in_safe_mode(&world).await;
    let (_, words) = ledger_command(&world, &["repair"]).await;
    assert!(words.contains("flotilla owner change-plan ada pro"), "{words}");
    assert_eq!(words.matches("Owner ada").count(), 1, "{words}");
    assert!(upgrade(&server).await);
    let (_, words) = ledger_command(&world, &["repair", "--apply"]).await;
    assert!(!words.contains("Owner ada"), "{words}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_keeps_the_compute_that_it_has_on_neon() {
    let (world, server, project) = with_a_forgotten_claim("ada").await;
    // As of the backup; the owner, or the plan, may have more by now.
    in_the_ledger(&world, String::from("UPDATE plans SET min_cu = 0.5, max_cu = 0.5, suspend_timeout_seconds = 300, history_retention_seconds = 3600")).await;
    let retention = history_on_neon(&world, &project).await;
    let endpoint = on_neon(&world, &project).await.endpoint_id;
    let path = format!("/projects/{project}/endpoints/{endpoint}");
    let settings = json!({ "endpoint": { "autoscaling_limit_min_cu": 1, "autoscaling_limit_max_cu": 2, "suspend_timeout_seconds": 600 } });
    set_on_neon(&world, Method::PATCH, &path, settings).await;
    let (is_done, words) = ledger_command(&world, &["repair", "--apply"]).await;
    assert!(is_done, "{words}");
    let held = held_by(&server, "ada").await;
    let path = format!("/api/v1/databases/{}", held["id"].as_str().unwrap());
    until("Neon has confirmed all", || async { server.get(&path).await["pending"] == false }).await;
    let here = server.get(&path).await;
    let fields = ["min_cu", "max_cu", "suspend_timeout_seconds"].map(|field| here[field].as_f64().unwrap());
    assert_eq!(fields, [1.0, 2.0, 600.0], "{here}");
    let truth = on_neon(&world, &project).await;
    assert_eq!((truth.min_cu, truth.max_cu, truth.suspend_timeout_seconds), (1.0, 2.0, 600));
    assert_eq!(history_on_neon(&world, &project).await, retention, "history was cut");
    server.stop().await;
}

/// By the time of the restore it may have been served, with a database that the ledger has forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_waited_in_the_backup_waits_for_the_end_of_safe_mode() {
    let (world, server) = marked(marking_every(1)).await;
    let backup = back_up(&world).await;
    let late = project_of(&server, "late").await;
    until_told(&world, &BTreeSet::from([late])).await;
    server.stop().await;
    restore(&world, &backup).await;
    in_the_ledger(
        &world,
        String::from(
            "WITH waits AS (INSERT INTO owners (id, email, plan) VALUES ('w', 'w@mail.example', 'free') RETURNING id)
             INSERT INTO claims (id, pool_id, owner_id, status, kind, request_hash)
             SELECT gen_random_uuid(), 1, id, 'waiting', 'cold', '' FROM waits",
        ),
    )
    .await;
    let server = server_in_safe_mode(&world).await;
    until("there is something for it", || async { server.available().await >= 1 }).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let status = "SELECT status::text FROM claims WHERE owner_id = 'w'";
    assert_eq!(rows(&world, status).await, ["waiting"]);
    let (is_over, words) = ledger_command(&world, &["repair", "--end", "--anyway"]).await;
    assert!(is_over, "{words}");
    until("it is served", || async { rows(&world, status).await == ["served"] }).await;
    server.stop().await;
}

/// The backup is taken after an orderly stop, which nothing but a newer mark tells from the ledger as it is now.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_gives_back_while_no_server_runs_is_deleted_by_no_older_copy() {
    let (world, server) = marked(marking_every(1)).await;
    let held = held_by(&server, "ada").await;
    let (id, project) = (held["id"].as_str().unwrap(), held["neon_project_id"].as_str().unwrap());
    until_told(&world, &BTreeSet::from([project.to_owned()])).await;
    world.emulator.faults().add(Rule::new(Fault::status(503)).on("DELETE", "/projects/{project_id}"));
    let release = server.api(Method::POST, &format!("/api/v1/databases/{id}/release")).json(&json!({}));
    assert!(release.send().await.unwrap().status().is_success());
    server.stop().await;
    let backup = back_up(&world).await;
    let (is_done, words) = ledger_command(&world, &["give-back", project, "--owner", "ada"]).await;
    assert!(is_done, "{words}");
    world.emulator.faults().clear();

    restore(&world, &backup).await;
    let server = world.serve_with(judging_quickly()).await;
    until("the copy is noticed", || async { is_in_safe_mode(&world).await }).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    on_neon(&world, project).await;
    server.stop().await;
}

/// What is given back is no reason to distrust the ledger itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_between_stop_and_start_leaves_the_stop_an_orderly_one() {
    let (world, project) = {
        let (world, server) = marked(marking_every(1)).await;
        let project = project_of(&server, "ada").await;
        until_told(&world, &BTreeSet::from([project.clone()])).await;
        server.stop().await;
        (world, project)
    };
    let (_, words) = ledger_command(&world, &["give-back", &project, "--owner", "ada"]).await;
    let server = world.serve_with(marking_every(1)).await;
    assert_ne!(project_of(&server, "bob").await, project, "{words}");
    assert!(!is_in_safe_mode(&world).await, "{words}");
    assert_eq!(rows(&world, "SELECT count(*)::text FROM databases WHERE state = 'withheld'").await, ["0"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_brings_the_mark_forward() {
    let (world, server) = marked(marking_every(1)).await;
    let held = held_by(&server, "ada").await;
    server.stop().await;
    let quiet = "UPDATE installation SET mark_due_at = now() + interval '50 seconds',
                        mark_confirmed_at = (SELECT max(at) FROM events) + interval '11 seconds'";
    in_the_ledger(&world, quiet.to_owned()).await;
    assert!(!world.ledger.take_mark_turn(60.0, 55.0).await.unwrap(), "nothing has happened");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let id = held["id"].as_str().unwrap().parse().unwrap();
    let quota = Quota { logical_size_bytes: Some(7 << 30), ..Quota::default() };
    world.ledger.set_quota(id, &quota, &By::cli()).await.unwrap();
    assert!(world.ledger.take_mark_turn(60.0, 55.0).await.unwrap(), "a quota was changed");
}
