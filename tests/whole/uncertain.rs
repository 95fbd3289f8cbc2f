//! Where it is not certain that a ledger is the newest and the only one, it makes nothing and brings nothing back on Neon.

use std::{collections::BTreeSet, time::Duration};

use fleet_types::{FindingKind, FindingStatus, Role};
use ledger::By;
use reqwest::StatusCode;
use uuid::Uuid;

use crate::{
    held::in_the_ledger,
    reconcile::{about, decide},
    repairs::judging_quickly,
    restores::{held_by, marked, marking_every, until_told},
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
