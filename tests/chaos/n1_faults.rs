//! N1: a Neon that refuses, fails, stalls and babbles. A pool is filled through it beside one that is filled without faults, in the same minutes.

use std::time::Duration;

use ledger::By;
use neon_emulator::{Fault, Rule, Stats};
use tokio::time::Instant;

use crate::{
    scenario::{Scenario, sized, within},
    support::World,
};

/// As long as the longest of the two fillings may take.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Longer than the server waits for an answer.
const STALL_MS: u64 = 11_000;

#[tokio::test(flavor = "multi_thread")]
async fn n1_a_pool_fills_through_faults_in_thrice_the_time_and_within_the_limits() {
    // Few calls a minute make a small pool take as long, beside the back-off, as a large one.
    let (target, calls_per_minute) = sized((30, 120), (400, 700));
    let scenario = Scenario::begin("N1", format!("a pool of {target}, {calls_per_minute} calls a minute, twice"));
    let (clean, faulty) =
        tokio::join!(fill(target, calls_per_minute, Vec::new()), fill(target, calls_per_minute, faults()),);
    let (clean_took, clean_stats) = clean;
    let (faulty_took, faulty_stats) = faulty;
    let (clean_posts, posts) = (posts(&clean_stats), posts(&faulty_stats));
    let slower = faulty_took.as_secs_f64() / clean_took.as_secs_f64();
    let more = posts as f64 / clean_posts as f64;
    assert!(slower <= 3.0, "{faulty_took:?} with faults, {clean_took:?} without");
    assert!(more <= 1.5, "{posts} creations asked for with faults, {clean_posts} without");
    for stats in [&clean_stats, &faulty_stats] {
        assert!(stats.peak_per_minute <= calls_per_minute as usize, "{} calls in a minute", stats.peak_per_minute);
        assert!(stats.peak_per_second_and_route <= 40, "{} calls in a second", stats.peak_per_second_and_route);
    }
    scenario.passed(format!(
        "{:.1} s without faults, {:.1} s with: {slower:.2} x; POSTs {clean_posts} and {posts}: {more:.2} x; at most {} calls a minute",
        clean_took.as_secs_f64(),
        faulty_took.as_secs_f64(),
        faulty_stats.peak_per_minute
    ));
}

fn faults() -> Vec<Rule> {
    let mut rules = vec![
        Rule::new(Fault::Status { status: 429, retry_after_seconds: None, after_work: false }).with_probability(0.1),
        Rule::new(Fault::status(423)).with_probability(0.05),
        Rule::new(Fault::status(500)).with_probability(0.02),
        Rule::new(Fault::status(503)).with_probability(0.01),
        Rule::new(Fault::status(524)).with_probability(0.01),
        Rule::new(Fault::Status { status: 500, retry_after_seconds: None, after_work: true }).with_probability(0.01),
    ];
    rules.push(Rule::new(Fault::Delay { delay_ms: STALL_MS }).with_probability(0.01));
    rules.push(Rule::new(Fault::TruncatedJson).with_probability(0.02));
    rules.push(Rule::new(Fault::Html).with_probability(0.02));
    rules
}

/// How long a pool of this size takes to be full, and what Neon saw meanwhile.
async fn fill(target: i32, calls_per_minute: u32, faults: Vec<Rule>) -> (Duration, Stats) {
    let mut world = World::with_pool(0).await;
    world.calls_per_minute = calls_per_minute;
    let server = world.serve().await;
    world.emulator.faults().set(faults);
    let began = Instant::now();
    world.ledger.set_target("standard", target, &By::cli()).await.unwrap();
    within(SCENARIO_TIMEOUT, "the pool is full", || async { server.available().await >= i64::from(target) }).await;
    let (took, stats) = (began.elapsed(), world.emulator.stats());
    world.emulator.faults().clear();
    crate::support::until("everything has come to rest", || async {
        let pool = server.state.ledger.pools().await.unwrap().remove(0);
        pool.in_flight == 0
    })
    .await;
    world.assert_sound().await;
    server.stop().await;
    (took, stats)
}

fn posts(stats: &Stats) -> u64 {
    stats.count("POST", "/projects")
}
