//! Neon checks idle computes by itself, which looks like use: the pool survives that, and what somebody has really used is still never handed out.

use std::collections::BTreeSet;

use ledger::By;
use neon_emulator::{Fault, Rule};
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    safety::{connect, hasty, lives, rows, sweeps_pass, until_state},
    support::{World, until},
};

/// A world in which a compute that nobody uses sleeps after a second.
async fn sleepy(target: i32) -> World {
    World::new(target, &crate::support::postgres_url(), |neon| neon.suspend_time_scale = 0.003).await
}

async fn pool(world: &World) -> Vec<String> {
    rows(world, "SELECT neon_project_id FROM databases WHERE state = 'available' ORDER BY available_order").await
}

/// Until activity from now on is told apart from the engine's own: Neon tells it in seconds.
async fn until_settled(world: &World) {
    let own = "SELECT id::text FROM databases
               WHERE state = 'available' AND coalesce(proven_new_at, available_at) + interval '1.6 seconds' > now()";
    until("the engine's own activity is over", || async { rows(world, own).await.is_empty() }).await;
}

/// How often each was put back into the pool.
async fn returns(world: &World, project: &str) -> usize {
    let sql = format!(
        "SELECT e.id::text FROM events AS e JOIN databases AS d ON d.id = e.database_id
         WHERE d.neon_project_id = '{project}' AND e.kind = 'database.looked_into' AND e.after ->> 'state' = 'available'"
    );
    rows(world, &sql).await.len()
}

async fn check(world: &World, project: &str) {
    until("Neon checks it", || async { world.emulator.check_availability(project).await.unwrap() }).await;
}

async fn until_kept(world: &World, project: &str, why: &str) {
    let sql = format!(
        "SELECT withheld_reason FROM databases WHERE neon_project_id = '{project}' AND state = 'withheld' AND NOT awaits_look"
    );
    until(&format!("it is kept, because {why}"), || async {
        rows(world, &sql).await.iter().any(|reason| reason.contains(why))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_whose_members_neon_checks_stays_full_and_no_new_ones_are_made() {
    let world = sleepy(3).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(3).await;
    let members: BTreeSet<String> = pool(&world).await.into_iter().collect();
    for round in 1..=2 {
        until_settled(&world).await;
        for member in &members {
            check(&world, member).await;
        }
        for member in &members {
            until("it was looked into", || async { returns(&world, member).await >= round }).await;
        }
        server.until_available(3).await;
    }
    assert_eq!(pool(&world).await.into_iter().collect::<BTreeSet<_>>(), members);
    let made: BTreeSet<String> = world.living_on_neon().await.into_iter().map(|project| project.id).collect();
    assert_eq!(made, members, "nothing was made in their place");
    sweeps_pass(&world, 4).await;
    assert_eq!(server.available().await, 3, "the engine's own connections count for no use");
    for owner in 0..3 {
        let (status, claim) = server.claim(&format!("owner-{owner}")).await;
        assert!(status.is_success(), "{status} {claim}");
        let mut owner = PgConnection::connect(claim["connection"]["uri"].as_str().unwrap()).await.unwrap();
        owner.execute("CREATE TABLE mine (text text)").await.unwrap();
        owner.close().await.unwrap();
    }
    server.until_available(3).await;
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_neon_checked_and_somebody_used_too_stays_withheld_and_is_replaced() {
    let world = sleepy(2).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(2).await;
    let member = pool(&world).await.remove(0);
    until_settled(&world).await;
    // The engine does not look into it before the stranger is in: a look that comes first finds it empty, puts it to sleep, and explains the activity until then.
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let mut held = ledger.begin().await.unwrap();
    sqlx::query("SELECT FROM databases WHERE neon_project_id = $1 FOR UPDATE")
        .bind(&member)
        .fetch_one(&mut *held)
        .await
        .unwrap();
    check(&world, &member).await;
    // Somebody comes in while the check still explains that the compute was started, and stays until it is noticed.
    let mut stranger = connect(&world, &member).await;
    stranger.execute("CREATE TABLE theirs (text text)").await.unwrap();
    held.commit().await.unwrap();
    let awake =
        format!("SELECT coalesce(last_error, '') FROM databases WHERE neon_project_id = '{member}' AND awaits_look");
    until("somebody is seen in it", || async {
        rows(&world, &awake).await.iter().any(|why| why.contains("Its compute runs"))
    })
    .await;
    until_state(&world, &member, "withheld").await;
    stranger.close().await.unwrap();
    until_kept(&world, &member, "Something has been made in it").await;
    server.until_available(2).await;
    for owner in 0..2 {
        let (_, claim) = server.claim(&format!("owner-{owner}")).await;
        assert_ne!(claim["database"]["neon_project_id"], member, "it was handed out");
    }
    assert!(lives(&world, &member).await, "and it is kept");
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_somebody_connected_to_stays_withheld_although_nothing_is_in_it() {
    let world = sleepy(1).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(1).await;
    let member = pool(&world).await.remove(0);
    until_settled(&world).await;
    connect(&world, &member).await.close().await.unwrap();
    until_kept(&world, &member, "not by Neon itself").await;
    server.until_available(1).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_awaited_a_look_when_safe_mode_began_never_goes_back_by_itself() {
    let world = sleepy(1).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(1).await;
    let member = pool(&world).await.remove(0);
    until_settled(&world).await;
    let unanswered = Fault::status(503);
    world.emulator.faults().add(Rule::new(unanswered).on("GET", "/projects/{project_id}/operations"));
    check(&world, &member).await;
    until_state(&world, &member, "withheld").await;
    world.ledger.enter_safe_mode("a test", 0.0, &By::cli()).await.unwrap();
    world.emulator.faults().clear();
    until("safe mode is settled", || async { world.ledger.safe_mode().await.unwrap().unwrap().hands_out }).await;
    world.ledger.end_safe_mode(&By::cli()).await.unwrap();
    until_kept(&world, &member, "a ledger that may be older").await;
    sweeps_pass(&world, 3).await;
    until_state(&world, &member, "withheld").await;
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let by_hand = ledger
        .execute("UPDATE databases SET state = 'available', proven_new_at = now() WHERE state = 'withheld'")
        .await;
    assert!(by_hand.unwrap_err().to_string().contains("cannot go from withheld to available"), "whoever writes");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_active_before_a_start_that_follows_no_stop_never_goes_back_by_itself() {
    let world = sleepy(2).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(2).await;
    until("Neon has the mark", || async { world.ledger.installation().await.unwrap().was_marked }).await;
    until_settled(&world).await;
    let members = pool(&world).await;
    let unanswered = Fault::status(503);
    world.emulator.faults().add(Rule::new(unanswered).on("GET", "/projects/{project_id}/operations"));
    check(&world, &members[0]).await;
    until_state(&world, &members[0], "withheld").await;
    server.end_without_signing_off().await;
    world.emulator.faults().clear();
    check(&world, &members[1]).await;
    // What happens after a start has looked is seen by sweeps, and explained.
    until("Neon has done with it", || async {
        let projects = world.emulator.projects().await.unwrap();
        projects.iter().any(|project| project.id == members[1] && !project.busy && project.state == "idle")
    })
    .await;
    let server = world.serve_with(hasty()).await;
    for member in &members {
        until_kept(&world, member, "Flotilla was not stopped in order").await;
    }
    server.until_available(2).await;
    sweeps_pass(&world, 3).await;
    let returned = pool(&world).await;
    assert!(members.iter().all(|member| !returned.contains(member)), "one went back into the pool");
    server.stop().await;
}
