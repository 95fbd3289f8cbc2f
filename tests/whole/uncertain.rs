//! Where it is not certain that a ledger is the newest and the only one, it makes nothing and brings nothing back on Neon; and what a command did while no
//! server ran is known to no backup that was taken before it had ended.

use std::{collections::BTreeSet, time::Duration};

use fleet_types::{FindingKind, FindingStatus, Role};
use ledger::By;
use neon_emulator::{Fault, Rule};
use reqwest::StatusCode;
use uuid::Uuid;

use crate::{
    backup::restore,
    held::in_the_ledger,
    reconcile::{about, decide},
    repairs::{judging_quickly, ledger_command},
    restores::{back_up, held_by, is_in_safe_mode, marked, marking_every, until_told},
    safety::{lives, rows},
    support::{World, until},
};

const UNCERTAIN: &str = "UPDATE installation SET hands_out = false, settles_at = now() + interval '1 hour'";
const SETTLED: &str = "UPDATE installation SET settles_at = now()";

/// Projects that were ever made.
fn made(world: &World) -> u64 {
    world.emulator.stats().count("POST", "/projects")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_for_the_pool_while_another_ledger_may_run_beside_this_one() {
    let (world, server) = marked(marking_every(1)).await;
    in_the_ledger(&world, UNCERTAIN.to_owned()).await;
    let (before, target) = (made(&world), server.available().await + 2);
    world.ledger.set_target("standard", target as i32, &By::cli()).await.unwrap();
    // As of a moment before.
    world.ledger.request_databases(1, &[Uuid::now_v7(), Uuid::now_v7()], &By::cli()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(made(&world), before);
    in_the_ledger(&world, SETTLED.to_owned()).await;
    server.until_available(target).await;
    assert_eq!(made(&world), before + 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_recovered_while_another_ledger_may_run_beside_this_one() {
    let (world, server) = marked(judging_quickly()).await;
    let held = held_by(&server, "ada").await;
    let project = held["neon_project_id"].as_str().unwrap().to_owned();
    until_told(&world, &BTreeSet::from([project.clone()])).await;
    world.emulator.delete_project(&project).await.unwrap();
    let lost = async || about(&world, FindingKind::Ghost, &project).await;
    until("a person is asked", || async {
        lost().await.is_some_and(|finding| finding.status == FindingStatus::NeedsOperator)
    })
    .await;
    let (operator, id) = (server.sign_in(Role::Operator).await, lost().await.unwrap().id.to_string());
    let recover =
        async || decide(&server, &operator, "recover-finding", &[("id", id.as_str()), ("reason", "ticket 4711")]).await;
    in_the_ledger(&world, UNCERTAIN.to_owned()).await;
    let (_, answer) = recover().await;
    assert!(answer.contains("Nothing was done. It is not certain yet"), "{answer}");
    assert!(!lives(&world, &project).await);
    in_the_ledger(&world, SETTLED.to_owned()).await;
    until("it can be recovered", || async { recover().await.0 == StatusCode::OK }).await;
    assert!(lives(&world, &project).await);
    server.stop().await;
}

/// It has the mark with which the command began, and not what the command did.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_taken_while_a_command_gave_back_is_noticed_as_an_older_one() {
    let (world, server) = marked(marking_every(1)).await;
    let held = held_by(&server, "ada").await;
    let (id, project) = (held["id"].as_str().unwrap(), held["neon_project_id"].as_str().unwrap());
    until_told(&world, &BTreeSet::from([project.to_owned()])).await;
    server.stop().await;
    in_the_ledger(
        &world,
        format!("UPDATE databases SET state = 'releasing', releasing_at = now(), next_attempt_at = now() + interval '1 hour' WHERE id = '{id}'"),
    )
    .await;
    let marks = "SELECT mark_confirmed_at::text FROM installation";
    let before = rows(&world, marks).await;
    let slow = Rule::new(Fault::Delay { delay_ms: 6_000 }).on("GET", "/projects/{project_id}/endpoints");
    world.emulator.faults().add(slow);
    let give = ["give-back", project, "--owner", "ada"];
    let ((is_done, words), backup) = tokio::join!(ledger_command(&world, &give), async {
        until("Neon has the mark of the command", || async { rows(&world, marks).await != before }).await;
        back_up(&world).await
    });
    assert!(is_done, "{words}");
    world.emulator.faults().clear();
    restore(&world, &backup).await;
    let state = format!("SELECT state::text FROM databases WHERE id = '{id}'");
    assert_eq!(rows(&world, &state).await, ["releasing"], "the backup is from before");
    let server = world.serve_with(judging_quickly()).await;
    until("the copy is noticed", || async { is_in_safe_mode(&world).await }).await;
    assert!(lives(&world, project).await);
    server.stop().await;
}
