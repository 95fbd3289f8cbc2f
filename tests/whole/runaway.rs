//! Nothing runs away: what is created stops when it is told to, when it does not work, and when it is enough for an hour; what failed costs nothing for long.

use std::time::Duration;

use engine::EngineSettings;
use fleet_types::{CreationStep, PoolDetail, PoolRange, PoolSummary, Role};
use ledger::By;
use neon_emulator::Cut;
use reqwest::{Method, StatusCode, header};
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Server, World, until};

/// Calls that a replica may have under way when it is told to stop.
const UNDER_WAY: u64 = 32;

async fn pool(world: &World) -> PoolDetail {
    world.ledger.pool("standard", PoolRange::Hour).await.unwrap()
}

async fn summary(world: &World) -> PoolSummary {
    world.ledger.pools().await.unwrap().remove(0)
}

async fn behind(world: &World) -> PgConnection {
    PgConnection::connect(&world.database_url).await.unwrap()
}

async fn number(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut behind(world).await).await.unwrap()
}

/// Projects that Neon was asked to create and has created, but for the one that carries the mark.
async fn creations(world: &World) -> u64 {
    let projects = world.emulator.projects().await.unwrap();
    projects.iter().filter(|project| !project.name.starts_with("flotilla-mark-")).count() as u64
}

async fn until_creations(world: &World, count: u64) {
    until("Neon was asked to create some", || async { creations(world).await >= count }).await;
}

/// Until whatever Neon was asked for has come to the pool.
async fn until_at_rest(world: &World) {
    until("nothing is under way", || async {
        number(world, "SELECT count(*) FROM databases WHERE state IN ('creating', 'verifying')").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_set_by_mistake_is_put_back_and_the_pool_paused_creation_stops_at_once() {
    let world = World::with_pool(0).await;
    let server = world.serve().await;
    world.ledger.set_target("standard", 2_000, &By::cli()).await.unwrap();
    until_creations(&world, 10).await;
    world.ledger.set_target("standard", 40, &By::cli()).await.unwrap();
    world.ledger.pause_pool("standard", &By::cli()).await.unwrap();
    let asked = creations(&world).await;
    until_at_rest(&world).await;
    let made = creations(&world).await;
    assert!(made <= asked + UNDER_WAY, "{made} creations, {asked} before the pool was paused");

    let requested = summary(&world).await.in_flight;
    let wanted = (40 - i64::try_from(made).unwrap()).max(0);
    assert_eq!(requested, wanted, "the target of 40 alone is left, and waits until the pool is resumed");
    let cancelled = "SELECT count(*) FROM databases AS d JOIN events AS e ON e.database_id = d.id AND e.kind = 'database.cancelled'
                     WHERE d.state = 'deleted' AND d.neon_project_id IS NULL AND d.asked_at IS NULL AND e.before ->> 'state' = 'requested'";
    assert!(number(&world, cancelled).await > 100, "requests were taken back, each with its event");

    world.ledger.resume_pool("standard", &By::cli()).await.unwrap();
    server.until_available(i64::try_from(made).unwrap().max(40)).await;
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_pool_creates_nothing_of_what_is_requested_until_it_is_resumed() {
    let world = World::with_pool(0).await;
    let server = world.serve_within(120).await;
    world.ledger.set_target("standard", 60, &By::cli()).await.unwrap();
    until_creations(&world, 5).await;
    world.ledger.pause_pool("standard", &By::cli()).await.unwrap();
    let asked = creations(&world).await;
    until_at_rest(&world).await;
    let made = creations(&world).await;
    assert!(made <= asked + UNDER_WAY, "{made} creations, {asked} before the pool was paused");
    assert_eq!(summary(&world).await.in_flight, 60 - i64::try_from(made).unwrap(), "requests wait");
    world.ledger.set_target("standard", 50, &By::cli()).await.unwrap();
    assert_eq!(summary(&world).await.in_flight, 50 - i64::try_from(made).unwrap(), "a paused pool takes back, too");
    world.ledger.set_target("standard", i32::try_from(made).unwrap() + 3, &By::cli()).await.unwrap();
    world.ledger.resume_pool("standard", &By::cli()).await.unwrap();
    server.until_available(i64::try_from(made).unwrap() + 3).await;
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_creates_no_more_in_an_hour_than_its_limit_and_says_so() {
    let world = World::with_pool(0).await;
    let server = world.serve().await;
    assert_eq!(summary(&world).await.creation_ceiling, 50, "by itself it follows the target");
    world.ledger.set_creations_per_hour("standard", Some(4), &By::cli()).await.unwrap();
    world.ledger.set_target("standard", 9, &By::cli()).await.unwrap();
    server.until_available(4).await;
    until("it says that it is held back", || async { summary(&world).await.held_back_until.is_some() }).await;
    let problems = server.state.ledger.status().await.unwrap().problems;
    assert!(
        problems.iter().any(|problem| problem.text
            == "Pool standard has reached its creation limit: 4 databases created in the last hour."),
        "{problems:?}"
    );
    let cookie = server.sign_in(Role::Operator).await;
    let page = server.anonymous(Method::GET, "/pools/standard").header(header::COOKIE, &cookie).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("The creation limit is reached: 4 of at most 4 databases an hour were created."), "{page}");
    let budget = server.anonymous(Method::GET, "/budget").header(header::COOKIE, &cookie).send().await.unwrap();
    let budget = budget.text().await.unwrap();
    assert!(
        budget.contains("The creation limit of pool standard holds it back"),
        "what holds the work is said: {budget}"
    );
    assert!(budget.contains("held back"), "and no end that the budget alone would allow: {budget}");
    assert_eq!(server.get("/api/v1/pools").await["items"][0]["creation_ceiling"], 4);
    assert_eq!(creations(&world).await, 4);

    // An hour passes for one of them: one more.
    let passes = "UPDATE databases SET asked_at = asked_at - interval '1 hour' WHERE id = (SELECT id FROM databases WHERE asked_at IS NOT NULL LIMIT 1)";
    behind(&world).await.execute(passes).await.unwrap();
    server.until_available(5).await;
    set_limit(&server, &cookie, "").await;
    server.until_available(9).await;
    assert_eq!(creations(&world).await, 9);
    world.assert_sound().await;
    server.stop().await;
}

/// As the form of the pool's page does.
async fn set_limit(server: &Server, cookie: &str, limit: &str) {
    let form = [("name", "standard"), ("limit", limit), ("reason", "a test")];
    let request = server.anonymous(Method::POST, "/rpc/set-creation-limit").header(header::COOKIE, cookie);
    let request = request.header(header::ORIGIN, &server.url).header("sec-fetch-site", "same-origin").form(&form);
    let answer = request.send().await.unwrap();
    assert!(answer.status() == StatusCode::OK || answer.status().is_redirection(), "{}", answer.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_that_never_answer_open_the_breaker_although_neon_creates_them() {
    let world = World::with_pool(0).await;
    let server = world.serve().await;
    world.emulator.faults().cut(Cut { api: false, proxy: true });
    world.ledger.set_target("standard", 6, &By::cli()).await.unwrap();
    until("the breaker is open", || async { pool(&world).await.breaker.is_some() }).await;
    let trip = pool(&world).await.breaker.unwrap();
    assert!(trip.failures >= 5 && trip.closed_at.is_none(), "{trip:?}");
    assert!(trip.evidence.iter().all(|failure| failure.step == CreationStep::Verification), "{trip:?}");
    assert!(trip.evidence.iter().all(|failure| failure.project_id.is_some() && !failure.error.is_empty()), "{trip:?}");

    // More is wanted, and the breaker cools down again and again: what exists is tried, nothing more is created.
    world.ledger.set_target("standard", 30, &By::cli()).await.unwrap();
    let mut ledger = behind(&world).await;
    for _ in 0..20 {
        ledger.execute("UPDATE pools SET breaker_until = now() - interval '1 second'").await.unwrap();
        ledger.execute("UPDATE databases SET next_attempt_at = now() WHERE state = 'requested'").await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(creations(&world).await, 6);

    world.emulator.faults().clear();
    server.until_available(30).await;
    let detail = pool(&world).await;
    assert_eq!(detail.breaker.unwrap().closed_by.as_deref(), Some("probe"));
    let said = |kind: &str| detail.events.iter().find(|event| event.kind == kind).and_then(|event| event.after.clone());
    assert_eq!(said("pool.breaker").unwrap()["breaker"], "closed: a verification succeeded");
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_deleted_on_neon_after_a_while_and_its_evidence_stays() {
    let world = World::with_pool(0).await;
    let server =
        world.serve_with(EngineSettings { failed_kept_for: Duration::from_secs(1), ..EngineSettings::default() }).await;
    world.emulator.faults().cut(Cut { api: false, proxy: true });
    world.ledger.set_target("standard", 1, &By::cli()).await.unwrap();
    until("it is being verified", || async {
        let last_try = "UPDATE databases SET attempts = 19, next_attempt_at = now() WHERE state = 'verifying'";
        behind(&world).await.execute(last_try).await.unwrap().rows_affected() == 1
    })
    .await;
    until("it has failed and is gone from Neon", || async {
        world.emulator.projects().await.unwrap().iter().any(|project| project.deleted)
    })
    .await;
    world.emulator.faults().clear();
    let failure = pool(&world).await.failures.remove(0);
    assert_eq!(failure.attempts, Some(20));
    assert!(failure.neon_project_id.is_some() && failure.error.contains("Operations on Neon"), "{failure:?}");
    let kept = "SELECT count(*) FROM databases WHERE state IN ('releasing', 'deleted') AND deleted_at IS NOT NULL";
    until("its row says so", || async { number(&world, kept).await == 1 }).await;
    world.assert_sound().await;
    server.stop().await;
}
