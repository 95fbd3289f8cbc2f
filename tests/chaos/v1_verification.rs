//! V1: new databases never answer, as behind a blocked port, while Neon goes on creating them. The pool must not make them without end.

use std::time::Duration;

use fleet_types::{CreationStep, PoolRange};
use neon_emulator::Cut;
use tokio::time::{Instant, sleep};

use crate::{
    ledger::Behind,
    scenario::{Scenario, sized, within},
    support::World,
};

const SCENARIO_TIMEOUT: Duration = Duration::from_secs(300);
/// What failed is old enough to be cleaned up.
const EVIDENCE_GROWS_OLD: &str = "UPDATE databases SET state_since = now() - interval '1 hour' WHERE state = 'failed' AND state_since > now() - interval '1 hour'";
const ASKED: &str = "SELECT count(*) FROM databases WHERE asked_at IS NOT NULL";

#[tokio::test(flavor = "multi_thread")]
async fn v1_verification_that_fails_for_an_hour_makes_no_more_than_the_ceiling() {
    let (target, tries) = sized((8, 200), (40, 3_000));
    let scenario =
        Scenario::begin("V1", format!("a pool of {target}, verification fails, {tries} back-offs are skipped"));
    let world = World::with_pool(target).await;
    let server = world.serve().await;
    server.until_available(i64::from(target)).await;
    world.emulator.faults().cut(Cut { api: false, proxy: true });
    for owner in 0..target / 2 {
        assert!(server.claim(&format!("owner-{owner}")).await.0.is_success(), "claims go on from the pool");
    }
    let behind = Behind::of(&world).await;
    let time = behind.time_lapse_and(EVIDENCE_GROWS_OLD);
    let tried = Instant::now();
    // An hour has some 200 back-offs of 15 seconds; each round skips one.
    for _ in 0..tries {
        sleep(Duration::from_millis(100)).await;
    }
    let pool = world.ledger.pool("standard", PoolRange::Hour).await.unwrap();
    let asked = behind.number(ASKED).await;
    let ceiling = i64::from(pool.summary.creation_ceiling);
    let made = world.emulator.projects().await.unwrap().len() as i64;
    assert!(asked <= ceiling && made <= ceiling, "{asked} asked for, {made} made, {ceiling} allowed");
    let trip = pool.breaker.expect("the breaker has opened");
    assert!(trip.closed_at.is_none(), "{trip:?}");
    assert!(trip.evidence.iter().all(|failure| failure.step == CreationStep::Verification), "{trip:?}");
    assert!(!pool.failures.is_empty(), "what was given up is kept as evidence");
    let took = tried.elapsed();

    world.emulator.faults().clear();
    behind.run("UPDATE databases SET asked_at = asked_at - interval '1 hour' WHERE asked_at IS NOT NULL").await;
    let recovered =
        within(SCENARIO_TIMEOUT, "the pool is full again", || async { server.available().await >= i64::from(target) })
            .await;
    within(SCENARIO_TIMEOUT, "what failed is cleaned up", || async {
        behind.number("SELECT count(*) FROM databases WHERE state IN ('failed', 'releasing')").await == 0
    })
    .await;
    drop(time);
    let pool = world.ledger.pool("standard", PoolRange::Hour).await.unwrap();
    assert_eq!(pool.breaker.and_then(|trip| trip.closed_by).as_deref(), Some("probe"));
    world.assert_sound().await;
    server.stop().await;
    scenario.passed(format!(
        "{asked} of at most {ceiling} created in {:.0} s, breaker open with {} failures; full again {:.1} s after",
        took.as_secs_f64(),
        trip.failures,
        recovered.as_secs_f64()
    ));
}
