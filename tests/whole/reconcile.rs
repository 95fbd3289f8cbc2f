//! Reconcile against the emulated Neon: what comes apart is found, named and mended, and nothing is deleted by mistake.

use std::time::Duration;

use engine::EngineSettings;
use fleet_types::{Finding, FindingKind, FindingStatus, Resolution, Role, StatusLevel};
use ledger::{By, FindingRules};
use neon_emulator::{Fault, Quota, Rule};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::support::{Server, World, until};

/// As in production, but for the times: an hour is a second.
fn hasty() -> EngineSettings {
    let standard = EngineSettings::default();
    EngineSettings {
        sweep_rest: Duration::from_millis(100),
        findings: FindingRules {
            quarantine: 1.0,
            grace: 0.05,
            drift_settles: 0.05,
            stuck_after: 600.0,
            own_activity: 1.0,
            ..standard.findings
        },
        ..standard
    }
}

/// Confirms, but never comes to the end of a quarantine.
fn patient() -> EngineSettings {
    let mut settings = hasty();
    settings.findings.quarantine = 3_600.0;
    settings
}

/// A name that this installation gives.
async fn our_name(world: &World) -> String {
    format!("flotilla-{}-{}", world.ledger.installation().await.unwrap().id, Uuid::now_v7())
}

async fn all(world: &World, kind: FindingKind) -> Vec<Finding> {
    let ids = "SELECT id FROM findings WHERE kind = $1 ORDER BY id";
    let ids: Vec<i64> =
        sqlx::query_scalar(ids).bind(kind.as_str()).fetch_all(&mut ledger_of(world).await).await.unwrap();
    let mut found = Vec::new();
    for id in ids {
        found.push(world.ledger.finding(id).await.unwrap());
    }
    found
}

/// The only finding of this kind about the project.
async fn about(world: &World, kind: FindingKind, project: &str) -> Option<Finding> {
    all(world, kind).await.into_iter().find(|finding| finding.project_id.as_deref() == Some(project))
}

async fn until_status(world: &World, kind: FindingKind, project: &str, status: FindingStatus) -> Finding {
    until(&format!("the {} is {}", kind.as_str(), status.as_str()), || async {
        about(world, kind, project).await.is_some_and(|finding| finding.status == status)
    })
    .await;
    about(world, kind, project).await.unwrap()
}

async fn lives(world: &World, project: &str) -> bool {
    world.emulator.inventory().await.unwrap().iter().any(|one| one.id == project && one.deleted_at.is_none())
}

/// Until so many more sweeps have ended, complete or not.
async fn sweeps_pass(world: &World, count: usize) {
    let ended = || async {
        world.ledger.sweeps(1_000).await.unwrap().iter().filter(|sweep| sweep.finished_at.is_some()).count()
    };
    let goal = ended().await + count;
    until("more sweeps have ended", || async { ended().await >= goal }).await;
}

fn deletions(world: &World) -> u64 {
    world.emulator.stats().count("DELETE", "/projects/{project_id}")
}

/// Sends a form of the console as this operator.
async fn decide(server: &Server, cookie: &str, action: &str, form: &[(&str, &str)]) -> (StatusCode, String) {
    let answer = server
        .anonymous(Method::POST, &format!("/rpc/{action}"))
        .header(header::COOKIE, cookie)
        .header("sec-fetch-site", "same-origin")
        .header(header::ACCEPT, "application/json")
        .form(form)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.text().await.unwrap())
}

async fn page(server: &Server, cookie: &str, path: &str) -> String {
    let answer = server.anonymous(Method::GET, path).header(header::COOKIE, cookie).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.unwrap()
}

async fn ledger_of(world: &World) -> PgConnection {
    PgConnection::connect(&world.database_url).await.unwrap()
}

/// A row on its way to the pool, as an engine would have left it, with its event.
async fn insert_row(world: &World, name: &str, state: &str, age: &str, wait: &str) -> Uuid {
    let mut ledger = ledger_of(world).await;
    let id = Uuid::now_v7();
    let insert = "INSERT INTO databases (id, pool_id, state, state_since, region_id, pg_version, neon_project_name, next_attempt_at)
         SELECT $1, id, $2::database_state, now() - $3::interval, region_id, pg_version, $4, now() + $5::interval FROM pools WHERE is_default";
    sqlx::query(insert).bind(id).bind(state).bind(age).bind(name).bind(wait).execute(&mut ledger).await.unwrap();
    let event = "INSERT INTO events (kind, database_id, actor, via, after) VALUES ('database.state', $1, 'test', 'engine', jsonb_build_object('state', $2::text))";
    sqlx::query(event).bind(id).bind(state).execute(&mut ledger).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_no_row_knows_is_quarantined_then_deleted_and_recovered_at_will() {
    let world = World::with_pool(1).await;
    let foreign = world.emulator.create_project("customer-app", None).await.unwrap();
    let orphan = world.emulator.create_project(&our_name(&world).await, None).await.unwrap();
    let server = world.serve_with(hasty()).await;
    let gone = until_status(&world, FindingKind::Orphan, &orphan, FindingStatus::Resolved).await;
    assert_eq!(gone.resolution, Some(Resolution::Deleted));
    assert!(gone.sightings >= 2, "deleted after {} complete sweeps", gone.sightings);
    let waited = gone.resolved_at.unwrap() - gone.first_seen_at;
    assert!(waited.num_milliseconds() >= 1_000, "deleted {waited} after the first sighting");
    assert!(!lives(&world, &orphan).await);
    assert!(lives(&world, &foreign).await);
    let stray = until_status(&world, FindingKind::Stray, &foreign, FindingStatus::NeedsOperator).await;
    assert_eq!(deletions(&world), 1);
    let listed = server.get("/api/v1/findings?kind=stray").await;
    assert_eq!(listed["items"][0]["neon_project_id"], json!(foreign), "{listed}");

    let operator = server.sign_in(Role::Operator).await;
    let id = gone.id.to_string();
    let form = [("id", id.as_str()), ("reason", "it held a report")];
    let viewer = server.sign_in(Role::Viewer).await;
    assert_eq!(decide(&server, &viewer, "recover-finding", &form).await.0, StatusCode::FORBIDDEN);
    let (status, answer) = decide(&server, &operator, "recover-finding", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(lives(&world, &orphan).await);
    sweeps_pass(&world, 4).await;
    assert!(lives(&world, &orphan).await, "what an operator has brought back stays");
    let html = page(&server, &viewer, &format!("/problems/{}", gone.id)).await;
    assert!(html.contains("it held a report") && html.contains("Neon was told to delete the project"), "{html}");

    let all_strays = [("prefix", "customer-"), ("reason", "the other product")];
    let (status, answer) = decide(&server, &operator, "ignore-strays", &all_strays).await;
    assert_eq!((status, answer.as_str()), (StatusCode::OK, "1"));
    assert_eq!(world.ledger.finding(stray.id).await.unwrap().status, FindingStatus::Ignored);
    server.until_available(1).await;
    let html = page(&server, &viewer, "/problems").await;
    assert!(html.contains("Nothing is wrong") && html.contains("4 projects; 2 of them are ours"), "{html}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_is_deleted_and_what_was_brought_back_on_neon_goes_back_to_its_owner() {
    let world = World::with_pool(2).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(2).await;
    let (_, claim) = server.claim("ada").await;
    let (database, project) =
        (claim["database"]["id"].as_str().unwrap(), claim["database"]["neon_project_id"].as_str().unwrap());
    let released =
        server.api(Method::POST, &format!("/api/v1/databases/{database}/release")).json(&json!({})).send().await;
    assert!(released.unwrap().status().is_success());
    until("the released project is deleted", || async { !lives(&world, project).await }).await;
    until("the ledger says so", || async {
        server.get(&format!("/api/v1/databases/{database}")).await["state"] == json!("deleted")
    })
    .await;
    let recover = world.neon(Method::POST, &format!("/projects/{project}/recover")).send().await.unwrap();
    assert!(recover.status().is_success(), "{}", recover.status());
    server.until_available(2).await;
    let mine = world.emulator.inventory().await.unwrap();
    let mine =
        mine.iter().find(|one| one.deleted_at.is_none() && one.id != project && !one.name.contains("mark")).unwrap();
    let twin = world.emulator.create_project(&mine.name, None).await.unwrap();
    let finding = until_status(&world, FindingKind::Twin, &twin, FindingStatus::Resolved).await;
    assert_eq!(finding.resolution, Some(Resolution::Deleted));
    assert!(!lives(&world, &twin).await);
    // Somebody has brought it back: that is not undone by itself.
    let zombie = until_status(&world, FindingKind::Zombie, project, FindingStatus::NeedsOperator).await;
    sweeps_pass(&world, 4).await;
    assert!(lives(&world, project).await, "what was recovered in Neon's console is deleted again");
    let operator = server.sign_in(Role::Operator).await;
    let form = [("id", zombie.id.to_string()), ("reason", String::from("it was released by mistake"))];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, answer) = decide(&server, &operator, "take-back-finding", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (_, again) = server.claim("ada").await;
    assert_eq!(again["database"]["neon_project_id"], json!(project), "its owner has it again: {again}");
    assert!(lives(&world, &mine.id).await);
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ghost_in_the_pool_is_replaced_and_an_owners_is_shown_and_brought_back() {
    let world = World::with_pool(2).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(2).await;
    let (_, claim) = server.claim("ada").await;
    let owned = claim["database"]["neon_project_id"].as_str().unwrap().to_owned();
    server.until_available(2).await;
    let pooled = world.ledger.living_projects().await.unwrap().into_iter().find(|id| *id != owned).unwrap();
    world.emulator.delete_project(&owned).await.unwrap();
    world.emulator.delete_project(&pooled).await.unwrap();

    let replaced = until_status(&world, FindingKind::Ghost, &pooled, FindingStatus::Resolved).await;
    assert_eq!(replaced.resolution, Some(Resolution::Replaced));
    until("the ghost is no longer in the pool", || async {
        !world.ledger.living_projects().await.unwrap().contains(&pooled)
    })
    .await;
    server.until_available(2).await;

    let lost = until_status(&world, FindingKind::Ghost, &owned, FindingStatus::NeedsOperator).await;
    assert!(lost.recoverable_until.is_some_and(|until| (until - lost.as_of).num_days() >= 6), "{lost:?}");
    let database = claim["database"]["id"].as_str().unwrap();
    assert_eq!(
        server.get(&format!("/api/v1/databases/{database}")).await["state"],
        "claimed",
        "an owner's is not touched"
    );
    let status = world.ledger.status().await.unwrap();
    assert!(status.level == StatusLevel::Bad && status.problems[0].text.contains("ghost"), "{:?}", status.problems);
    let operator = server.sign_in(Role::Operator).await;
    assert!(page(&server, &operator, &format!("/databases/{database}")).await.contains("gone from Neon"));
    assert!(page(&server, &operator, "/problems").await.contains("ada@mail.example"));

    let form = [("id", lost.id.to_string()), ("reason", String::from("ticket 4711"))];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, answer) = decide(&server, &operator, "recover-finding", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let mut connection = PgConnection::connect(claim["connection"]["uri"].as_str().unwrap()).await.unwrap();
    connection.ping().await.unwrap();
    sweeps_pass(&world, 3).await;
    assert_eq!(world.ledger.finding(lost.id).await.unwrap().resolution, Some(Resolution::Recovered));
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_misses_projects_deletes_and_replaces_nothing() {
    const COUNT: i64 = 12;
    let world = World::with_pool(COUNT as i32).await;
    let server = world.serve_with(hasty()).await;
    server.until_available(COUNT).await;
    let living = async || {
        let mut living = world.ledger.living_projects().await.unwrap();
        living.sort();
        living
    };
    let before = living().await;
    let foreign = world.emulator.create_project("staging-1", None).await.unwrap();
    let missing = || Rule::new(Fault::Missing).on("GET", "/projects").for_share(0.5, 7);

    // Once: the next sweep takes it back.
    world.emulator.faults().add(missing().for_sweeps(1));
    until("the list has missed some", || async { !all(&world, FindingKind::Ghost).await.is_empty() }).await;
    until("all of it is taken back", || async {
        all(&world, FindingKind::Ghost).await.iter().all(|ghost| ghost.status == FindingStatus::Resolved)
    })
    .await;
    // Again and again: it is confirmed, but Neon knows them when asked.
    let first = all(&world, FindingKind::Ghost).await.len();
    world.emulator.faults().add(missing());
    until("the lie is confirmed and seen through", || async {
        all(&world, FindingKind::Ghost)
            .await
            .iter()
            .filter(|ghost| ghost.sightings >= 2 && ghost.resolution == Some(Resolution::Gone))
            .count()
            >= 3
    })
    .await;
    world.emulator.faults().clear();
    sweeps_pass(&world, 3).await;
    assert!(all(&world, FindingKind::Ghost).await.len() > first);
    assert_eq!(deletions(&world), 0);
    assert!(lives(&world, &foreign).await);
    assert_eq!(living().await, before, "no database was replaced");
    assert_eq!(server.available().await, COUNT);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_list_confirms_nothing_and_takes_nothing_back() {
    let world = World::with_pool(2).await;
    let orphan = world.emulator.create_project(&our_name(&world).await, None).await.unwrap();
    let unread = world.emulator.create_project("slow-to-read", None).await.unwrap();
    world.emulator.faults().add(Rule::new(Fault::Unavailable).on("GET", "/projects").for_project(&unread));
    let server = world.serve_with(hasty()).await;
    until("it is seen", || async { about(&world, FindingKind::Orphan, &orphan).await.is_some() }).await;
    sweeps_pass(&world, 4).await;
    let suspected = about(&world, FindingKind::Orphan, &orphan).await.unwrap();
    assert_eq!((suspected.status, suspected.sightings), (FindingStatus::Suspected, 0));
    assert!(all(&world, FindingKind::Ghost).await.is_empty(), "what a partial list does not show may be there");
    assert_eq!(deletions(&world), 0);
    world.emulator.faults().clear();
    until_status(&world, FindingKind::Orphan, &orphan, FindingStatus::Resolved).await;
    assert!(!lives(&world, &orphan).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_at_once_set_the_brake_until_an_operator_lifts_it() {
    const COUNT: usize = 12;
    let world = World::with_pool(1).await;
    let mut orphans = Vec::new();
    for _ in 0..COUNT {
        orphans.push(world.emulator.create_project(&our_name(&world).await, None).await.unwrap());
    }
    let server = world.serve_with(hasty()).await;
    until("the brake is on", || async { world.ledger.brake().await.unwrap().is_some() }).await;
    sweeps_pass(&world, 3).await;
    assert_eq!(deletions(&world), 0, "nothing is deleted when too much is due");
    let brake = world.ledger.brake().await.unwrap().unwrap();
    assert_eq!((brake.due, brake.cap), (COUNT as i64, 10));
    let status = world.ledger.status().await.unwrap();
    assert!(status.problems.iter().any(|one| one.level == StatusLevel::Bad && one.text.contains("brake is on")));
    let count = "SELECT count(*) FROM events WHERE kind = 'reconcile.brake'";
    let alerts: i64 = sqlx::query_scalar(count).fetch_one(&mut ledger_of(&world).await).await.unwrap();
    assert_eq!(alerts, 1, "told once");
    assert_eq!(server.get("/api/v1/findings").await["brake"], true);

    let viewer = server.sign_in(Role::Viewer).await;
    assert!(page(&server, &viewer, "/problems").await.contains("The brake is on"));
    let form = [("reason", "an old test run of ours")];
    assert_eq!(decide(&server, &viewer, "lift-brake", &form).await.0, StatusCode::FORBIDDEN);
    let operator = server.sign_in(Role::Operator).await;
    let (status, answer) = decide(&server, &operator, "lift-brake", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for orphan in &orphans {
        until("it is deleted", || async { !lives(&world, orphan).await }).await;
    }
    assert!(world.ledger.brake().await.unwrap().is_none());
    until("nothing is wrong any more", || async { world.ledger.status().await.unwrap().problems.is_empty() }).await;
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_that_neon_refuses_to_delete_is_an_operators_and_not_tried_again() {
    let world = World::with_pool(0).await;
    let orphan = world.emulator.create_project(&our_name(&world).await, None).await.unwrap();
    let branches = format!("/projects/{orphan}/branches");
    let found: Value = world.neon(Method::GET, &branches).send().await.unwrap().json().await.unwrap();
    let branch = format!("{branches}/{}", found["branches"][0]["id"].as_str().unwrap());
    let protect = || world.neon(Method::PATCH, &branch).json(&json!({ "branch": { "protected": true } })).send();
    until("its branch is protected", || async { protect().await.unwrap().status().is_success() }).await;
    let server = world.serve_with(hasty()).await;
    let finding = until_status(&world, FindingKind::Orphan, &orphan, FindingStatus::NeedsOperator).await;
    let why = format!("{} {:?} {:?}", finding.doing(), finding.timeline, finding.last_error);
    assert!(why.contains("cannot delete a project with protected branches"), "{why}");
    sweeps_pass(&world, 3).await;
    assert_eq!(deletions(&world), 1);
    assert!(lives(&world, &orphan).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_is_adopted_claimed_and_used_but_not_one_that_holds_something() {
    let world = World::with_pool(0).await;
    let (empty, used) = (
        world.emulator.create_project(&our_name(&world).await, None).await.unwrap(),
        world.emulator.create_project(&our_name(&world).await, None).await.unwrap(),
    );
    let uri = format!("/projects/{used}/connection_uri?database_name=neondb&role_name=neondb_owner");
    until("it can be connected to", || async {
        world.neon(Method::GET, &uri).send().await.unwrap().status().is_success()
    })
    .await;
    let uri: Value = world.neon(Method::GET, &uri).send().await.unwrap().json().await.unwrap();
    let mut connection = PgConnection::connect(uri["uri"].as_str().unwrap()).await.unwrap();
    connection.execute("CREATE TABLE letters (text text)").await.unwrap();
    connection.close().await.unwrap();
    let server = world.serve_with(patient()).await;
    let operator = server.sign_in(Role::Operator).await;
    let adopt = async |project: &str| {
        let finding = until_status(&world, FindingKind::Orphan, project, FindingStatus::Quarantined).await;
        let id = finding.id.to_string();
        decide(&server, &operator, "adopt-finding", &[("id", &id), ("reason", "left over from a test")]).await
    };
    let (status, answer) = adopt(&used).await;
    assert!(status == StatusCode::CONFLICT && answer.contains("has been made"), "{status} {answer}");
    let finding = about(&world, FindingKind::Orphan, &used).await.unwrap();
    let id = finding.id.to_string();
    let early = [("id", id.as_str()), ("confirmation", &finding.title()), ("reason", "not needed")];
    let (status, answer) = decide(&server, &operator, "delete-finding", &early).await;
    assert!(status == StatusCode::CONFLICT && answer.contains("quarantine"), "{status} {answer}");

    let (status, answer) = adopt(&empty).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    server.until_available(1).await;
    let (status, claim) = server.claim("ada").await;
    assert_eq!((status, &claim["database"]["neon_project_id"]), (StatusCode::CREATED, &json!(empty)));
    let mut connection = PgConnection::connect(claim["connection"]["uri"].as_str().unwrap()).await.unwrap();
    connection.ping().await.unwrap();
    until("it has its plan's quota", || async {
        let mine = world.emulator.inventory().await.unwrap();
        let quota = mine.into_iter().find(|one| one.id == empty).and_then(|one| one.quota);
        quota.is_some_and(|quota| quota.logical_size_bytes == Some(536_870_912))
    })
    .await;
    assert_eq!(world.ledger.violations().await.unwrap(), []);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ignored_stays_even_if_a_list_misses_it_once() {
    let world = World::with_pool(0).await;
    let orphan = world.emulator.create_project(&our_name(&world).await, None).await.unwrap();
    let mut settings = hasty();
    settings.findings.quarantine = 3.0;
    let server = world.serve_with(settings).await;
    let finding = until_status(&world, FindingKind::Orphan, &orphan, FindingStatus::Quarantined).await;
    let by = By { reason: Some(String::from("kept for the auditors")), ..By::cli() };
    world.ledger.ignore_finding(finding.id, &by).await.unwrap();
    world.emulator.faults().add(Rule::new(Fault::Missing).on("GET", "/projects").for_project(&orphan).for_sweeps(2));
    sweeps_pass(&world, 6).await;
    let still = world.ledger.finding(finding.id).await.unwrap();
    assert_eq!((still.status, still.reason.as_deref()), (FindingStatus::Ignored, Some("kept for the auditors")));
    assert!(lives(&world, &orphan).await);
    world.ledger.look_again(finding.id, &by).await.unwrap();
    until("it is deleted after all", || async { !lives(&world, &orphan).await }).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_changed_on_neon_is_put_right_until_it_looks_like_a_fight() {
    let world = World::with_pool(1).await;
    let mut settings = hasty();
    settings.findings.drift_tries = 2;
    let server = world.serve_with(settings).await;
    server.until_available(1).await;
    let (_, claim) = server.claim("ada").await;
    let project = claim["database"]["neon_project_id"].as_str().unwrap().to_owned();
    let storage = async || {
        let all = world.emulator.inventory().await.unwrap();
        all.into_iter().find(|one| one.id == project).unwrap().quota.and_then(|quota| quota.logical_size_bytes)
    };
    let database = claim["database"]["id"].as_str().unwrap();
    until("Neon has confirmed the claim's own quota", || async {
        !world.ledger.database(database.parse().unwrap()).await.unwrap().row.pending
    })
    .await;
    let ours = storage().await;
    let theirs = Quota { logical_size_bytes: Some(7_000_000_000), ..Quota::default() };
    for round in 1..=2 {
        until("Neon lets it be changed", || async {
            world.emulator.change_quota(&project, Some(theirs)).await.is_ok()
        })
        .await;
        until("the ledger's quota is back", || async { storage().await == ours }).await;
        until("that is confirmed by a sweep", || async {
            all(&world, FindingKind::Drifted)
                .await
                .iter()
                .filter(|one| one.resolution == Some(Resolution::Reapplied))
                .count()
                == round
        })
        .await;
    }
    world.emulator.change_quota(&project, Some(theirs)).await.unwrap();
    let fight = async || {
        let all = all(&world, FindingKind::Drifted).await;
        all.into_iter().find(|finding| finding.status == FindingStatus::NeedsOperator)
    };
    until("it is left to an operator", || async { fight().await.is_some() }).await;
    sweeps_pass(&world, 2).await;
    assert_eq!(storage().await, theirs.logical_size_bytes, "no longer fought over");
    let operator = server.sign_in(Role::Operator).await;
    let id = fight().await.unwrap().id.to_string();
    let (status, answer) =
        decide(&server, &operator, "accept-finding", &[("id", &id), ("reason", "a bigger plan")]).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let detail = world.ledger.database(database.parse().unwrap()).await.unwrap();
    assert_eq!((detail.quota.logical_size_bytes, detail.quota.compute_time_seconds), (theirs.logical_size_bytes, None));
    sweeps_pass(&world, 3).await;
    assert!(world.ledger.database(database.parse().unwrap()).await.unwrap().finding.is_none());
    assert_eq!(storage().await, theirs.logical_size_bytes);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn creations_that_came_to_a_halt_are_adopted_or_replaced() {
    let world = World::with_pool(0).await;
    let (halted, failed) = (our_name(&world).await, our_name(&world).await);
    let project = world.emulator.create_project(&halted, None).await.unwrap();
    let remains = world.emulator.create_project(&failed, None).await.unwrap();
    let row = insert_row(&world, &halted, "creating", "2 hours", "2 hours").await;
    let given_up = insert_row(&world, &failed, "failed", "5 minutes", "0").await;
    let server = world.serve_with(hasty()).await;
    until("the halted one is in the pool", || async {
        let detail = world.ledger.database(row).await.unwrap();
        detail.row.state.as_str() == "available" && detail.row.neon_project_id.as_deref() == Some(&project)
    })
    .await;
    until("the failed one is deleted with its project", || async {
        world.ledger.database(given_up).await.unwrap().row.state.as_str() == "deleted" && !lives(&world, &remains).await
    })
    .await;
    let finding = until_status(&world, FindingKind::HalfBorn, &project, FindingStatus::Resolved).await;
    assert_eq!(finding.resolution, Some(Resolution::Adopted));
    let finding = until_status(&world, FindingKind::HalfBorn, &remains, FindingStatus::Resolved).await;
    assert_eq!(finding.resolution, Some(Resolution::Replaced));
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_is_adopted_while_its_deletion_is_being_prepared_survives() {
    let world = World::with_pool(0).await;
    let name = our_name(&world).await;
    let orphan = world.emulator.create_project(&name, None).await.unwrap();
    // The last look takes long enough for a row to appear meanwhile.
    world.emulator.faults().add(Rule::new(Fault::Delay { delay_ms: 3_000 }).on("GET", "/projects/{project_id}"));
    let server = world.serve_with(hasty()).await;
    let held = "SELECT EXISTS (SELECT FROM findings WHERE leased_by IS NOT NULL)";
    until("the engine takes it for its last look", || async {
        sqlx::query_scalar(held).fetch_one(&mut ledger_of(&world).await).await.unwrap()
    })
    .await;
    let row = insert_row(&world, &name, "creating", "0", "0").await;
    until("it is in the pool", || async {
        world.ledger.database(row).await.unwrap().row.state.as_str() == "available"
    })
    .await;
    let finding = until_status(&world, FindingKind::Orphan, &orphan, FindingStatus::Resolved).await;
    assert_eq!(finding.resolution, Some(Resolution::Adopted));
    assert_eq!(deletions(&world), 0);
    assert!(lives(&world, &orphan).await);
    world.assert_sound().await;
    server.stop().await;
}
