//! A fleet of the size that the emulator is made for. By hand: `cargo test -p neon-emulator scale -- --ignored --nocapture`,
//! with `FLEET` for another size.

use std::time::{Duration, Instant};

use neon_emulator::{FleetSpec, Quota};
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
    assert!(last_page < first_page * 3 + Duration::from_millis(20));
    state.close().await.unwrap();
    test.finish().await;
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
