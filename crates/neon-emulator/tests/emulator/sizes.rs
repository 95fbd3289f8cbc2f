//! The two sizes of a project: what a branch holds, and what data and history of all branches take.

use neon_emulator::{FleetSpec, Quota, SeedProject};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Created, TestEmulator};

/// But for what is written between two calls, where a project is used.
fn is_two_to_five_times(synthetic: &Value, logical: i64) -> bool {
    synthetic.as_i64().is_some_and(|synthetic| (2 * logical..=5 * logical + logical / 100).contains(&synthetic))
}

async fn synthetic(test: &TestEmulator, project: &str) -> Value {
    let read = test.api.get(&format!("/projects/{project}")).await.ok(200)["project"]["synthetic_storage_size"].take();
    let list = test.api.get(&format!("/projects?search={project}")).await.ok(200);
    let listed = list["projects"][0]["synthetic_storage_size"].as_i64().unwrap();
    let before = read.as_i64().unwrap();
    assert!((before..=before + before / 100).contains(&listed), "list and project agree: {listed} and {read}");
    read
}

async fn logical(test: &TestEmulator, branch: &str) -> i64 {
    test.api.get(branch).await.ok(200)["branch"]["logical_size"].as_i64().unwrap()
}

#[tokio::test]
async fn the_synthetic_size_is_two_to_five_times_the_logical_one_however_the_project_was_made() {
    let test = TestEmulator::start().await;
    let made = test.api.create("made").await;
    let past = test.emulator.clock().now() - chrono::TimeDelta::days(3);
    let seed = SeedProject { logical_size_bytes: 700_000_000, ..SeedProject::new("seeded", past) };
    test.emulator.seed(&[seed]).await.unwrap();
    test.emulator.seed_fleet(&FleetSpec { count: 40, days: 50.0, ..FleetSpec::default() }).await.unwrap();
    let mut factors = Vec::new();
    for project in test.emulator.projects().await.unwrap() {
        let branches = test.api.get(&format!("/projects/{}/branches", project.id)).await.ok(200);
        let logical = branches["branches"][0]["logical_size"].as_i64().unwrap();
        let synthetic = synthetic(&test, &project.id).await;
        assert!(is_two_to_five_times(&synthetic, logical), "{}: {synthetic} for {logical}", project.name);
        factors.push(synthetic.as_i64().unwrap() / (logical / 10));
    }
    factors.dedup();
    assert!(factors.len() > 10, "histories differ: {factors:?}");
    assert!(is_two_to_five_times(&synthetic(&test, made.id()).await, neon_emulator::VIRGIN_SIZE));
    test.finish().await;
}

#[tokio::test]
async fn a_branch_that_outgrows_its_parent_counts_in_the_synthetic_size_alone() {
    let test = TestEmulator::start().await;
    let project = test.api.create("grown").await;
    let request = json!({"branch": {"name": "dev"}, "endpoints": [{"type": "read_write"}]});
    let branch = test.api.post(&format!("{}/branches", project.path()), request).await.ok(201);
    let branch_path = format!("{}/branches/{}", project.path(), branch["branch"]["id"].as_str().unwrap());
    let before = synthetic(&test, project.id()).await;
    write(branch["connection_uris"][0]["connection_uri"].as_str().unwrap()).await.unwrap();
    let child = logical(&test, &branch_path).await;
    assert!(child > neon_emulator::VIRGIN_SIZE + 2_000_000);
    assert_eq!(logical(&test, &project.branch_path()).await, neon_emulator::VIRGIN_SIZE, "each branch by itself");
    let after = synthetic(&test, project.id()).await;
    assert!(after.as_i64() > before.as_i64() && is_two_to_five_times(&after, child), "{before} {after}");
    test.finish().await;
}

async fn write(uri: &str) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(uri).await?;
    connection.execute("CREATE TABLE t AS SELECT i, repeat('x', 100) FROM generate_series(1, 20000) i").await?;
    connection.close().await
}

async fn limit_size(test: &TestEmulator, project: &Created, bytes: i64) {
    let quota = Quota { logical_size_bytes: Some(bytes), ..Quota::default() };
    let body = json!({"project": {"settings": {"quota": quota}}});
    test.api.patch(&project.path(), body).await.ok(200);
}

#[tokio::test]
async fn the_size_quota_limits_the_logical_size_and_not_the_synthetic_one() {
    let test = TestEmulator::start().await;
    let project = test.api.create("limited").await;
    let quota = neon_emulator::VIRGIN_SIZE * 3 / 2;
    assert!(synthetic(&test, project.id()).await.as_i64().unwrap() > quota, "history and all it is over the quota");
    limit_size(&test, &project, quota).await;
    write(project.uri()).await.expect("the branch is below it");
    limit_size(&test, &project, logical(&test, &project.branch_path()).await).await;
    let mut connection = PgConnection::connect(project.uri()).await.unwrap();
    let error = connection.execute("INSERT INTO t VALUES (0, 'more')").await.expect_err("the branch has reached it");
    connection.close().await.unwrap();
    assert_eq!(error.into_database_error().unwrap().code().unwrap(), "53100");
    test.finish().await;
}
