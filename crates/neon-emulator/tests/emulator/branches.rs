//! Branches and their endpoints.

use neon_emulator::Config;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Created, TestEmulator, config, eventually};

/// A branch with an endpoint, as it was created.
async fn branched(test: &TestEmulator, project: &Created, name: &str) -> Value {
    let request = json!({"branch": {"name": name}, "endpoints": [{"type": "read_write"}]});
    test.api.post(&format!("{}/branches", project.path()), request).await.ok(201)
}

fn path(branch: &Value) -> String {
    let branch = &branch["branch"];
    format!("/projects/{}/branches/{}", branch["project_id"].as_str().unwrap(), branch["id"].as_str().unwrap())
}

fn uri(branch: &Value) -> &str {
    branch["connection_uris"][0]["connection_uri"].as_str().unwrap()
}

async fn answer(uri: &str) -> i32 {
    let mut connection = PgConnection::connect(uri).await.unwrap();
    let answer = sqlx::query_scalar("SELECT answer FROM kept").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    answer
}

#[tokio::test]
async fn a_branch_has_the_data_of_its_parent_and_goes_its_own_way() {
    let test = TestEmulator::start().await;
    let project = test.api.create("trunk").await;
    let mut parent = PgConnection::connect(project.uri()).await.unwrap();
    parent.execute("CREATE TABLE kept AS SELECT 42 AS answer").await.unwrap();
    let branch = branched(&test, &project, "dev").await;
    assert_eq!(
        (&branch["branch"]["name"], &branch["branch"]["parent_id"]),
        (&json!("dev"), &json!(project.branch_id()))
    );
    assert_eq!((&branch["branch"]["default"], &branch["branch"]["protected"]), (&json!(false), &json!(false)));
    let actions: Vec<_> =
        branch["operations"].as_array().unwrap().iter().map(|o| o["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["create_branch", "start_compute"]);
    assert_eq!(branch["roles"][0]["password"], project.password(), "the passwords of the parent");
    assert_ne!(branch["databases"][0]["id"], project.0["databases"][0]["id"]);

    assert_eq!(answer(uri(&branch)).await, 42);
    let mut child = PgConnection::connect(uri(&branch)).await.unwrap();
    child
        .execute("UPDATE kept SET answer = 1; ALTER TABLE kept ADD COLUMN mine int; CREATE TABLE more (i int)")
        .await
        .unwrap();
    assert_eq!((answer(uri(&branch)).await, answer(project.uri()).await), (1, 42));
    let mut parent = PgConnection::connect(project.uri()).await.unwrap();
    parent.execute("ALTER TABLE kept ADD COLUMN ours int; CREATE TABLE new (i int)").await.expect("still the owner");
    parent.close().await.unwrap();
    child.close().await.unwrap();

    let reset = test.api.act(&format!("{}/roles/neondb_owner/reset_password", path(&branch))).await.ok(200);
    assert!(PgConnection::connect(uri(&branch)).await.is_err());
    assert_eq!(answer(project.uri()).await, 42, "the parent's password is another one");
    assert_ne!(reset["role"]["password"], project.password());
    test.finish().await;
}

#[tokio::test]
async fn roles_of_parent_and_branch_do_not_hold_each_other() {
    let test = TestEmulator::start().await;
    let project = test.api.create("related").await;
    let roles = format!("{}/roles", project.branch_path());
    let reader = test.api.post(&roles, json!({"role": {"name": "reader"}})).await.ok(201)["role"]["password"].take();
    let backing = format!("{}.{}.reader", test.config.state_database, project.id());
    let mut owner = PgConnection::connect(project.uri()).await.unwrap();
    let grant = format!("CREATE TABLE shown AS SELECT 1 AS answer; GRANT SELECT ON shown TO \"{backing}\"");
    owner.execute(sqlx::AssertSqlSafe(grant)).await.unwrap();
    let branch = branched(&test, &project, "dev").await;
    let as_reader = project.uri_as("reader", reader.as_str().unwrap(), "neondb");
    PgConnection::connect(&as_reader).await.unwrap().execute("SELECT FROM shown").await.expect("may still read");

    test.api.delete(&format!("{roles}/reader")).await.ok(200);
    assert!(PgConnection::connect(&as_reader).await.is_err());
    let in_branch = test.api.get(&format!("{}/roles", path(&branch))).await.ok(200);
    assert_eq!(in_branch["roles"].as_array().unwrap().len(), 2, "the branch keeps its own");
    test.api.delete(&format!("{}/roles/reader", path(&branch))).await.ok(200);
    let mut server = PgConnection::connect(&crate::support::database_url()).await.unwrap();
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_roles WHERE starts_with(rolname, $1) AND rolname LIKE '%.reader'")
            .bind(&test.config.state_database)
            .fetch_one(&mut server)
            .await
            .unwrap();
    assert_eq!(left, 0);
    test.finish().await;
}

#[tokio::test]
async fn a_branch_has_no_endpoint_unless_it_is_asked_for() {
    let test = TestEmulator::start().await;
    let project = test.api.create("bare").await;
    let branches = format!("{}/branches", project.path());
    let branch = test.api.act(&branches).await.ok(201);
    assert_eq!((&branch["endpoints"], branch.get("connection_uris")), (&json!([]), None));
    assert_eq!(branch["branch"]["name"], branch["branch"]["id"], "a name is found");
    test.api.post(&branches, json!({"branch": {}})).await.ok(201);
    assert_eq!(test.api.get(&format!("{}/endpoints", path(&branch))).await.ok(200)["endpoints"], json!([]));

    let endpoint = |settings: Value| {
        let branch_id = &branch["branch"]["id"];
        let mut endpoint = json!({"branch_id": branch_id, "type": "read_write", "suspend_timeout_seconds": 60});
        endpoint.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        json!({ "endpoint": endpoint })
    };
    let endpoints = format!("{}/endpoints", project.path());
    let refused = test.api.post(&endpoints, endpoint(json!({"settings": {}}))).await.refused(400);
    assert_eq!(refused, "settings must not be nil");
    test.api.post(&endpoints, endpoint(json!({"type": "read_only"}))).await.refused(422);
    test.api.post(&endpoints, endpoint(json!({"branch_id": "br-no-such-a1234567"}))).await.refused(404);
    let made = test.api.post(&endpoints, endpoint(json!({"name": "first"}))).await.ok(201);
    assert_eq!(
        (&made["endpoint"]["suspend_timeout_seconds"], &made["endpoint"]["name"]),
        (&json!(60), &json!("first"))
    );
    assert_eq!(made["operations"][0]["action"], "start_compute");
    test.api.post(&endpoints, endpoint(json!({}))).await.refused(409);
    assert_eq!(test.api.get(&endpoints).await.ok(200)["endpoints"].as_array().unwrap().len(), 2);

    let query =
        format!("database_name=neondb&role_name=neondb_owner&branch_id={}", branch["branch"]["id"].as_str().unwrap());
    let uri = test.api.get(&format!("{}/connection_uri?{query}", project.path())).await.ok(200)["uri"].take();
    PgConnection::connect(uri.as_str().unwrap()).await.unwrap().close().await.unwrap();

    let one = format!("{endpoints}/{}", made["endpoint"]["id"].as_str().unwrap());
    test.api.delete(&one).await.ok(200);
    test.api.delete(&one).await.ok(204);
    test.api.get(&one).await.refused(404);
    assert!(PgConnection::connect(uri.as_str().unwrap()).await.is_err());
    test.api.get(&format!("{}/connection_uri?{query}", project.path())).await.refused(404);
    test.finish().await;
}

#[tokio::test]
async fn the_endpoint_of_the_root_branch_can_be_replaced() {
    let test = TestEmulator::with(Config { operation_time_scale: 100.0, ..config() }).await;
    let project = test.api.create("replaced").await;
    test.advance(481);
    test.api.delete(&project.endpoint_path()).await.ok(200);
    test.advance(31);
    let request = json!({"endpoint": {"branch_id": project.branch_id(), "type": "read_write"}});
    let made = test.api.post(&format!("{}/endpoints", project.path()), request).await.ok(201);
    assert_ne!(made["endpoint"]["id"], project.endpoint_id());
    assert_eq!(
        (&made["endpoint"]["current_state"], &made["endpoint"]["pending_state"]),
        (&json!("init"), &json!("active"))
    );
    test.advance(91);
    let endpoint = format!("{}/endpoints/{}", project.path(), made["endpoint"]["id"].as_str().unwrap());
    assert_eq!(test.api.get(&endpoint).await.ok(200)["endpoint"]["current_state"], "active");
    let uri = test.api.uri(&project, false).await;
    PgConnection::connect(&uri).await.unwrap().close().await.unwrap();
    assert!(PgConnection::connect(project.uri()).await.is_err(), "the old endpoint is gone");
    test.finish().await;
}

#[tokio::test]
async fn the_computes_of_branches_live_on_their_own() {
    let test = TestEmulator::start().await;
    let project = test.api.create("two").await;
    let branch = branched(&test, &project, "other").await;
    let endpoint = format!("{}/endpoints/{}", project.path(), branch["endpoints"][0]["id"].as_str().unwrap());
    let state = async |path: &str| test.api.get(path).await.ok(200)["endpoint"]["current_state"].take();
    assert_eq!((state(&endpoint).await, state(&project.endpoint_path()).await), (json!("active"), json!("active")));
    test.api.act(&format!("{}/suspend", project.endpoint_path())).await.ok(200);
    assert_eq!((state(&endpoint).await, state(&project.endpoint_path()).await), (json!("active"), json!("idle")));
    test.advance(301);
    assert_eq!(state(&endpoint).await, "idle");
    let recorded = eventually("the operation that the sweep writes down", || async {
        let list = test.api.get(&format!("{}/operations?limit=1", project.path())).await.ok(200);
        (list["operations"][0]["endpoint_id"] == branch["endpoints"][0]["id"])
            .then(|| list["operations"][0]["action"].clone())
    })
    .await;
    assert_eq!(recorded, "suspend_compute");
    let active = test.api.get(&project.path()).await.ok(200)["project"]["active_time_seconds"].as_i64().unwrap();
    assert!((300..310).contains(&active), "the branch's time counts for the project: {active}");

    let mut open = PgConnection::connect(uri(&branch)).await.unwrap();
    test.advance(1_000);
    open.execute("SELECT 1").await.expect("held awake");
    let test = test.restart().await;
    test.advance(301);
    let idle = test.api.get(&endpoint).await.ok(200)["endpoint"]["current_state"].take();
    assert_eq!(idle, "idle", "a restart lets go of branches too");
    test.finish().await;
}

#[tokio::test]
async fn some_branches_cannot_be_deleted() {
    let test = TestEmulator::start().await;
    let project = test.api.create("kept").await;
    let (middle, other) = (branched(&test, &project, "middle").await, branched(&test, &project, "other").await);
    let leaf = json!({"branch": {"name": "leaf", "parent_id": middle["branch"]["id"]}});
    let leaf = test.api.post(&format!("{}/branches", project.path()), leaf).await.ok(201);
    let refused = test.api.delete(&path(&middle)).await.refused(422);
    assert_eq!(refused, format!("cannot delete branch that has children: {}", leaf["branch"]["id"].as_str().unwrap()));
    test.api.delete(&path(&leaf)).await.ok(200);
    test.api.delete(&path(&middle)).await.ok(200);
    assert_eq!(
        test.api.delete(&project.branch_path()).await.refused(422),
        format!("cannot delete branch that has children: {}", other["branch"]["id"].as_str().unwrap())
    );
    test.api.act(&format!("{}/set_as_default", path(&other))).await.ok(200);
    assert_eq!(test.api.delete(&path(&other)).await.refused(422), "cannot delete the default branch");
    test.api.act(&format!("{}/set_as_default", project.branch_path())).await.ok(200);
    test.api.patch(&path(&other), json!({"branch": {"protected": true}})).await.ok(200);
    assert_eq!(test.api.delete(&path(&other)).await.refused(422), "cannot delete a protected branch");
    test.api.patch(&path(&other), json!({"branch": {"protected": false, "name": "free"}})).await.ok(200);
    test.api.delete(&path(&other)).await.ok(200);
    assert_eq!(test.api.delete(&project.branch_path()).await.refused(422), "cannot delete the root branch");
    test.finish().await;
}

#[tokio::test]
async fn a_deleted_branch_can_be_recovered_for_seven_days_unless_it_was_removed_at_once() {
    let test = TestEmulator::start().await;
    let project = test.api.create("mourned").await;
    let branch = branched(&test, &project, "soft").await;
    let mut open = PgConnection::connect(uri(&branch)).await.unwrap();
    open.execute("CREATE TABLE kept AS SELECT 5 AS answer").await.unwrap();
    let deleted = test.api.delete(&path(&branch)).await.ok(200);
    let actions: Vec<_> =
        deleted["operations"].as_array().unwrap().iter().map(|o| o["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["suspend_compute", "delete_timeline"]);
    open.execute("SELECT 1").await.expect_err("cut");
    test.api.delete(&path(&branch)).await.ok(204);
    test.api.get(&path(&branch)).await.refused(404);
    assert_eq!(test.api.get(&format!("{}/branches/count", project.path())).await.ok(200)["count"], 1);
    let with_deleted = test.api.get(&format!("{}/branches?include_deleted=true", project.path())).await.ok(200);
    let shown = with_deleted["branches"].as_array().unwrap().iter().find(|b| b["name"] == "soft").unwrap().clone();
    assert!(shown["recovery"]["recoverable_until"].is_string());
    let recovered = test.api.act(&format!("{}/recover", path(&branch))).await.ok(200);
    assert_eq!(recovered["endpoints"][0]["current_state"], "idle");
    assert_eq!(answer(uri(&branch)).await, 5, "the connection string is valid again");

    test.api.delete(&format!("{}?hard_delete=true", path(&branch))).await.ok(200);
    test.api.act(&format!("{}/recover", path(&branch))).await.refused(404);
    let other = branched(&test, &project, "soft").await;
    test.api.delete(&path(&other)).await.ok(200);
    test.advance(7 * 24 * 3600 + 1);
    test.api.act(&format!("{}/recover", path(&other))).await.refused(404);
    test.finish().await;
}

#[tokio::test]
async fn branches_are_listed_sorted_searched_and_paged() {
    let test = TestEmulator::start().await;
    let project = test.api.create("listed").await;
    for name in ["cherry", "apple", "banana"] {
        test.advance(1);
        test.api.post(&format!("{}/branches", project.path()), json!({"branch": {"name": name}})).await.ok(201);
    }
    let list = async |query: &str| {
        let answer = test.api.get(&format!("{}/branches?{query}", project.path())).await.ok(200);
        let name = |branch: &Value| branch["name"].as_str().unwrap().to_owned();
        let names: Vec<String> = answer["branches"].as_array().unwrap().iter().map(name).collect();
        (names, answer["pagination"].clone())
    };
    assert_eq!(list("sort_by=name&sort_order=asc").await.0, ["apple", "banana", "cherry", "main"]);
    assert_eq!(list("sort_by=created_at").await.0, ["banana", "apple", "cherry", "main"]);
    assert_eq!(list("search=BANAN").await.0, ["banana"]);
    let (first, pagination) = list("sort_by=name&sort_order=asc&limit=3").await;
    assert_eq!((first.len(), &pagination["sort_order"]), (3, &json!("ASC")));
    let next = pagination["next"].as_str().unwrap();
    let (rest, pagination) = list(&format!("sort_by=name&sort_order=asc&limit=3&cursor={next}")).await;
    assert_eq!((rest, pagination.get("next")), (vec!["main".into()], None));
    assert_eq!(test.api.get(&format!("{}/branches/count?search=banan", project.path())).await.ok(200)["count"], 1);
    test.api.get(&format!("{}/branches?sort_by=colour", project.path())).await.refused(400);
    test.api.post(&format!("{}/branches", project.path()), json!({"branch": {"name": "apple"}})).await.refused(409);
    test.finish().await;
}

#[tokio::test]
async fn a_branch_is_restored_from_another() {
    let test = TestEmulator::start().await;
    let project = test.api.create("restored").await;
    PgConnection::connect(project.uri())
        .await
        .unwrap()
        .execute("CREATE TABLE kept AS SELECT 1 AS answer")
        .await
        .unwrap();
    let branch = branched(&test, &project, "dev").await;
    PgConnection::connect(uri(&branch)).await.unwrap().execute("UPDATE kept SET answer = 2").await.unwrap();
    PgConnection::connect(project.uri()).await.unwrap().execute("UPDATE kept SET answer = 3").await.unwrap();
    let source = json!({"source_branch_id": project.branch_id()});
    let restored = test.api.post(&format!("{}/restore", path(&branch)), source).await.ok(200);
    assert_eq!(restored["branch"]["id"], branch["branch"]["id"]);
    assert_eq!((answer(uri(&branch)).await, answer(project.uri()).await), (3, 3));
    let past = json!({"source_branch_id": project.branch_id(), "source_timestamp": "2026-01-01T00:00:00Z"});
    test.api.post(&format!("{}/restore", path(&branch)), past).await.refused(422);
    let source = json!({"source_branch_id": branch["branch"]["id"]});
    test.api.post(&format!("{}/restore", project.branch_path()), source).await.refused(422);
    test.finish().await;
}

#[tokio::test]
async fn a_recovered_project_has_its_branches_and_a_purged_one_leaves_nothing() {
    let test = TestEmulator::start().await;
    let project = test.api.create("family").await;
    let branch = branched(&test, &project, "child").await;
    let mut open = PgConnection::connect(uri(&branch)).await.unwrap();
    open.execute("CREATE TABLE kept AS SELECT 9 AS answer").await.unwrap();
    test.api.delete(&project.path()).await.ok(200);
    open.execute("SELECT 1").await.expect_err("cut");
    assert!(PgConnection::connect(uri(&branch)).await.is_err());
    let recovered = test.api.act(&format!("{}/recover", project.path())).await.ok(200);
    assert_eq!(recovered["branches"].as_array().unwrap().len(), 2);
    assert_eq!(answer(uri(&branch)).await, 9);

    test.api.delete(&project.path()).await.ok(200);
    test.advance(7 * 24 * 3600 + 1);
    // A start sweeps at once.
    let test = test.restart().await;
    let mut server = PgConnection::connect(&crate::support::database_url()).await.unwrap();
    let prefix = format!("{}.", test.config.state_database);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(90);
    loop {
        let query = sqlx::query_scalar::<_, i64>(
            "SELECT (SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)) + (SELECT count(*) FROM pg_roles WHERE starts_with(rolname, $1))",
        );
        if query.bind(&prefix).fetch_one(&mut server).await.unwrap() == 0 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "databases and roles of a purged project are left");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    test.api.act(&format!("{}/recover", project.path())).await.refused(404);
    assert_eq!(test.api.get("/projects?recoverable=true").await.ok(200)["projects"], json!([]));
    test.finish().await;
}

#[tokio::test]
async fn what_the_emulator_cannot_do_is_refused_and_not_believed() {
    let test = TestEmulator::start().await;
    let project = test.api.create("honest").await;
    for branch in [
        json!({"parent_timestamp": "2026-01-01T00:00:00Z"}),
        json!({"parent_lsn": "0/1E88838"}),
        json!({"init_source": "schema-only"}),
        json!({"expires_at": "2036-01-01T00:00:00Z"}),
    ] {
        test.api.post(&format!("{}/branches", project.path()), json!({ "branch": branch })).await.refused(422);
    }
    test.api
        .post(&format!("{}/branches", project.path()), json!({"branch": {"parent_id": "br-none-a1"}}))
        .await
        .refused(404);
    test.finish().await;
}
