//! K2: two replicas, one of which is killed every few seconds, under a signup service that repeats what was not answered.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{interval, sleep},
};

use crate::{
    ledger::Behind,
    process::{Caller, Replica, free_port},
    scenario::{Scenario, sized, within},
    support::World,
};

const KILL_EVERY: Duration = Duration::from_millis(2_500);
const CLAIM_EVERY: Duration = Duration::from_millis(400);
/// Of all claims.
const LEAST_SERVED: f64 = 0.999;

#[tokio::test(flavor = "multi_thread")]
async fn k2_replicas_that_are_killed_lose_nothing() {
    // As many as are claimed: what is in the making when a replica dies waits until its lease runs out, so the pool has to last.
    let (lasts, pool) = (Duration::from_secs(sized(20, 240)), sized(50, 600));
    let scenario = Scenario::begin("K2", format!("2 replicas, one killed every 2.5 s for {lasts:?}, a pool of {pool}"));
    let mut world = World::new(pool, &crate::support::postgres_url(), |emulator| emulator.rate_limits = false).await;
    world.calls_per_minute = 100_000;
    let world = Arc::new(world);
    let behind = Behind::of(&world).await;
    let ports = [free_port(), free_port()];
    let start = {
        let world = world.clone();
        move || ports.map(|port| Replica::start(&world, port, &[("FLOTILLA_NEON_CALLS_PER_SECOND", "10000")]))
    };
    let mut replicas = start();
    let urls = replicas.each_ref().map(|replica| replica.url.clone());
    let filled = || async { world.ledger.pools().await.unwrap()[0].available == i64::from(pool) };
    within(Duration::from_secs(sized(300, 1_200)), "the pool is full", filled).await;

    let over = Arc::new(AtomicBool::new(false));
    let kills = Arc::new(AtomicUsize::new(0));
    let killer = tokio::spawn({
        let (over, kills, world) = (over.clone(), kills.clone(), world.clone());
        async move {
            while !over.load(Ordering::SeqCst) {
                sleep(KILL_EVERY).await;
                let which = kills.fetch_add(1, Ordering::SeqCst) % 2;
                replicas[which].kill();
                replicas[which] = Replica::start(&world, ports[which], &[("FLOTILLA_NEON_CALLS_PER_SECOND", "10000")]);
            }
            replicas
        }
    });
    let (asked, served) = sign_up(&world, &urls, lasts).await;
    over.store(true, Ordering::SeqCst);
    drop(killer.await.unwrap());
    let share = served.len() as f64 / asked as f64;
    assert!(share >= LEAST_SERVED, "{} of {asked} claims were served", served.len());
    let distinct: BTreeSet<&String> = served.iter().collect();
    assert_eq!(distinct.len(), served.len(), "no database was handed out twice");

    behind.leases_run_out().await;
    let _replicas = start();
    let _time = behind.time_lapse();
    within(Duration::from_secs(300), "everything is at rest", || async { behind.restless().await.is_empty() }).await;
    world.assert_sound().await;
    let kills = kills.load(Ordering::SeqCst);
    scenario.passed(format!("{kills} kills; {} of {asked} claims served, each once", served.len()));
}

/// Claims for new owners at a steady rate: how many, and the databases that were handed out.
async fn sign_up(world: &World, urls: &[String], lasts: Duration) -> (usize, Vec<String>) {
    let caller = Caller::of(world, urls).await;
    let mut claims = JoinSet::new();
    let mut ticks = interval(CLAIM_EVERY);
    let asked = (lasts.as_millis() / CLAIM_EVERY.as_millis()) as usize;
    for owner in 0..asked {
        ticks.tick().await;
        let mut caller = caller.clone();
        caller.start_at(owner);
        claims.spawn(async move { caller.try_claim(&format!("owner-{owner}")).await });
    }
    (asked, claims.join_all().await.into_iter().flatten().collect())
}
