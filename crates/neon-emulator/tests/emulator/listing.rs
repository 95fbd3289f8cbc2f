//! Lists: pages by cursor, searches, limits.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use neon_emulator::SeedProject;
use serde_json::Value;

use crate::support::TestEmulator;

const SEEDED: i64 = 3_000;

fn seeds() -> Vec<SeedProject> {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    // Three share each moment of creation, so that the order needs the id as well.
    (0..SEEDED).map(|n| SeedProject::new(format!("fleet-{n:05}"), start + TimeDelta::minutes(n / 3))).collect()
}

fn items(page: &Value) -> &Vec<Value> {
    page["projects"].as_array().unwrap()
}

#[tokio::test]
async fn pages_hold_every_project_once_and_newest_first() {
    let test = TestEmulator::start().await;
    test.emulator.seed(&seeds()).await.unwrap();
    let (mut seen, mut times) = (Vec::new(), Vec::new());
    let mut path = "/projects?limit=400".to_owned();
    loop {
        let page = test.api.get(&path).await.ok(200);
        if items(&page).is_empty() {
            assert_eq!(page.get("pagination"), None);
            break;
        }
        seen.extend(items(&page).iter().map(|project| project["id"].as_str().unwrap().to_owned()));
        times.extend(items(&page).iter().map(|project| project["created_at"].as_str().unwrap().to_owned()));
        let cursor = page["pagination"]["cursor"].as_str().unwrap();
        assert_eq!(cursor, seen.last().unwrap());
        path = format!("/projects?limit=400&cursor={cursor}");
    }
    assert_eq!(seen.len(), 3_000);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 3_000);
    assert!(times.is_sorted_by(|newer, older| newer >= older));
    test.finish().await;
}

#[tokio::test]
async fn a_cursor_survives_the_deletion_of_its_project() {
    let test = TestEmulator::start().await;
    test.emulator.seed(&seeds()[..30]).await.unwrap();
    let first = test.api.get("/projects?limit=10").await.ok(200);
    let cursor = first["pagination"]["cursor"].as_str().unwrap();
    test.api.delete(&format!("/projects/{cursor}")).await.ok(200);
    let second = test.api.get(&format!("/projects?limit=10&cursor={cursor}")).await.ok(200);
    let ids = |page: &Value| items(page).iter().map(|project| project["id"].to_string()).collect::<HashSet<_>>();
    assert_eq!(items(&second).len(), 10);
    assert!(ids(&first).is_disjoint(&ids(&second)));
    test.finish().await;
}

#[tokio::test]
async fn a_search_finds_parts_of_names_and_ids() {
    let test = TestEmulator::start().await;
    let seeded = test.emulator.seed(&seeds()[..50]).await.unwrap();
    let names = |page: Value| {
        items(&page).iter().map(|project| project["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(test.api.get("/projects?search=EET-00017").await.ok(200)), ["fleet-00017"]);
    let part_of_id = &seeded[20].project_id[2..];
    assert_eq!(names(test.api.get(&format!("/projects?search={part_of_id}")).await.ok(200)), ["fleet-00020"]);
    let wildcard = names(test.api.get("/projects?search=fleet_00017").await.ok(200));
    assert!(wildcard.is_empty(), "an underscore is an underscore: {wildcard:?}");
    test.finish().await;
}

#[tokio::test]
async fn limits_and_cursors_are_checked() {
    let test = TestEmulator::start().await;
    for query in ["limit=0", "limit=401", "limit=ten", "cursor=nobody-here-1"] {
        test.api.get(&format!("/projects?{query}")).await.refused(400);
    }
    test.emulator.seed(&seeds()[..11]).await.unwrap();
    assert_eq!(items(&test.api.get("/projects").await.ok(200)).len(), 10);
    test.finish().await;
}
