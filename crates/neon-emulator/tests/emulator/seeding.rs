//! Projects with a past.

use chrono::{TimeDelta, Utc};
use neon_emulator::{Quota, SeedProject, SeedUsage};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::TestEmulator;

#[tokio::test]
async fn a_seeded_project_looks_as_it_was_seeded() {
    let test = TestEmulator::start().await;
    let created_at = Utc::now() - TimeDelta::days(40);
    let seed = SeedProject {
        region_id: "aws-eu-west-2".into(),
        pg_version: 15,
        last_active: Some(created_at + TimeDelta::days(3)),
        logical_size_bytes: 123_456_789,
        quota: Some(Quota { logical_size_bytes: Some(200_000_000), ..Quota::default() }),
        min_cu: 0.5,
        max_cu: 2.0,
        suspend_timeout_seconds: 60,
        usage: SeedUsage {
            active_time_seconds: 11,
            compute_time_seconds: 22,
            written_data_bytes: 33,
            data_transfer_bytes: 44,
            ..SeedUsage::default()
        },
        ..SeedProject::new("seeded", created_at)
    };
    let seeded = test.emulator.seed(&[seed]).await.unwrap().remove(0);
    let project = test.api.get(&format!("/projects/{}", seeded.project_id)).await.ok(200)["project"].take();
    assert_eq!(project["name"], "seeded");
    assert_eq!(project["region_id"], "aws-eu-west-2");
    assert_eq!(project["pg_version"], 15);
    assert_eq!(project["settings"]["quota"], json!({"logical_size_bytes": 200_000_000}));
    assert_eq!(project["active_time_seconds"], 11);
    assert_eq!(project["compute_time_seconds"], 22);
    assert_eq!(project["written_data_bytes"], 33);
    assert_eq!(project["data_transfer_bytes"], 44);
    let endpoint = test
        .api
        .get(&format!("/projects/{}/endpoints/{}", seeded.project_id, seeded.endpoint_id))
        .await
        .ok(200)["endpoint"]
        .take();
    assert_eq!((&endpoint["current_state"], &endpoint["host"]), (&json!("idle"), &json!(seeded.host)));

    PgConnection::connect(&seeded.connection_uri).await.unwrap().close().await.unwrap();
    PgConnection::connect(&seeded.pooled_uri).await.unwrap().close().await.unwrap();
    let branch = format!("/projects/{}/branches/{}", seeded.project_id, seeded.branch_id);
    let size = test.api.get(&branch).await.ok(200)["branch"]["logical_size"].as_i64();
    assert!(size.unwrap() >= 123_456_789, "the real database counts on top");
    test.finish().await;
}

#[tokio::test]
async fn a_seeded_active_compute_is_active() {
    let test = TestEmulator::start().await;
    let now = Utc::now();
    let seed =
        SeedProject { active: true, last_active: Some(now), ..SeedProject::new("awake", now - TimeDelta::days(1)) };
    test.emulator.seed(&[seed]).await.unwrap();
    assert_eq!(test.emulator.projects().await.unwrap()[0].state, "active");
    test.finish().await;
}
