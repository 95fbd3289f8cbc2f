//! A fleet of the size that the emulator is made for. By hand: `cargo test -p neon-emulator scale -- --ignored --nocapture`,
//! with `FLEET` for another size.

use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use neon_emulator::{DEFAULT_ORG, FleetSpec, Quota};
use sqlx::{Connection, PgConnection};

use crate::support::TestEmulator;

#[tokio::test]
#[ignore = "takes a minute and some hundred megabytes"]
async fn three_hundred_thousand_projects() {
    let count: u64 = std::env::var("FLEET").ok().and_then(|n| n.parse().ok()).unwrap_or(300_000);
    let test = TestEmulator::start().await;
    let quota = Quota { active_time_seconds: Some(360_000), logical_size_bytes: Some(512 << 20), ..Quota::default() };
    let start = Instant::now();
    test.emulator.seed_fleet(&FleetSpec { count, quota: Some(quota), ..FleetSpec::default() }).await.unwrap();
    let seeding = start.elapsed();
    let mut state = PgConnection::connect(&test.state_url()).await.unwrap();
    let (last, size): (String, i64) = sqlx::query_as(
        "SELECT id, pg_database_size(current_database()) FROM projects ORDER BY created_at, id OFFSET 400 LIMIT 1",
    )
    .fetch_one(&mut state)
    .await
    .unwrap();
    println!("{count} projects seeded in {seeding:?}, {} MB", size / 1_000_000);

    let list = |cursor: &str| format!("/projects?limit=400{cursor}");
    let first_page = median(&test, &list("")).await;
    let last_page = median(&test, &list(&format!("&cursor={last}"))).await;
    let search = median(&test, &format!("/projects?search=fleet-{:06}", count / 2)).await;
    println!("pages of 400: first {first_page:?}, last {last_page:?}; search {search:?}");
    let start = Instant::now();
    assert_eq!(test.emulator.inventory().await.unwrap().len() as u64, count);
    println!("inventory in {:?}", start.elapsed());
    assert!(last_page < first_page * 3 + Duration::from_millis(20));

    let now = test.emulator.clock().now();
    let window = format!("org_id={DEFAULT_ORG}&granularity=daily&from={}&to={}", day(now, 30), day(now, 0));
    let history =
        median(&test, &format!("/consumption_history/v2/projects?{window}&metrics=compute_unit_seconds&limit=100"))
            .await;
    println!("history of 100 projects over 30 days: {history:?}");

    // Everything that the new period resets is written down by the sweep.
    let due = "SELECT count(*) FROM projects WHERE LEAST(compute_pending_due, compute_idle_due, quota_due) <= $1";
    let next_month = now + TimeDelta::days(32);
    let looked_at: i64 = sqlx::query_scalar(due).bind(next_month).fetch_one(&mut state).await.unwrap();
    let start = Instant::now();
    test.advance(32 * 86_400);
    while sqlx::query_scalar::<_, i64>(due).bind(next_month).fetch_one(&mut state).await.unwrap() > 0 {
        assert!(start.elapsed() < Duration::from_secs(300), "the sweep does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("a new period: {looked_at} projects looked at in {:?}", start.elapsed());
    state.close().await.unwrap();
    test.finish().await;
}

fn day(now: DateTime<Utc>, days_ago: i64) -> String {
    (now - TimeDelta::days(days_ago)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn median(test: &TestEmulator, path: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        let page = test.api.get(path).await.ok(200);
        times.push(start.elapsed());
        assert!(!page["projects"].as_array().unwrap().is_empty());
    }
    times.sort();
    times[4]
}
