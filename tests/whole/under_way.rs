//! What was under way when a backup was taken, a change or a deletion: by the time of the restore it is done, and may have been undone.

use std::{collections::BTreeSet, time::Duration};

use ledger::By;
use neon_emulator::{Fault, Rule};
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    backup::restore,
    reconcile::sweeps_pass,
    repairs::{judging_quickly, ledger_command, storage_on_neon},
    restores::{back_up, held_by, marked, marking_every, project_of, until_safe_mode_settles, until_told},
    support::until,
};

/// A backup may be taken while a change is on its way to Neon, which has it by the time of the restore.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_at_the_time_of_the_backup_is_not_done_again() {
    let (world, server) = marked(marking_every(1)).await;
    let held = held_by(&server, "early").await;
    let text = |field: &str| held[field].as_str().unwrap().to_owned();
    let (id, bought) = (text("id"), vec![(text("neon_project_id"), 7_i64 << 30)]);
    server.until_available(3).await;
    let backup = back_up(&world).await;
    let (path, body) = (format!("/api/v1/databases/{id}/quota"), json!({ "logical_size_bytes": 7_i64 << 30 }));
    until("the quota is taken", || async {
        server.api(Method::PATCH, &path).json(&body).send().await.unwrap().status().is_success()
    })
    .await;
    until("Neon has what was bought", || async { storage_on_neon(&world, &bought).await == bought }).await;
    project_of(&server, "late").await;
    server.stop().await;

    restore(&world, &backup).await;
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    ledger
        .execute(
            "UPDATE databases SET wanted_revision = wanted_revision + 1, compute_revision = wanted_revision + 1, suspend_timeout_seconds = 60,
                    wanted_endpoint = 'suspend', password_reset_wanted_at = now(), retention_revision = wanted_revision + 1,
                    history_retention_seconds = 60, next_attempt_at = now() WHERE state = 'claimed'",
        )
        .await
        .unwrap();
    let server = world.serve_with(judging_quickly()).await;
    until("it is in safe mode", || async { world.ledger.safe_mode().await.unwrap().is_some() }).await;
    let id: Uuid = id.parse().unwrap();
    until("nothing is under way any more", || async { !world.ledger.database(id).await.unwrap().row.pending }).await;
    sweeps_pass(&world, 3).await;
    assert_eq!(storage_on_neon(&world, &bought).await, bought, "an older quota was sent");
    let resets = world
        .emulator
        .stats()
        .count("POST", "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reset_password");
    assert_eq!(resets, 0, "the owner's password was replaced a second time");
    let settings = world.emulator.stats().count("PATCH", "/projects/{project_id}/endpoints/{endpoint_id}");
    assert_eq!(settings, 0, "an older suspend timeout was sent");
    let events = world.ledger.database(id).await.unwrap().events;
    let dropped = events.iter().find(|event| event.kind == "database.request_dropped").expect("the history says so");
    assert_eq!(
        dropped.before,
        Some(
            json!({ "endpoint": "suspend", "password": "rotate", "suspend_timeout_seconds": 60, "history_retention_seconds": 60 })
        )
    );
    for _ in 0..2 {
        world.ledger.set_suspend_timeout(id, 60, &By::cli()).await.unwrap();
    }
    let events = world.ledger.database(id).await.unwrap().events;
    assert_eq!(events.iter().filter(|event| event.kind == "database.suspend_timeout").count(), 1, "{events:?}");
    until("whoever asks once more is heard", || async {
        world.emulator.stats().count("PATCH", "/projects/{project_id}/endpoints/{endpoint_id}") == 1
    })
    .await;
    server.stop().await;
}

/// The backup was taken between a release and its deletion; by the time of the restore the owner may have been given the database back.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_ledger_was_to_delete_is_deleted_when_it_is_released_once_more() {
    let (world, server) = marked(marking_every(1)).await;
    let held = held_by(&server, "early").await;
    let text = |field: &str| held[field].as_str().unwrap().to_owned();
    let (id, project) = (text("id"), text("neon_project_id"));
    until_told(&world, &BTreeSet::from([project.clone()])).await;
    server.until_available(3).await;
    let backup = back_up(&world).await;
    let late = project_of(&server, "late").await;
    until_told(&world, &BTreeSet::from([late])).await;
    server.stop().await;
    restore(&world, &backup).await;
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let give_up = "WITH given_up AS (UPDATE claims SET released_at = now() WHERE status = 'served' RETURNING database_id)
                   UPDATE databases SET state = 'releasing', releasing_at = now(), next_attempt_at = now() FROM given_up WHERE id = database_id";
    assert_eq!(ledger.execute(give_up).await.unwrap().rows_affected(), 1);
    let lives = async || world.living_on_neon().await.iter().any(|one| one.id == project);

    for path in ["/projects", "/projects/{project_id}"] {
        world.emulator.faults().add(Rule::new(Fault::status(500)).on("GET", path));
    }
    let server = world.serve_with(judging_quickly()).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(lives().await, "deleted by a ledger that may be old");
    world.emulator.faults().clear();
    until_safe_mode_settles(&world).await;
    let (_, words) = ledger_command(&world, &["repair", "--apply"]).await;
    assert!(words.contains("it was being deleted at the time of the backup, and lives on Neon"), "{words}");
    assert!(!ledger_command(&world, &["repair", "--end"]).await.0, "a decision is open");
    let (is_over, words) = ledger_command(&world, &["repair", "--end", "--anyway"]).await;
    assert!(is_over, "{words}");
    until("it is kept for a person", || async {
        let detail = world.ledger.database(id.parse().unwrap()).await.unwrap();
        detail.events.iter().any(|event| event.kind == "database.release_refused")
    })
    .await;
    assert!(lives().await, "deleted although its owner may hold it again");
    let release = server.api(Method::POST, &format!("/api/v1/databases/{id}/release"));
    assert!(release.json(&json!({ "reason": "asked" })).send().await.unwrap().status().is_success());
    until("it is deleted", || async { !lives().await }).await;
    server.stop().await;
}
