//! The pool sizes itself: policies decide, pages show what another would have done, the breaker keeps its evidence, templates roll through the unclaimed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use fleet_types::{Asks, Peak, Policy, PoolDetail, PoolRange, Role, SizingRate, Template, When};
use ledger::{By, SeedHour};
use neon_emulator::{Fault, Rule};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, Row};

use crate::support::{Server, World, until};

fn policy() -> Policy {
    Policy {
        cover_hours: 2.0,
        rate: SizingRate::Current,
        floor: 2,
        ceiling: 40,
        largest_step: 3,
        decrease_after_minutes: 60,
    }
}

async fn pool(world: &World) -> PoolDetail {
    world.ledger.pool("standard", PoolRange::Hour).await.unwrap()
}

fn template(detail: &PoolDetail) -> Template {
    detail.template.template.clone()
}

fn by_test() -> By {
    By { reason: Some(String::from("a test")), ..By::cli() }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_raise_the_target_step_by_step_and_the_refill_follows() {
    let world = World::with_pool(4).await;
    let server = world.serve().await;
    server.until_available(4).await;
    for owner in ["a", "b", "c", "d"] {
        assert_eq!(server.claim(owner).await.0, StatusCode::CREATED);
    }
    world.ledger.set_policy("standard", &policy(), None, &by_test()).await.unwrap();
    until("the policy has found the target", || async {
        server.state.engine.nudge_size();
        pool(&world).await.summary.target == 8
    })
    .await;
    server.until_available(8).await;

    let detail = pool(&world).await;
    let mut decisions = detail.sizing.decisions;
    decisions.reverse();
    let steps: Vec<(i32, i32, i32)> = decisions.iter().map(|made| (made.before, made.wanted, made.after)).collect();
    assert_eq!(steps, [(4, 8, 7), (7, 8, 8)], "four claims an hour, two hours of cover, three a step");
    let inputs = decisions[0].inputs.as_ref().unwrap();
    assert_eq!((inputs.rates.current, inputs.policy.largest_step), (4.0, 3));
    assert_eq!(
        decisions[0].reason,
        "2 h of cover at the current rate (4 claims an hour) ask for 8: raised from 4 to 7, the largest step."
    );
    let event = detail.events.iter().find(|event| event.kind == "pool.target").unwrap();
    assert_eq!((event.actor.as_str(), event.via.as_str()), ("size", "engine"));
    assert_eq!(event.reason.as_ref(), Some(&decisions[1].reason));
    let by_hand = world.ledger.set_target("standard", 1, &by_test()).await;
    assert!(by_hand.is_err_and(|error| error.to_string().contains("policy of this pool sets its target")));

    let checked = decisions[1].last_checked_at;
    until("the same decision only moves its time", || async {
        server.state.engine.nudge_size();
        let decisions = pool(&world).await.sizing.decisions;
        assert_eq!(decisions.len(), 2);
        decisions[0].last_checked_at > checked
    })
    .await;
    world.assert_sound().await;
    server.stop().await;
}

/// Five days of 60 claims an hour, with three outages of an hour. The first day serves the rates only.
fn five_days() -> Vec<SeedHour> {
    let this_hour = Utc::now() - TimeDelta::seconds(Utc::now().timestamp() % 3_600);
    let this_hour = chrono::DateTime::from_timestamp(this_hour.timestamp(), 0).unwrap();
    let hours = (1..=120).rev().map(|ago| {
        let fails = [30, 60, 90].contains(&ago);
        SeedHour {
            pool: String::from("standard"),
            hour: this_hour - TimeDelta::hours(ago),
            claims_warm: 60,
            claims_cold: 0,
            created: if fails { 0 } else { 60 },
            failed: if fails { 3 } else { 0 },
            min_available: 10,
        }
    });
    hours.collect()
}

async fn page(server: &Server, cookie: &str, path: &str) -> String {
    let answer = server.anonymous(Method::GET, path).header(header::COOKIE, cookie).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_tried_on_the_past_before_a_plain_form_sets_it() {
    let world = World::with_pool(40).await;
    world.ledger.seed_hours(&five_days()).await.unwrap();
    let server = world.serve_without_duties().await;
    let draft = [("cover", "2"), ("rate", "p95"), ("floor", "40"), ("ceiling", "200"), ("step", "50"), ("wait", "60")];
    let query: Vec<String> = draft.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let path = format!("/pools/standard/policy?{}", query.join("&"));
    let viewer = server.sign_in(Role::Viewer).await;
    let html = page(&server, &viewer, &path).await;
    let sentence = "This policy would have run dry 0 times in 4 days, the target of 40 now in force 3 times.";
    assert!(html.contains(sentence), "the page does not compare");
    assert!(html.contains("Right now it asks for 120; the target is 40."), "it does not say what it asks for");
    assert!(html.contains("Needs the role operator"), "a viewer is not told why the policy cannot be set");
    let answer: Value = serde_json::from_str(
        &page(&server, &viewer, &format!("/rpc/try-policy?name=standard&{}", query.join("&"))).await,
    )
    .unwrap();
    let compared = &answer["outcome"]["Ok"];
    assert_eq!((&compared["proposed"]["dry"], &compared["in_force"]["dry"]), (&json!(0), &json!(3)), "{answer}");
    assert_eq!(compared["in_force"]["lowest"], json!(0));
    let wrong = page(&server, &viewer, "/pools/standard/policy?cover=soon&rate=p95").await;
    assert!(wrong.contains("Write the hours of cover as a number"), "a mistake in the URL is not explained");

    let form: Vec<(&str, &str)> =
        draft.into_iter().chain([("name", "standard"), ("read", "0"), ("reason", "journey: a plain form")]).collect();
    let send = |cookie: String| {
        server
            .anonymous(Method::POST, "/rpc/set-policy")
            .header(header::COOKIE, cookie)
            .header("sec-fetch-site", "same-origin")
            .header(header::ACCEPT, "text/html")
            .header(header::REFERER, format!("{}{path}", server.url))
            .form(&form)
            .send()
    };
    send(viewer.clone()).await.unwrap();
    assert_eq!(pool(&world).await.sizing.policy, None, "a viewer has set a policy");
    let answer = send(server.sign_in(Role::Operator).await).await.unwrap();
    assert!(answer.status().is_redirection(), "{}", answer.status());
    let in_force = pool(&world).await.sizing.policy.unwrap().policy;
    assert_eq!((in_force.cover_hours, in_force.rate, in_force.ceiling), (2.0, SizingRate::P95, 200));
    let html = page(&server, &viewer, "/pools/standard").await;
    assert!(
        html.contains("2 h at the p95 rate") && html.contains("journey: a plain form"),
        "the pool does not tell of its policy"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hours_add_up_to_the_claims_however_often_they_are_rolled_up() {
    let world = World::with_pool(0).await;
    world.stock(6).await;
    let server = world.serve_without_duties().await;
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    for owner in ["a", "b", "c"] {
        server.claim(owner).await;
    }
    ledger
        .execute("UPDATE claims SET requested_at = requested_at - interval '3 hours' WHERE owner_id = 'a'")
        .await
        .unwrap();
    for _ in 0..3 {
        world.ledger.roll_up_hours().await.unwrap();
        let row = ledger.fetch_one("SELECT sum(claims_warm + claims_cold), count(*) FROM pool_hours").await.unwrap();
        assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (3, 4), "claims, and hours without a gap");
    }
    server.claim("d").await;
    world.ledger.roll_up_hours().await.unwrap();
    let row = ledger.fetch_one("SELECT sum(claims_warm + claims_cold), count(*) FROM pool_hours").await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 4, "the running hour goes on");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_breaker_keeps_its_evidence_alerts_once_and_closes_after_one_probe() {
    let world = World::with_pool(0).await;
    let server = world.serve().await;
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    until("there is a mark", || async { world.ledger.installation().await.unwrap().was_marked }).await;
    world.emulator.faults().add(Rule::new(Fault::status(500)).on("POST", "/projects"));
    world.ledger.set_target("standard", 8, &by_test()).await.unwrap();
    server.state.engine.nudge_refill();
    until("the breaker is open and all that were under way have failed", || async {
        pool(&world).await.breaker.is_some_and(|trip| trip.closed_at.is_none() && trip.evidence.len() == 8)
    })
    .await;
    let trip = pool(&world).await.breaker.unwrap();
    assert_eq!(trip.failures, 5, "what was under way is evidence and counts no more");
    assert!(
        trip.evidence
            .iter()
            .all(|failure| failure.error.contains("500") && failure.project_name.starts_with("flotilla-"))
    );
    let problems = server.state.ledger.status().await.unwrap().problems;
    assert!(
        problems
            .iter()
            .any(|problem| problem.text.contains("stopped creating after 5 failures in a row")
                && problem.since.is_some()),
        "{problems:?}"
    );

    let tried = || world.emulator.stats().count("POST", "/projects");
    let before = tried();
    let cool_down = "UPDATE pools SET breaker_until = now() - interval '1 second'";
    let all_due = "UPDATE databases SET next_attempt_at = now() WHERE state IN ('requested', 'creating')";
    world.ledger.resume_pool("standard", &by_test()).await.unwrap();
    until("the probe has failed", || async { pool(&world).await.breaker.is_some_and(|trip| trip.failures == 6) }).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(tried(), before + 1, "whoever resumes has one tried, not all eight");

    world.emulator.faults().clear();
    ledger.execute(all_due).await.unwrap();
    ledger.execute(cool_down).await.unwrap();
    until("a probe has succeeded", || async {
        pool(&world).await.breaker.is_some_and(|trip| trip.closed_at.is_some())
    })
    .await;
    ledger.execute(all_due).await.unwrap();
    server.until_available(8).await;
    let detail = pool(&world).await;
    assert_eq!(detail.breaker.unwrap().closed_by.as_deref(), Some("probe"));
    let alerts: Vec<Value> = detail
        .events
        .into_iter()
        .rev()
        .filter(|event| event.kind == "pool.breaker")
        .map(|event| event.after.unwrap()["breaker"].clone())
        .collect();
    assert_eq!(alerts, ["open", "closed: a creation succeeded"]);
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_neon_changes_in_place_reaches_every_unclaimed_database_and_no_claimed_one() {
    let world = World::with_pool(3).await;
    let server = world.serve().await;
    server.until_available(3).await;
    let (_, claim) = server.claim("ada").await;
    server.until_available(3).await;
    let created = world.emulator.stats().count("POST", "/projects");
    let bigger = Template { max_cu: 2.0, birth_plan: String::from("pro"), ..template(&pool(&world).await) };
    world.ledger.set_template("standard", &bigger, None, &by_test()).await.unwrap();
    server.state.engine.nudge_roll();
    until("the template has reached all", || async {
        let detail = pool(&world).await;
        detail.template.roll_out.is_none() && detail.template.revision == 2
    })
    .await;
    let claimed = claim["database"]["neon_project_id"].as_str().unwrap();
    for project in world.living_on_neon().await {
        let expected = if project.id == claimed { (0.25, 536_870_912) } else { (2.0, 10_737_418_240) };
        assert_eq!((project.max_cu, project.quota.logical_size_bytes.unwrap()), expected, "{}", project.id);
    }
    assert_eq!(world.emulator.stats().count("POST", "/projects"), created, "nothing was replaced");
    let events = pool(&world).await.events;
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds[..2], ["pool.rolled_out", "pool.template"]);
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_during_a_roll_out_still_gets_its_own_quotas() {
    let world = World::with_pool(2).await;
    let server = world.serve().await;
    server.until_available(2).await;
    server.stop().await;
    // The new birth plan has not reached them: they were born with "free", and the pool now says "pro".
    let bigger = Template { birth_plan: String::from("pro"), ..template(&pool(&world).await) };
    world.ledger.set_template("standard", &bigger, None, &by_test()).await.unwrap();
    let server = world.serve_without_duties().await;
    let owner = json!({ "owner": { "id": "ada", "email": "ada@mail.example", "plan": "pro" } });
    let (status, claim) = server.claim_with(owner, None).await;
    assert_eq!(status, StatusCode::CREATED, "{claim}");
    server.stop().await;
    let server = world.serve().await;
    let project = claim["database"]["neon_project_id"].as_str().unwrap();
    until("the owner has the quota of their plan", || async {
        let projects = world.living_on_neon().await;
        let quota = projects.into_iter().find(|found| found.id == project).unwrap().quota;
        quota.logical_size_bytes == Some(10_737_418_240)
    })
    .await;
    server.stop().await;
}

/// The Postgres version of each project that is not deleted.
async fn versions(world: &World) -> Vec<i64> {
    let client = reqwest::Client::new();
    let mut versions = Vec::new();
    for id in world.ledger.living_projects().await.unwrap() {
        let url = format!("{}/projects/{id}", world.emulator.api_url());
        let answer: Value = client.get(url).bearer_auth("napi_test").send().await.unwrap().json().await.unwrap();
        versions.push(answer["project"]["pg_version"].as_i64().unwrap_or_default());
    }
    versions
}

/// Changes the Postgres version and waits until it has reached all; answers the fewest that were available meanwhile.
async fn roll_to(world: &World, server: &Server, pg_version: i32) -> i64 {
    let fewest = AtomicI64::new(i64::MAX);
    let newer = Template { pg_version, ..template(&pool(world).await) };
    world.ledger.set_template("standard", &newer, None, &by_test()).await.unwrap();
    server.state.engine.nudge_roll();
    until("the template has reached all", || async {
        let detail = pool(world).await;
        fewest.fetch_min(detail.summary.available, Ordering::Relaxed);
        if let Some(roll_out) = detail.template.roll_out {
            assert!(roll_out.done <= roll_out.of);
        }
        detail.template.roll_out.is_none()
    })
    .await;
    fewest.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_postgres_version_replaces_the_oldest_first_and_never_goes_below_the_floor() {
    let world = World::with_pool(6).await;
    let server = world.serve().await;
    server.until_available(6).await;
    let floor = Policy { floor: 4, ceiling: 6, ..policy() };
    let fixed = Policy { floor: 6, ..floor.clone() };
    // With room below the target, old ones go first. A schedule keeps the target where it is.
    let daily = When::Weekly { weekdays: 127, start_minute: 0, end_minute: 0 };
    let peak = Peak { label: String::from("always"), when: daily, asks: Asks::AtLeast(6) };
    world.ledger.add_schedule("standard", &peak, &by_test()).await.unwrap();
    world.ledger.set_policy("standard", &floor, None, &by_test()).await.unwrap();
    let fewest = roll_to(&world, &server, 16).await;
    assert!(fewest >= 4, "only {fewest} were available");
    assert_eq!(versions(&world).await, [16; 6]);
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let oldest_first: bool = ledger
        .fetch_one(
            "SELECT bool_and(available_order < (SELECT min(available_order) FROM databases WHERE state = 'available'))
             FROM databases WHERE state IN ('releasing', 'deleted')",
        )
        .await
        .unwrap()
        .get(0);
    assert!(oldest_first);
    // Without room, new ones come first.
    server.until_available(6).await;
    world.ledger.set_policy("standard", &fixed, None, &by_test()).await.unwrap();
    let fewest = roll_to(&world, &server, 17).await;
    assert!(fewest >= 6, "only {fewest} were available");
    assert_eq!(versions(&world).await, [17; 6]);
    until("what was replaced is deleted on Neon", || async { world.living_on_neon().await.len() == 6 }).await;
    world.assert_sound().await;
    server.stop().await;
}
