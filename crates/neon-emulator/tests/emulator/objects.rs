//! Roles and databases: changed by the API, real in the backing server.

use std::time::Duration;

use neon_emulator::Config;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Created, TestEmulator, config, eventually};

async fn can_enter(uri: &str) -> bool {
    match PgConnection::connect(uri).await {
        Ok(connection) => {
            connection.close().await.unwrap();
            true
        }
        Err(error) => {
            assert!(error.as_database_error().is_some(), "a refusal in the Postgres protocol: {error}");
            false
        }
    }
}

/// Resets the owner's password. Returns the connection string with the new one.
async fn reset(test: &TestEmulator, created: &Created) -> String {
    let path = format!("{}/roles/neondb_owner/reset_password", created.branch_path());
    let reset = test.api.act(&path).await.ok(200);
    created.uri_as("neondb_owner", reset["role"]["password"].as_str().unwrap(), "neondb")
}

/// A connection that is still there after a moment.
async fn must_last(connection: sqlx::Result<PgConnection>) {
    let mut connection = connection.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    connection.execute("SELECT 1").await.unwrap();
    connection.close().await.unwrap();
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|object| object["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_new_role_and_a_new_database_can_be_used() {
    let test = TestEmulator::start().await;
    let created = test.api.create("widened").await;
    let branch = created.branch_path();
    let mut before = PgConnection::connect(created.uri()).await.unwrap();
    let made = test.api.post(&format!("{branch}/roles"), json!({"role": {"name": "reader"}})).await.ok(201);
    assert_eq!(made["operations"][0]["action"], "apply_config");
    before.execute("SELECT 1").await.expect_err("a new role costs the open connections");
    let password = made["role"]["password"].as_str().unwrap();
    let database = json!({"database": {"name": "reports", "owner_name": "reader"}});
    let made = test.api.post(&format!("{branch}/databases"), database).await.ok(201);
    assert_eq!(
        (&made["database"]["owner_name"], &made["operations"][0]["action"]),
        (&json!("reader"), &json!("apply_config"))
    );

    let mut connection = PgConnection::connect(&created.uri_as("reader", password, "reports")).await.unwrap();
    connection.execute("CREATE TABLE mine AS SELECT 7 AS n").await.unwrap();
    connection.close().await.unwrap();
    assert!(can_enter(&created.uri_as("reader", password, "neondb")).await, "roles may enter all of the branch");
    assert!(can_enter(&created.uri_as("neondb_owner", created.password(), "reports")).await);
    assert!(!can_enter(&created.uri_as("reader", created.password(), "neondb")).await, "each with its own password");

    assert_eq!(names(&test.api.get(&format!("{branch}/roles")).await.ok(200)["roles"]), ["neondb_owner", "reader"]);
    assert_eq!(names(&test.api.get(&format!("{branch}/databases")).await.ok(200)["databases"]), ["neondb", "reports"]);
    let query = "database_name=reports&role_name=reader&pooled=false";
    let uri = test.api.get(&format!("{}/connection_uri?{query}", created.path())).await.ok(200)["uri"].take();
    assert!(can_enter(uri.as_str().unwrap()).await);
    test.finish().await;
}

#[tokio::test]
async fn a_role_that_may_not_log_in_does_not() {
    let test = TestEmulator::start().await;
    let created = test.api.create("closed role").await;
    let role = json!({"role": {"name": "group", "no_login": true}});
    let made = test.api.post(&format!("{}/roles", created.branch_path()), role).await.ok(201);
    let password = made["role"]["password"].as_str().unwrap();
    assert!(!can_enter(&created.uri_as("group", password, "neondb")).await);
    test.finish().await;
}

#[tokio::test]
async fn a_database_keeps_its_data_under_another_name_and_owner() {
    let test = TestEmulator::start().await;
    let created = test.api.create("renamed").await;
    let database = format!("{}/databases/neondb", created.branch_path());
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("CREATE TABLE kept AS SELECT 42 AS answer").await.unwrap();
    let renamed = test.api.patch(&database, json!({"database": {"name": "books"}})).await.ok(200);
    assert_eq!(
        (&renamed["database"]["name"], &renamed["database"]["id"]),
        (&json!("books"), &created.0["databases"][0]["id"])
    );
    connection.execute("SELECT 1").await.expect_err("the connection has ended");
    assert!(!can_enter(created.uri()).await, "the old name is gone");
    let mut connection =
        PgConnection::connect(&created.uri_as("neondb_owner", created.password(), "books")).await.unwrap();
    let answer: i32 = sqlx::query_scalar("SELECT answer FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, 42);
    connection.close().await.unwrap();

    let roles = format!("{}/roles", created.branch_path());
    let heir = test.api.post(&roles, json!({"role": {"name": "heir"}})).await.ok(201)["role"]["password"].take();
    let database = format!("{}/databases/books", created.branch_path());
    test.api.patch(&database, json!({"database": {"owner_name": "heir"}})).await.ok(200);
    let mut connection = PgConnection::connect(&created.uri_as("heir", heir.as_str().unwrap(), "books")).await.unwrap();
    connection.execute("CREATE SCHEMA theirs").await.unwrap();
    connection.close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_its_name_is_free() {
    let test = TestEmulator::start().await;
    let created = test.api.create("pruned").await;
    let branch = created.branch_path();
    let made = test.api.post(&format!("{branch}/roles"), json!({"role": {"name": "guest"}})).await.ok(201);
    let guest = created.uri_as("guest", made["role"]["password"].as_str().unwrap(), "neondb");
    let mut connection = PgConnection::connect(&guest).await.unwrap();
    connection.execute("CREATE TEMP TABLE t (i int)").await.unwrap();
    let mut owner = PgConnection::connect(created.uri()).await.unwrap();
    owner.execute("CREATE TABLE shown (i int)").await.unwrap();
    test.api.delete(&format!("{branch}/roles/guest")).await.ok(200);
    connection.execute("SELECT 1").await.expect_err("the connection has ended");
    assert!(!can_enter(&guest).await);
    test.api.delete(&format!("{branch}/roles/guest")).await.ok(204);
    assert!(test.api.delete(&format!("{branch}/roles/neondb_owner")).await.refused(422).contains("owns database"));

    test.api.delete(&format!("{branch}/databases/neondb")).await.ok(200);
    test.api.delete(&format!("{branch}/databases/neondb")).await.ok(204);
    test.api.get(&format!("{branch}/databases/neondb")).await.refused(404);
    assert!(!can_enter(created.uri()).await);
    let again = json!({"database": {"name": "neondb", "owner_name": "neondb_owner"}});
    test.api.post(&format!("{branch}/databases"), again).await.ok(201);
    let mut connection = PgConnection::connect(created.uri()).await.unwrap();
    connection.execute("SELECT FROM shown").await.expect_err("the new database is empty");
    connection.close().await.unwrap();
    test.finish().await;
}

#[tokio::test]
async fn names_are_checked() {
    let test = TestEmulator::start().await;
    let created = test.api.create("named").await;
    let branch = created.branch_path();
    let database = |name: &str, owner: &str| json!({"database": {"name": name, "owner_name": owner}});
    for reserved in ["postgres", "template0", "template1", ""] {
        test.api.post(&format!("{branch}/databases"), database(reserved, "neondb_owner")).await.refused(400);
    }
    test.api.post(&format!("{branch}/databases"), database("neondb", "neondb_owner")).await.refused(409);
    test.api.post(&format!("{branch}/databases"), database("other", "nobody")).await.refused(404);
    test.api.post(&format!("{branch}/roles"), json!({"role": {"name": "neondb_owner"}})).await.refused(409);
    test.api.post(&format!("{branch}/roles"), json!({"role": {"name": "r".repeat(64)}})).await.refused(400);
    test.api.post(&format!("{branch}/roles"), json!({"role": {}})).await.refused(400);
    test.api.patch(&format!("{branch}/databases/nothing"), json!({"database": {"name": "x"}})).await.refused(404);
    test.finish().await;
}

#[tokio::test]
async fn the_old_password_is_valid_until_the_operations_end() {
    let test = TestEmulator::with(Config { operation_time_scale: 1_000.0, ..config() }).await;
    let created = test.api.create("reset").await;
    test.advance(4_810);
    let mut open = PgConnection::connect(created.uri()).await.unwrap();
    let role = format!("{}/roles/neondb_owner", created.branch_path());
    let reset = test.api.act(&format!("{role}/reset_password")).await.ok(200);
    assert_eq!(
        (&reset["operations"][0]["action"], &reset["operations"][0]["status"]),
        (&json!("apply_config"), &json!("running"))
    );
    let password = reset["role"]["password"].as_str().unwrap();
    assert_ne!(password, created.password());
    let renewed = created.uri_as("neondb_owner", password, "neondb");
    assert!(can_enter(created.uri()).await && !can_enter(&renewed).await, "not yet");
    open.execute("SELECT 1").await.unwrap();
    test.api.act(&format!("{role}/reset_password")).await.refused(423);
    test.api.post(&format!("{}/roles", created.branch_path()), json!({"role": {"name": "r"}})).await.refused(423);

    test.advance(71);
    eventually("the new password", || async { can_enter(&renewed).await.then_some(()) }).await;
    assert!(!can_enter(created.uri()).await);
    open.execute("SELECT 1").await.expect_err("open connections end");
    assert_eq!(test.api.get(&format!("{role}/reveal_password")).await.ok(200)["password"], password);
    test.finish().await;
}

#[tokio::test]
async fn a_reset_that_a_restart_interrupts_is_made_good() {
    let test = TestEmulator::with(Config { operation_time_scale: 1_000.0, ..config() }).await;
    let created = test.api.create("interrupted").await;
    test.advance(4_810);
    assert!(can_enter(created.uri()).await);
    let role = format!("{}/roles/neondb_owner", created.branch_path());
    let password = test.api.act(&format!("{role}/reset_password")).await.ok(200)["role"]["password"].take();
    let test = test.restart().await;
    test.advance(71);
    // The port is another one, so the string is asked for anew.
    let uri = test.api.uri(&created, false).await;
    assert!(uri.contains(password.as_str().unwrap()));
    assert!(can_enter(&uri).await);
    test.finish().await;
}

#[tokio::test]
async fn an_idle_compute_is_woken_for_a_reset_and_sleeps_again() {
    let test = TestEmulator::start().await;
    let created = test.api.create("asleep").await;
    test.api.act(&format!("{}/suspend", created.endpoint_path())).await.ok(200);
    let reset = test.api.act(&format!("{}/roles/neondb_owner/reset_password", created.branch_path())).await.ok(200);
    let actions: Vec<_> =
        reset["operations"].as_array().unwrap().iter().map(|o| o["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["start_compute", "apply_config", "suspend_compute"]);
    assert_eq!(test.api.get(&created.endpoint_path()).await.ok(200)["endpoint"]["current_state"], "idle");
    assert!(!can_enter(created.uri()).await, "also before anybody has ever connected");
    let renewed = created.uri_as("neondb_owner", reset["role"]["password"].as_str().unwrap(), "neondb");
    assert!(can_enter(&renewed).await);
    test.finish().await;
}

#[tokio::test]
async fn who_connects_after_the_operations_is_not_cut() {
    let test = TestEmulator::with(Config { operation_time_scale: 1_000.0, ..config() }).await;
    let created = test.api.create("prompt").await;
    test.advance(4_810);
    for _ in 0..5 {
        let renewed = reset(&test, &created).await;
        test.advance(71);
        must_last(PgConnection::connect(&renewed).await).await;
    }
    test.finish().await;
}

#[tokio::test]
async fn who_waits_for_the_operations_is_not_cut() {
    let test = TestEmulator::with(Config { operation_time_scale: 100.0, ..config() }).await;
    let created = test.api.create("patient").await;
    test.advance(481);
    test.api.act(&format!("{}/suspend", created.endpoint_path())).await.ok(200);
    test.advance(31);
    let renewed = reset(&test, &created).await;
    let time_goes_by = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            test.advance(20);
        }
    };
    tokio::select! {
        connected = PgConnection::connect(&renewed) => must_last(connected).await,
        () = time_goes_by => {}
    }
    test.finish().await;
}
