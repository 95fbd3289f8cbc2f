//! The API budget over several replicas: no window ever holds more calls than Neon allows, little is given away, and what one
//! replica is told all keep to.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use fleet_types::{Outcome, PoolRange, Role};
use ledger::{By, CallsWanted, Ledger, SweptPage};
use neon_client::{Rate, rate::PERMIT_LIFETIME};
use neon_emulator::{Fault, Rule};
use reqwest::{Method, StatusCode, header};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::support::{World, until};

fn wanted(rate: Rate, wanted: u32, keep: u32) -> CallsWanted {
    CallsWanted {
        wanted: wanted as i32,
        keep: keep as i32,
        burst: rate.burst as i32,
        interval_seconds: rate.interval.as_secs_f64(),
    }
}

/// Lets time pass for the buckets: everything in them lies that much further back.
async fn pass(connection: &mut PgConnection, time: Duration) {
    let shift = format!(
        "UPDATE neon_budget SET full_at = full_at - interval '{0} us', paused_until = paused_until - interval '{0} us', resumed_at = resumed_at - interval '{0} us'",
        time.as_micros()
    );
    connection.execute(sqlx::AssertSqlSafe(shift)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_ask_at_once_stay_within_the_limit_in_every_window() {
    const LIMIT: u32 = 700;
    const REPLICAS: usize = 4;
    let world = World::with_pool(0).await;
    let rate = Rate::of_account(LIMIT, 40).unwrap();
    let mut replicas: Vec<Ledger> = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(Ledger::connect(&world.database_url, 1).await.unwrap());
    }
    let mut clock = PgConnection::connect(&world.database_url).await.unwrap();
    let (start, mut passed) = (Instant::now(), Duration::ZERO);
    let (mut recent, mut most, mut total) = (VecDeque::new(), 0, 0);
    let mut shares = [0; REPLICAS];
    let window = Duration::from_secs(60) + PERMIT_LIFETIME;
    for step in 0_u32.. {
        // Before the answer, so that a window is never taken for shorter than it was.
        let now = start.elapsed() + passed;
        if now > Duration::from_secs(180) {
            break;
        }
        let asks = replicas.iter().enumerate().map(|(number, replica)| {
            let keep = if number == 0 { 0 } else { rate.reserve };
            async move { replica.take_calls("account", wanted(rate, 5, keep)).await.unwrap().granted }
        });
        for (number, granted) in futures(asks).await.into_iter().enumerate() {
            shares[number] += granted;
            total += granted;
            recent.extend((0..granted).map(|_| now));
        }
        while recent.front().is_some_and(|then| *then + window <= now) {
            recent.pop_front();
        }
        most = most.max(recent.len());
        let pause = Duration::from_millis(u64::from(step * 7_919 % 400));
        pass(&mut clock, pause).await;
        passed += pause;
    }
    assert!(most <= LIMIT as usize, "{most} calls in a window");
    assert!(total >= 3 * LIMIT as i32 * 9 / 10, "only {total} calls in three minutes");
    assert!(shares[0] > shares[1..].iter().sum(), "the urgent one was served before the others: {shares:?}");
}

/// All of them at once.
async fn futures<F: Future<Output = i32>>(asks: impl Iterator<Item = F>) -> Vec<i32> {
    let mut asks: Vec<_> = asks.map(Box::pin).collect();
    let mut answers: Vec<Option<i32>> = vec![None; asks.len()];
    std::future::poll_fn(|context| {
        for (ask, answer) in asks.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            if let std::task::Poll::Ready(granted) = ask.as_mut().poll(context) {
                *answer = Some(granted);
            }
        }
        if answers.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_keeps_the_reserve_and_doubles_pauses_as_one_process_does() {
    let world = World::with_pool(0).await;
    let mut clock = PgConnection::connect(&world.database_url).await.unwrap();
    let ledger = &world.ledger;
    let rate = Rate { interval: Duration::from_secs(60), ..Rate::of_account(500, 40).unwrap() };
    let take = |n, keep| async move { ledger.take_calls("account", wanted(rate, n, keep)).await.unwrap() };
    assert_eq!(take(100, rate.reserve).await.granted as u32, rate.burst - rate.reserve);
    let refused = take(100, rate.reserve).await;
    assert!(refused.granted == 0 && (50.0..=60.0).contains(&refused.wait_seconds), "{refused:?}");
    assert_eq!(take(100, 0).await.granted as u32, rate.reserve, "left for the urgent");
    assert_eq!(take(1, 0).await.granted, 0);
    pass(&mut clock, Duration::from_secs(3_600)).await;
    assert_eq!(take(100, 0).await.granted as u32, rate.burst, "no more than the burst after an hour");
    assert_eq!(ledger.take_calls("consumption", wanted(rate, 1, 0)).await.unwrap().granted, 1, "a bucket of its own");

    pass(&mut clock, Duration::from_secs(3_600)).await;
    for _ in 0..10 {
        let told = ledger.pause_calls("account", 1.0, None, "429").await.unwrap();
        assert_eq!(told.refusals_in_a_row, 1, "ten calls in flight are one refusal");
        assert!(told.pause_seconds <= 0.5, "{told:?}");
    }
    assert_eq!(take(1, 0).await.granted, 0, "nobody calls during a pause");
    pass(&mut clock, Duration::from_secs(5)).await;
    let again = ledger.pause_calls("account", 0.0, None, "429").await.unwrap();
    assert!(again.refusals_in_a_row == 2 && again.pause_seconds > 0.9, "{again:?}");
    ledger.calls_went_well("account", 60.0).await.unwrap();
    assert_eq!(take(1, 0).await.refusals_in_a_row, 2, "sent before the first pause: it says nothing");
    ledger.calls_went_well("account", 0.0).await.unwrap();
    assert_eq!(take(1, 0).await.refusals_in_a_row, 0);
    let long = ledger.pause_calls("account", 0.0, Some(3_600.0), "429").await.unwrap();
    assert!((59.0..=60.0).contains(&long.pause_seconds), "asked again after a minute: {long:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_at_full_speed_use_one_limit_and_never_pass_it() {
    // So low that two replicas which kept to it each for itself would be done in half the time.
    const LIMIT: u32 = 120;
    const DATABASES: i64 = 14;
    let world = World::with_pool(0).await;
    let rate = Rate::of_account(LIMIT, 40).unwrap();
    world.ledger.set_target("standard", DATABASES as i32, &By::cli()).await.unwrap();
    let started = Instant::now();
    let (one, other) = (world.serve_within(LIMIT).await, world.serve_within(LIMIT).await);
    one.until_available(DATABASES).await;
    let took = started.elapsed() + PERMIT_LIFETIME;
    let stats = world.emulator.stats();
    let allowed = f64::from(rate.burst) + took.as_secs_f64() / rate.interval.as_secs_f64();
    assert!(stats.total as f64 <= allowed, "{} calls in {took:?}, {allowed:.0} are allowed", stats.total);
    assert!(stats.peak_per_minute <= LIMIT as usize && stats.peak_per_second_and_route <= 40, "{stats:?}");
    assert_eq!(stats.count_status(429), 0);
    assert!(stats.total as i64 >= 2 * DATABASES, "the limit was what they waited for: {stats:?}");
    one.stop().await;
    other.stop().await;
    world.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_neon_asks_of_one_replica_all_keep_to() {
    let world = World::with_pool(1).await;
    let (one, other) = (world.serve().await, world.serve_without_duties().await);
    one.until_available(1).await;
    let (status, claim) = one.claim("ada").await;
    assert_eq!(status, StatusCode::CREATED);
    let id = claim["database"]["id"].as_str().unwrap().parse().unwrap();
    one.until_available(1).await;
    let limited = Fault::Status { status: 429, retry_after_seconds: Some(30), after_work: false };
    world.emulator.faults().add(Rule::new(limited).times(1));
    until("Neon has asked for a pause", || async {
        one.state.engine.refresh_now(id).await;
        world.emulator.stats().count_status(429) == 1
    })
    .await;
    let asked = Instant::now();
    let Outcome::Pending(reason) = other.state.engine.refresh_now(id).await else { panic!("it called all the same") };
    assert!(reason.contains("used up"), "{reason}");
    assert!(asked.elapsed() < Duration::from_secs(20), "told at once, not after the pause");
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_route_is_left_alone_shown_to_all_and_taken_up_again() {
    const ROUTE: &str = "GET /projects/{project_id}";
    let world = World::with_pool(1).await;
    let (one, other) = (world.serve().await, world.serve_without_duties().await);
    one.until_available(1).await;
    let (_, claim) = one.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap().parse().unwrap();
    one.until_available(1).await;

    world.emulator.faults().add(Rule::new(Fault::status(500)).on("GET", "/projects/{project_id}"));
    let held_back = || async {
        matches!(one.state.engine.refresh_now(id).await, Outcome::Pending(reason) if reason.contains("is not called for"))
    };
    until("the route is left alone", held_back).await;
    until("the screen of the other replica says so", || async {
        held_back().await;
        let budget = other.state.engine.api_budget(PoolRange::Hour).await.unwrap();
        let status = world.ledger.status().await.unwrap();
        budget.breakers.iter().any(|breaker| breaker.route == ROUTE && breaker.cause.contains("500"))
            && status.problems.iter().any(|problem| problem.href == "/budget" && problem.text.contains(ROUTE))
    })
    .await;
    let quota = serde_json::json!({ "logical_size_bytes": 1_073_741_824, "reason": "another route" });
    let answer = one.api(Method::PATCH, &format!("/api/v1/databases/{id}/quota")).json(&quota).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "other routes go on");
    world.emulator.faults().clear();
    until("the route is called again", || async { one.state.engine.refresh_now(id).await == Outcome::Done }).await;

    until("what was called is shown", || async {
        let budget = other.state.engine.api_budget(PoolRange::Hour).await.unwrap();
        let account = &budget.buckets[0];
        let class = |name: &str| budget.classes.iter().find(|class| class.name == name).unwrap().last_hour.sent;
        // Two for the pool, and the one that carries the mark.
        let made = budget.routes.iter().find(|route| route.route == "POST /projects");
        budget.breakers.is_empty()
            && budget.replicas == 2
            && account.limit_per_minute == 700
            && account.last_minute > 0
            && class("refill") >= 4
            && class("support") > 0
            && made.is_some_and(|route| route.last_hour.sent == 3 && route.p95_ms.is_some())
    })
    .await;
    let cookie = other.sign_in(Role::Viewer).await;
    let page = other.anonymous(Method::GET, "/budget").header(header::COOKIE, cookie).send().await.unwrap();
    let html = page.text().await.unwrap();
    for text in ["API budget", "POST /projects", "Nothing waits for calls", "of 700 in the last 60 s"] {
        assert!(html.contains(text), "the page does not say {text:?}");
    }
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn running_work_says_what_is_left_and_when_it_ends() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    assert_eq!(server.state.engine.api_budget(PoolRange::Hour).await.unwrap().jobs, []);
    world.ledger.set_target("standard", 671, &By::cli()).await.unwrap();
    let jobs = server.state.engine.api_budget(PoolRange::Hour).await.unwrap().jobs;
    let [refill] = &jobs[..] else { panic!("{jobs:?}") };
    assert_eq!((refill.name.as_str(), refill.done, refill.left, refill.calls_left), ("Refill", Some(0), 671, 1_342));
    assert!(
        refill.ends_in_seconds.is_some_and(|seconds| (118..=122).contains(&seconds)),
        "two minutes of the whole budget: {refill:?}"
    );
    world.stock(3).await;
    let (_, claim) = server.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap().parse().unwrap();
    world.ledger.release(id, &By::cli()).await.unwrap();
    let jobs = server.state.engine.api_budget(PoolRange::Hour).await.unwrap().jobs;
    let left: Vec<_> = jobs.iter().map(|job| (job.name.as_str(), job.done, job.left)).collect();
    assert_eq!(left, [("Refill", Some(2), 669), ("Release", None, 1)]);

    let sweep = world.ledger.start_sweep(Uuid::now_v7()).await.unwrap().id;
    let page = SweptPage { projects: 2, ..SweptPage::default() };
    world.ledger.record_swept_page(sweep, page).await.unwrap();
    let jobs = server.state.engine.api_budget(PoolRange::Hour).await.unwrap().jobs;
    let sweep = jobs.iter().find(|job| job.name == "Sweep").unwrap();
    assert_eq!((sweep.done, sweep.left, sweep.calls_left), (Some(2), 1, 1), "of the three that the ledger knows");
    server.stop().await;
}
