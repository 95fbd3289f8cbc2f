//! Quotas: what an excess does to computes, starts, connections and writes, and what lifts it.

use std::time::Duration;

use chrono::TimeDelta;
use neon_emulator::{Config, FleetSpec, Quota, SeedProject, SeedUsage, Shares, Unknowns};
use serde_json::{Value, json};
use sqlx::postgres::PgDatabaseError;
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Created, TestEmulator, config, eventually};

const LAG: u64 = 900;

async fn set_quota(test: &TestEmulator, created: &Created, quota: Value) {
    test.api.patch(&created.path(), json!({"project": {"settings": {"quota": quota}}})).await.ok(200);
}

async fn state(test: &TestEmulator, created: &Created) -> String {
    test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"]["current_state"].as_str().unwrap().to_owned()
}

/// SQLSTATE, text and hint of a database's error.
fn words(error: sqlx::Error) -> (String, String, String) {
    let error = error.into_database_error().expect("an error of the database");
    let hint = error.downcast_ref::<PgDatabaseError>().hint().unwrap_or_default().to_owned();
    (error.code().unwrap().into_owned(), error.message().to_owned(), hint)
}

async fn refused_connection(uri: &str) -> (String, String) {
    let (code, text, _) = words(PgConnection::connect(uri).await.expect_err("refused"));
    (code, text)
}

#[tokio::test]
async fn an_excess_stops_compute_starts_and_connections_after_the_lag() {
    let test = TestEmulator::start().await;
    let created = test.api.create("spent").await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    test.advance(100);
    set_quota(&test, &created, json!({"active_time_seconds": 50})).await;
    test.advance(LAG - 60);
    connection.execute("SELECT 1").await.unwrap();
    assert_eq!(state(&test, &created).await, "active");

    test.advance(120);
    assert_eq!(state(&test, &created).await, "idle");
    eventually("the cut", || async { (test.emulator.open_connections() == 0).then_some(()) }).await;
    connection.execute("SELECT 1").await.expect_err("the session has ended");
    let text = "Your project has exceeded the active time quota. Upgrade your plan to increase limits.";
    for action in ["start", "restart"] {
        let refusal = test.api.act(&format!("{}/{action}", created.endpoint_path())).await.ok(422);
        assert_eq!((&refusal["code"], &refusal["message"]), (&json!("ACTIVE_TIME_QUOTA_EXCEEDED"), &json!(text)));
    }
    assert_eq!(refused_connection(created.uri()).await, ("53000".into(), text.into()));
    let operations = test.api.get(&format!("{}/operations?limit=1", created.path())).await.ok(200);
    assert_eq!(operations["operations"][0]["action"], "suspend_compute");

    set_quota(&test, &created, json!({"active_time_seconds": 0})).await;
    PgConnection::connect(created.uri()).await.unwrap().close().await.unwrap();
    assert_eq!(state(&test, &created).await, "active");
    test.finish().await;
}

#[tokio::test]
async fn a_suspended_project_comes_back_with_the_next_period() {
    let test = TestEmulator::start().await;
    let created = test.api.create("patient").await;
    test.advance(100);
    set_quota(&test, &created, json!({"compute_time_seconds": 10})).await;
    test.advance(LAG + 60);
    let start = format!("{}/start", created.endpoint_path());
    assert_eq!(test.api.act(&start).await.ok(422)["code"], "COMPUTE_TIME_QUOTA_EXCEEDED");

    let project = test.api.get(&created.path()).await.ok(200)["project"].take();
    let end: chrono::DateTime<chrono::Utc> = project["consumption_period_end"].as_str().unwrap().parse().unwrap();
    let left = (end - test.emulator.clock().now()).num_seconds() as u64;
    test.advance(left - 30);
    test.api.act(&start).await.refused(422);
    test.advance(31);
    let project = test.api.get(&created.path()).await.ok(200)["project"].take();
    assert_eq!(project["compute_time_seconds"], 0);
    test.api.act(&start).await.ok(200);
    PgConnection::connect(created.uri()).await.unwrap().close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn each_quota_has_its_own_words_and_the_status_is_a_switch() {
    let unknowns = Unknowns { quota_refusal_status: Some(423), ..Unknowns::default() };
    let test = TestEmulator::with(Config { quota_lag: Duration::ZERO, unknowns, ..config() }).await;
    let used = SeedUsage {
        active_time_seconds: 10,
        compute_time_seconds: 10,
        written_data_bytes: 10,
        data_transfer_bytes: 10,
        ..SeedUsage::default()
    };
    let now = test.emulator.clock().now();
    let ten = Some(10);
    let quotas = [
        ("ACTIVE_TIME_QUOTA_EXCEEDED", "active time", Quota { active_time_seconds: ten, ..Quota::default() }),
        ("COMPUTE_TIME_QUOTA_EXCEEDED", "compute time", Quota { compute_time_seconds: ten, ..Quota::default() }),
        ("WRITTEN_DATA_QUOTA_EXCEEDED", "written data", Quota { written_data_bytes: ten, ..Quota::default() }),
        ("DATA_TRANSFER_QUOTA_EXCEEDED", "data transfer", Quota { data_transfer_bytes: ten, ..Quota::default() }),
    ];
    for (code, words, quota) in quotas {
        let seed = SeedProject { quota: Some(quota), usage: used, ..SeedProject::new(code, now - TimeDelta::days(1)) };
        let seeded = test.emulator.seed(&[seed]).await.unwrap().remove(0);
        let path = format!("/projects/{}/endpoints/{}/start", seeded.project_id, seeded.endpoint_id);
        assert_eq!(test.api.act(&path).await.ok(423)["code"], code);
        let text = refused_connection(&seeded.connection_uri).await.1;
        assert!(
            text.ends_with(&format!("has exceeded the {words} quota. Upgrade your plan to increase limits.")),
            "{text}"
        );
    }
    test.finish().await;
}

#[tokio::test]
async fn transfer_of_an_open_connection_counts() {
    let test = TestEmulator::with(Config { quota_lag: Duration::ZERO, ..config() }).await;
    let created = test.api.create("talkative").await;
    set_quota(&test, &created, json!({"data_transfer_bytes": 1_000_000})).await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    let read = "SELECT repeat('x', 1000) FROM generate_series(1, 2000)";
    connection.fetch_all(read).await.unwrap();
    eventually("the cut", || async { (test.emulator.open_connections() == 0).then_some(()) }).await;
    assert!(refused_connection(created.uri()).await.1.contains("data transfer quota"));
    test.finish().await;
}

#[tokio::test]
async fn above_its_size_a_branch_takes_no_more_but_gives_up_what_it_has() {
    let test = TestEmulator::start().await;
    let created = test.api.create("full").await;
    let limit = 33 * 1024 * 1024;
    set_quota(&test, &created, json!({"logical_size_bytes": limit})).await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection
        .execute("CREATE TABLE t AS SELECT i, repeat('x', 200) AS x FROM generate_series(1, 40000) i")
        .await
        .unwrap();
    let insert = "INSERT INTO t VALUES (0, 'more')";
    let error = eventually("the limit", || {
        let attempt = async { PgConnection::connect(created.uri()).await?.execute(insert).await.map(drop) };
        async move { attempt.await.err() }
    })
    .await;
    let (code, text, hint) = words(error);
    assert_eq!(code, "53100");
    assert_eq!(text, "could not extend file because project size limit (33 MB) has been exceeded");
    assert!(hint.starts_with("This limit is defined externally by the project size limit"), "{hint}");
    for refused in ["UPDATE t SET i = 1", "CREATE TABLE u AS SELECT 1", "CREATE INDEX ON t (i)"] {
        assert_eq!(words(connection.execute(refused).await.expect_err(refused)).0, "53100", "{refused}");
    }
    for allowed in [
        "SELECT count(*) FROM t",
        "DELETE FROM t WHERE i < 100",
        "CREATE TEMP TABLE mine (i int)",
        "INSERT INTO mine VALUES (1)",
    ] {
        connection.execute(allowed).await.expect(allowed);
    }
    assert_eq!(state(&test, &created).await, "active", "computes go on");
    test.api.act(&format!("{}/restart", created.endpoint_path())).await.ok(200);

    set_quota(&test, &created, json!({"logical_size_bytes": 2 * limit})).await;
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute(insert).await.unwrap();
    set_quota(&test, &created, json!({"logical_size_bytes": limit})).await;
    assert_eq!(words(connection.execute(insert).await.expect_err("over it again")).0, "53100");
    connection.execute("TRUNCATE t").await.unwrap();
    eventually("room", || {
        let attempt = async { PgConnection::connect(created.uri()).await?.execute(insert).await.map(drop) };
        async move { attempt.await.ok() }
    })
    .await;
    let schemas: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = 'neon_size_limit'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(schemas, 0, "nothing is left behind");
    connection.close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn seeded_projects_that_are_always_awake_run_into_their_quota() {
    let test = TestEmulator::start().await;
    let shares = Shares { asleep: 1.0, diurnal: 0.0, heavy: 0.0, polled: 1.0 };
    let quota = Quota { active_time_seconds: Some(7_200), ..Quota::default() };
    test.emulator
        .seed_fleet(&FleetSpec { count: 40, days: 0.0, shares, quota: Some(quota), ..FleetSpec::default() })
        .await
        .unwrap();
    let states = async || {
        let all = test.emulator.projects().await.unwrap();
        let blocked = all.iter().filter(|project| project.blocked_by.is_some()).count();
        (all.iter().filter(|project| project.state == "active").count(), blocked)
    };
    test.advance(600);
    let (active, blocked) = states().await;
    assert!((10..=30).contains(&active) && blocked == 0, "{active} active, {blocked} blocked");
    test.advance(7_200 + LAG);
    assert_eq!(states().await, (0, active));
    test.finish().await;
}
