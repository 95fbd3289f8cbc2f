//! Q1: a few projects that Neon never creates. Each is set aside with its evidence after eight tries; the others do not wait for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use ledger::By;
use reqwest::Method;
use tokio::time::Instant;

use crate::{
    gateway::Gateway,
    ledger::Behind,
    scenario::{Scenario, sized, within},
    support::World,
};

const TRIES: usize = 8;
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(40 * 60);
/// Of the speed without any that fail.
const LEAST_SPEED: f64 = 0.95;

/// How often each project was asked for, by its name, and which are hopeless.
#[derive(Default)]
struct Asked {
    names: BTreeMap<String, usize>,
    hopeless: BTreeSet<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn q1_hopeless_projects_are_set_aside_and_hold_nobody_up() {
    // Few calls a minute make a small pool take as long, beside the back-off, as a large one.
    let (target, hopeless, calls_per_minute) = sized((60, 3, 240), (1_000, 10, 700));
    let scenario = Scenario::begin("Q1", format!("a pool of {target}, {hopeless} projects always fail, twice"));
    let ((with, failed), (without, _)) =
        tokio::join!(fill(target, hopeless, calls_per_minute), fill(target, 0, calls_per_minute));
    let speed = without.as_secs_f64() / with.as_secs_f64();
    assert!(speed >= LEAST_SPEED, "{with:?} with hopeless projects, {without:?} without");
    scenario.passed(format!(
        "{failed} set aside after {TRIES} tries; the others took {:.1} s, {:.1} s without them: {:.0} % of the speed",
        with.as_secs_f64(),
        without.as_secs_f64(),
        speed * 100.0
    ));
}

/// How long all but the hopeless ones take, and how many were set aside in the end.
async fn fill(target: i32, hopeless: usize, calls_per_minute: u32) -> (Duration, usize) {
    let mut world = World::with_pool(0).await;
    let gateway = Gateway::before(&world.emulator.api_url()).await;
    world.neon_url = gateway.url.clone();
    world.calls_per_minute = calls_per_minute;
    let asked = never_create(&gateway, target as usize, hopeless);
    let server = world.serve().await;
    let began = Instant::now();
    world.ledger.set_target("standard", target, &By::cli()).await.unwrap();
    let others = i64::from(target) - hopeless as i64;
    within(SCENARIO_TIMEOUT, "the others are available", || async { server.available().await >= others }).await;
    let took = began.elapsed();

    let behind = Behind::of(&world).await;
    let _time = behind.time_lapse();
    within(SCENARIO_TIMEOUT, "the pool is full", || async { server.available().await >= i64::from(target) }).await;
    let failed =
        "SELECT neon_project_name FROM databases WHERE state = 'failed' AND last_error LIKE '%cannot be dealt with%'";
    within(SCENARIO_TIMEOUT, "all hopeless ones are set aside", || async {
        behind.texts(failed).await.len() == hopeless
    })
    .await;
    let failed = behind.texts(failed).await;
    for name in &failed {
        assert_eq!(asked.lock().unwrap().names[name], TRIES, "{name}");
    }
    let others = behind.number("SELECT count(*) FROM databases WHERE state NOT IN ('available', 'failed')").await;
    assert_eq!(others, 0, "nothing else has failed or hangs");
    world.assert_sound().await;
    server.stop().await;
    (took, failed.len())
}

/// Chooses hopeless projects evenly among the first `target` that are asked for, and refuses each of them for ever.
fn never_create(gateway: &Gateway, target: usize, hopeless: usize) -> Arc<Mutex<Asked>> {
    let asked = Arc::new(Mutex::new(Asked::default()));
    let every = target.checked_div(hopeless).unwrap_or(usize::MAX);
    let seen = asked.clone();
    gateway.refuse(move |method, path, body| {
        if method != Method::POST || path != "/projects" {
            return None;
        }
        let name = body["project"]["name"].as_str()?.to_owned();
        let mut asked = seen.lock().unwrap();
        let is_new = !asked.names.contains_key(&name);
        *asked.names.entry(name.clone()).or_default() += 1;
        if is_new && asked.hopeless.len() < hopeless && asked.names.len().is_multiple_of(every) {
            asked.hopeless.insert(name.clone());
        }
        asked.hopeless.contains(&name).then_some(500)
    });
    asked
}
