//! A fleet of the size that the emulator is made for. By hand: `cargo test -p neon-emulator scale -- --ignored --nocapture`,
//! with `FLEET` for another size.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use neon_emulator::{Quota, SeedProject};
use sqlx::{Connection, PgConnection};

use crate::support::TestEmulator;

const CHUNK: i64 = 20_000;

#[tokio::test]
#[ignore = "takes minutes and some hundred megabytes"]
async fn three_hundred_thousand_projects() {
    let count: i64 = std::env::var("FLEET").ok().and_then(|n| n.parse().ok()).unwrap_or(300_000);
    let test = TestEmulator::start().await;
    let start = Instant::now();
    let last = seed(&test, count).await;
    let seeding = start.elapsed();
    let first_page = median_page(&test, "/projects?limit=400").await;
    let last_page = median_page(&test, &format!("/projects?limit=400&cursor={last}")).await;
    let start = Instant::now();
    test.api.get(&format!("/projects?search=fleet-{:06}", count / 2)).await.ok(200);
    let search = start.elapsed();
    let start = Instant::now();
    assert_eq!(test.emulator.inventory().await.unwrap().len() as i64, count);
    let inventory = start.elapsed();
    let mut state = PgConnection::connect(&test.state_url()).await.unwrap();
    let size: i64 =
        sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut state).await.unwrap();
    state.close().await.unwrap();
    println!(
        "{count} projects: seeded in {seeding:?}, {} MB; pages of 400: first {first_page:?}, last {last_page:?}; search {search:?}; inventory {inventory:?}",
        size / 1_000_000
    );
    assert!(last_page < first_page * 3 + Duration::from_millis(20));
    test.finish().await;
}

/// Returns the id that the last page begins after.
async fn seed(test: &TestEmulator, count: i64) -> String {
    let now = Utc::now();
    let mut place = String::new();
    for from in (0..count).step_by(20_000) {
        let seeds: Vec<SeedProject> = (from..count.min(from + CHUNK))
            .map(|n| SeedProject {
                quota: Some(Quota { logical_size_bytes: Some(512 << 20), ..Quota::default() }),
                last_active: Some(now - TimeDelta::seconds(n)),
                active: n % 50 == 0,
                ..SeedProject::new(format!("fleet-{n:06}"), now - TimeDelta::seconds(n))
            })
            .collect();
        let seeded = test.emulator.seed(&seeds).await.unwrap();
        let at = count - 401 - from;
        if (0..seeded.len() as i64).contains(&at) {
            place.clone_from(&seeded[at as usize].project_id);
        }
    }
    place
}

async fn median_page(test: &TestEmulator, path: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        let page = test.api.get(path).await.ok(200);
        times.push(start.elapsed());
        assert_eq!(page["projects"].as_array().unwrap().len(), 400);
    }
    times.sort();
    times[4]
}
