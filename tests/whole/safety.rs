//! What is handed out works and is new; what is deleted by itself is proven to be nobody's.

use std::time::Duration;

use engine::EngineSettings;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::support::{Server, World, until};

/// As in production, but for the times.
pub fn hasty() -> EngineSettings {
    let mut settings = EngineSettings { sweep_rest: Duration::from_millis(100), ..EngineSettings::default() };
    settings.findings.quarantine = 1.0;
    settings.findings.grace = 0.05;
    settings.findings.own_activity = 0.5;
    settings
}

pub async fn rows(world: &World, sql: &str) -> Vec<String> {
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut ledger).await.unwrap()
}

/// Connects to a project past Flotilla, as somebody who has its password.
pub async fn connect(world: &World, project: &str) -> PgConnection {
    let path = format!("/projects/{project}/connection_uri?database_name=neondb&role_name=neondb_owner");
    until("it can be connected to", || async {
        world.neon(Method::GET, &path).send().await.unwrap().status().is_success()
    })
    .await;
    let uri: Value = world.neon(Method::GET, &path).send().await.unwrap().json().await.unwrap();
    PgConnection::connect(uri["uri"].as_str().unwrap()).await.unwrap()
}

pub async fn until_state(world: &World, project: &str, state: &str) {
    until(&format!("{project} is {state}"), || async {
        rows(world, &format!("SELECT state::text FROM databases WHERE neon_project_id = '{project}'")).await == [state]
    })
    .await;
}

async fn until_handed_over(world: &World, project: &str, why: &str) {
    let sql = format!(
        "SELECT status || ' ' || timeline::text FROM findings WHERE kind = 'orphan' AND project_id = '{project}'"
    );
    until(&format!("a person is asked, because {why}"), || async {
        rows(world, &sql).await.iter().any(|text| text.starts_with("needs_operator") && text.contains(why))
    })
    .await;
}

pub async fn lives(world: &World, project: &str) -> bool {
    world.living_on_neon().await.iter().any(|one| one.id == project)
}

pub async fn sweeps_pass(world: &World, count: usize) {
    let ended = || async {
        world.ledger.sweeps(1_000).await.unwrap().iter().filter(|sweep| sweep.finished_at.is_some()).count()
    };
    let goal = ended().await + count;
    until("more sweeps have ended", || async { ended().await >= goal }).await;
}

async fn project_of(server: &Server, owner: &str) -> String {
    let (status, claim) = server.claim(owner).await;
    assert!(status.is_success(), "{status} {claim}");
    claim["database"]["neon_project_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_used_or_switched_off_while_nobody_held_it_is_never_handed_out() {
    let world = World::with_pool(3).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(3).await;
    let pool = "SELECT neon_project_id FROM databases WHERE state = 'available' ORDER BY available_order";
    let before = rows(&world, pool).await;
    let mut stranger = connect(&world, &before[0]).await;
    stranger.execute("CREATE TABLE theirs (text text)").await.unwrap();
    let endpoint = format!("SELECT neon_endpoint_id FROM databases WHERE neon_project_id = '{}'", before[1]);
    let endpoint = rows(&world, &endpoint).await.remove(0);
    let path = format!("/projects/{}/endpoints/{endpoint}", before[1]);
    let disable = json!({ "endpoint": { "disabled": true } });
    until("Neon lets it be disabled", || async {
        world.neon(Method::PATCH, &path).json(&disable).send().await.unwrap().status().is_success()
    })
    .await;
    // Neon tells the last activity in seconds, and soon after the verification it may be our own: the stranger stays until it is noticed.
    until_state(&world, &before[0], "withheld").await;
    stranger.close().await.unwrap();
    until_state(&world, &before[1], "withheld").await;
    server.until_available(3).await;
    for owner in 0..3 {
        let project = project_of(&server, &format!("owner-{owner}")).await;
        assert!(project != before[0] && project != before[1], "{project} was handed out");
    }
    assert!(lives(&world, &before[0]).await && lives(&world, &before[1]).await, "and it is kept");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_far_back_in_the_queue_is_found_before_it_comes_to_the_head() {
    let world = World::with_pool(22).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(22).await;
    let last = "SELECT neon_project_id || '/endpoints/' || neon_endpoint_id FROM databases WHERE state = 'available' ORDER BY available_order DESC LIMIT 1";
    let path = rows(&world, last).await.remove(0);
    let disable = json!({ "endpoint": { "disabled": true } });
    until("Neon lets it be disabled", || async {
        world
            .neon(Method::PATCH, &format!("/projects/{path}"))
            .json(&disable)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    })
    .await;
    until_state(&world, path.split('/').next().unwrap(), "withheld").await;
    server.stop().await;
}

/// What somebody may have made besides tables.
const MADE: [&str; 5] = [
    "CREATE EXTENSION pg_trgm",
    "CREATE FUNCTION theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA theirs",
    "CREATE TYPE theirs AS ENUM ('a')",
    "SELECT lo_from_bytea(0, 'a letter')",
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_somebody_has_made_in_an_unknown_project_keeps_it() {
    let world = World::with_pool(0).await;
    let id = world.ledger.installation().await.unwrap().id;
    let make =
        async || world.emulator.create_project(&format!("flotilla-{id}-{}", Uuid::now_v7()), None).await.unwrap();
    let mut holding = Vec::new();
    for statement in MADE {
        let project = make().await;
        let mut owner = connect(&world, &project).await;
        owner.execute(statement).await.unwrap();
        owner.close().await.unwrap();
        holding.push((project, "Something has been made in it"));
    }
    let branches = async |project: &str| format!("/projects/{project}/branches");
    let (second_database, second_branch) = (make().await, make().await);
    let path = branches(&second_database).await;
    let listed: Value = world.neon(Method::GET, &path).send().await.unwrap().json().await.unwrap();
    let path = format!("{path}/{}/databases", listed["branches"][0]["id"].as_str().unwrap());
    until_made(&world, &path, json!({ "database": { "name": "appdb", "owner_name": "neondb_owner" } })).await;
    until_made(&world, &branches(&second_branch).await, json!({ "branch": { "name": "preview" } })).await;
    holding.push((second_database, "Something has been made in it"));
    holding.push((second_branch, "It has other branches"));
    let server = world.serve_with(hasty()).await;
    for (project, why) in &holding {
        until_handed_over(&world, project, why).await;
        assert!(lives(&world, project).await, "{project}: {why}");
    }
    server.stop().await;
}

async fn until_made(world: &World, path: &str, body: Value) {
    until("Neon has made it", || async {
        world.neon(Method::POST, path).json(&body).send().await.unwrap().status().is_success()
    })
    .await;
}

async fn until_in_safe_mode(world: &World, server: &Server) {
    until("the ledger is not trusted", || async { world.ledger.safe_mode().await.unwrap().is_some() }).await;
    assert_eq!(server.claim("ada").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_whose_mark_is_gone_from_neon_is_not_trusted_when_it_starts() {
    let world = World::with_pool(1).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(1).await;
    until("Neon has the mark", || async { world.ledger.installation().await.unwrap().was_marked }).await;
    server.stop().await;
    let mark = world.ledger.installation().await.unwrap().mark_project_id.unwrap();
    until("the mark is deleted", || async {
        world.neon(Method::DELETE, &format!("/projects/{mark}")).send().await.unwrap().status().is_success()
    })
    .await;
    let server = world.serve_with(hasty()).await;
    until_in_safe_mode(&world, &server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_before_there_were_marks_is_not_trusted() {
    let world = World::with_pool(1).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(1).await;
    until("Neon has the mark", || async { world.ledger.installation().await.unwrap().was_marked }).await;
    server.stop().await;
    // As a ledger of an older version is after its migration: an id of its own, and no mark.
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    ledger.execute("DELETE FROM marks").await.unwrap();
    ledger
        .execute("UPDATE installation SET id = '0badcafe', mark_project_id = NULL, mark_confirmed_at = NULL, mark_place = NULL")
        .await
        .unwrap();
    let server = world.serve_with(hasty()).await;
    until_in_safe_mode(&world, &server).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_project_is_left_to_a_person_unless_it_is_signed_unused_and_empty() {
    let world = World::with_pool(0).await;
    let id = world.ledger.installation().await.unwrap().id;
    let make = async |name: String| world.emulator.create_project(&name, None).await.unwrap();
    let empty = make(format!("flotilla-{id}-{}", Uuid::now_v7())).await;
    let filled = make(format!("flotilla-{id}-{}", Uuid::now_v7())).await;
    let held = make(format!("flotilla-{id}-{}-oc2VhbGVk", Uuid::now_v7())).await;
    let unsigned = make(format!("flotilla-{}", Uuid::now_v7())).await;
    let theirs = make(format!("flotilla-00ffee00-{}", Uuid::now_v7())).await;
    let mut owner = connect(&world, &filled).await;
    owner.execute("CREATE TABLE letters (text text)").await.unwrap();
    owner.close().await.unwrap();
    let server = world.serve_with(hasty()).await;
    until("the empty one is deleted", || async { !lives(&world, &empty).await }).await;
    until_handed_over(&world, &filled, "Something has been made in it").await;
    for project in [&held, &unsigned] {
        until_handed_over(&world, project, "Confirmed by sweep").await;
    }
    sweeps_pass(&world, 4).await;
    for project in [&filled, &held, &unsigned, &theirs] {
        assert!(lives(&world, project).await, "{project} was deleted without a person");
    }
    assert!(rows(&world, &format!("SELECT kind FROM findings WHERE project_id = '{theirs}'")).await.is_empty());
    let sweep = world.ledger.problems().await.unwrap().last_sweep.unwrap();
    assert_eq!(sweep.others, 1, "another installation's is counted apart");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_deletes_so_many_unknown_projects_a_day_and_no_more() {
    let world = World::with_pool(0).await;
    let id = world.ledger.installation().await.unwrap().id;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(world.emulator.create_project(&format!("flotilla-{id}-{}", Uuid::now_v7()), None).await.unwrap());
    }
    let mut settings = hasty();
    settings.findings.cap_day = 2;
    let server = world.serve_with(settings).await;
    let left = || async {
        let living = world.living_on_neon().await;
        all.iter().filter(|project| living.iter().any(|one| one.id == **project)).count()
    };
    until("two are deleted", || async { left().await <= 1 }).await;
    sweeps_pass(&world, 5).await;
    assert_eq!(left().await, 1, "the third waits for another day");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_on_neon_says_that_somebody_holds_it_and_not_who() {
    let world = World::with_pool(1).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(1).await;
    let project = project_of(&server, "customer-4711").await;
    until("Neon is told", || async {
        let all = world.living_on_neon().await;
        let name = all.into_iter().find(|one| one.id == project).unwrap().name;
        name.contains("-o") && !name.contains("4711")
    })
    .await;
    sweeps_pass(&world, 3).await;
    let open = rows(&world, "SELECT kind FROM findings WHERE status <> 'resolved'").await;
    assert!(open.is_empty(), "a renamed project is still ours: {open:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_starts_on_an_old_ledger_hands_out_nothing() {
    let world = World::with_pool(1).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(1).await;
    // What a foreign ledger would do to the mark.
    until("there is a mark", || async { world.ledger.installation().await.unwrap().was_marked }).await;
    let installation = world.ledger.installation().await.unwrap();
    let mark = installation.mark_project_id.clone().unwrap();
    server.stop().await;
    let body = json!({ "project": { "name": format!("flotilla-mark-{}-999999-stranger", installation.id) } });
    until("Neon lets it be renamed", || async {
        world.neon(Method::PATCH, &format!("/projects/{mark}")).json(&body).send().await.unwrap().status().is_success()
    })
    .await;
    let server = world.serve_with(hasty()).await;
    let (status, answer) = server.claim("ada").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    let status = world.ledger.status().await.unwrap();
    assert!(status.problems.iter().any(|one| one.text.contains("Safe mode")), "{:?}", status.problems);
    until("what was in the pool is withheld", || async {
        rows(&world, "SELECT DISTINCT state::text FROM databases").await == ["withheld"]
    })
    .await;
    server.stop().await;
}
