//! Restores in place: the ledger is put back to a moment that no mark tells from now, stopped or under a running server. Nobody gets what another held, and
//! who only restarts keeps the pool.

use std::{collections::BTreeSet, time::Duration};

use engine::EngineSettings;
use fleet_types::{Finding, FindingKind, FindingStatus, Role};
use neon_emulator::{Cut, Fault, Rule};
use reqwest::StatusCode;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    backup::{copy, restore},
    reconcile::{about, decide, page, sweeps_pass},
    repairs::ledger_command,
    support::{Server, World, until},
};

const POOL: i64 = 3;

/// As in production, but for the sweeps' rest and how often the mark is renewed.
pub fn marking_every(seconds: u64) -> EngineSettings {
    EngineSettings {
        sweep_rest: Duration::from_millis(300),
        mark_every: Duration::from_secs(seconds),
        ..EngineSettings::default()
    }
}

pub async fn marked(settings: EngineSettings) -> (World, Server) {
    let world = World::with_pool(POOL as i32).await;
    let server = world.serve_with(settings).await;
    server.until_available(POOL).await;
    until("Neon has the mark", || async { world.ledger.installation().await.unwrap().was_marked }).await;
    (world, server)
}

pub async fn back_up(world: &World) -> String {
    let name = format!("backup_{}", Uuid::now_v7().simple());
    copy(world, &name).await;
    name
}

/// The database that the owner claims, as the API answers: from the pool, or from what is made anew. What PostgreSQL's absence refuses is asked for again
/// (a backup cuts connections).
pub async fn held_by(server: &Server, owner: &str) -> Value {
    let served = tokio::sync::OnceCell::new();
    until(&format!("{owner} is served"), || async {
        let (_, mut answer) = server.claim(owner).await;
        answer["database"].is_object() && served.set(answer["database"].take()).is_ok()
    })
    .await;
    served.into_inner().unwrap()
}

pub async fn project_of(server: &Server, owner: &str) -> String {
    held_by(server, owner).await["neon_project_id"].as_str().unwrap().to_owned()
}

async fn claims(server: &Server, owners: [&str; 2]) -> BTreeSet<String> {
    let [first, second] = owners;
    BTreeSet::from([project_of(server, first).await, project_of(server, second).await])
}

pub async fn until_told(world: &World, projects: &BTreeSet<String>) {
    until("Neon is told who holds them", || async {
        let living = world.living_on_neon().await;
        projects.iter().all(|id| living.iter().any(|one| one.id == *id && one.name.contains("-o")))
    })
    .await;
}

/// Nobody else writes the mark: databases are handed out again, and what was unclaimed is withheld.
pub async fn until_safe_mode_settles(world: &World) {
    until("safe mode has settled", || async {
        world.ledger.safe_mode().await.unwrap().is_some_and(|mode| mode.hands_out)
    })
    .await;
}

pub async fn is_in_safe_mode(world: &World) -> bool {
    world.ledger.safe_mode().await.unwrap().is_some()
}

/// The restored ledger gives the held ones to nobody, and knows that it is old.
async fn assert_noticed(world: &World, server: &Server, held: &BTreeSet<String>) {
    for owner in ["new-1", "new-2", "new-3"] {
        let project = project_of(server, owner).await;
        assert!(!held.contains(&project), "{project} went to {owner}, and another holds it");
    }
    assert!(is_in_safe_mode(world).await, "the ledger is taken to be current");
}

async fn mark_of(world: &World) -> String {
    world.ledger.installation().await.unwrap().mark_project_id.unwrap()
}

/// The restored ledger shows nothing of this that is not as it was.
async fn pass_for_the_original(world: &World, settings: &str) {
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    ledger.execute(AssertSqlSafe(format!("UPDATE installation SET {settings}"))).await.unwrap();
}

/// Claims of the last moment before the process is killed: Neon has heard of none. Then the ledger is restored to before them.
async fn lose_the_last_moment(world: &World, server: Server, backup: &str) -> BTreeSet<String> {
    world.emulator.faults().add(Rule::new(Fault::status(503)).on("PATCH", "/projects/{project_id}"));
    let held = claims(&server, ["late-1", "late-2"]).await;
    server.end_without_signing_off().await;
    restore(world, backup).await;
    world.emulator.faults().clear();
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_the_last_moment_before_a_kill_go_to_nobody_else_when_the_ledger_is_restored() {
    // A dump comes into another database; a recovery to a point in time into the same one, on a new timeline.
    for place in ["mark_place = mark_place", "mark_place = ledger_place()"] {
        let (world, server) = marked(marking_every(30)).await;
        let backup = back_up(&world).await;
        let held = lose_the_last_moment(&world, server, &backup).await;
        pass_for_the_original(&world, place).await;
        let server = world.serve_with(marking_every(4)).await;
        assert_noticed(&world, &server, &held).await;
        let evidence = world.ledger.safe_mode().await.unwrap().unwrap().evidence;
        assert!(evidence.contains("restored, moved or failed over"), "{place}: {evidence}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_the_restored_ledger_does_not_know_is_not_deleted_by_itself() {
    let mut quick = marking_every(1);
    quick.findings.quarantine = 1.0;
    quick.findings.grace = 0.05;
    let (world, server) = marked(marking_every(1)).await;
    let backup = back_up(&world).await;
    let before: BTreeSet<String> = world.living_on_neon().await.into_iter().map(|project| project.id).collect();
    // The pool that the backup has is used up, so the others are made after it.
    for owner in ["late-1", "late-2", "late-3"] {
        project_of(&server, owner).await;
    }
    server.until_available(POOL).await;
    let made: Vec<String> = world
        .living_on_neon()
        .await
        .into_iter()
        .map(|project| project.id)
        .filter(|project| !before.contains(project))
        .collect();
    server.stop().await;
    restore(&world, &backup).await;
    let server = world.serve_with(quick).await;
    until_safe_mode_settles(&world).await;
    let (_, words) = ledger_command(&world, &["repair", "--apply"]).await;
    assert!(words.contains("Projects that this ledger does not know, without a sign of use"), "{words}");
    assert!(ledger_command(&world, &["repair", "--end", "--anyway"]).await.0);
    let orphans = async || {
        let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
        let told = "SELECT timeline::text FROM findings WHERE kind = 'orphan' AND status = 'needs_operator'";
        sqlx::query_scalar::<_, String>(told).fetch_all(&mut ledger).await.unwrap()
    };
    until("all are left to a person", || async { made.len() > 1 && orphans().await.len() >= made.len() }).await;
    let living: BTreeSet<String> = world.living_on_neon().await.into_iter().map(|project| project.id).collect();
    assert!(made.iter().all(|project| living.contains(project)), "{made:?}");
    let told = orphans().await;
    assert!(told.iter().all(|one| one.contains("before this ledger was found to be old")), "{told:?}");
    server.stop().await;
}

/// A project that was made and claimed after the backup, of which Neon was told nothing, in a restored ledger whose safe mode has settled.
async fn with_a_claim_that_nothing_tells(settings: EngineSettings) -> (World, Server, String) {
    let (world, server) = marked(marking_every(1)).await;
    let backup = back_up(&world).await;
    // The pool that the backup has is used up, so the next one is made after it.
    for owner in ["late-1", "late-2", "late-3"] {
        project_of(&server, owner).await;
    }
    server.until_available(POOL).await;
    world.emulator.faults().add(Rule::new(Fault::status(503)).on("PATCH", "/projects/{project_id}"));
    let held = project_of(&server, "late-4").await;
    server.end_without_signing_off().await;
    restore(&world, &backup).await;
    world.emulator.faults().clear();
    let server = world.serve_with(settings).await;
    until_safe_mode_settles(&world).await;
    (world, server, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restored_ledger_has_forgotten_is_adopted_by_nobody_and_sets_no_brake() {
    let mut quick = marking_every(1);
    (quick.findings.quarantine, quick.findings.grace) = (1.0, 0.05);
    // One finding that is due is too many.
    quick.findings.cap_least = 0;
    let (world, server, held) = with_a_claim_that_nothing_tells(quick).await;
    let orphan = async || -> Finding { about(&world, FindingKind::Orphan, &held).await.unwrap() };
    until("it is confirmed", || async {
        about(&world, FindingKind::Orphan, &held).await.is_some_and(|found| found.status != FindingStatus::Suspected)
    })
    .await;
    assert_eq!(orphan().await.status, FindingStatus::NeedsOperator);
    let operator = server.sign_in(Role::Operator).await;
    let id = orphan().await.id.to_string();
    let adopt = async || decide(&server, &operator, "adopt-finding", &[("id", &id), ("reason", "it is ours")]).await;
    let shown = async || page(&server, &operator, &format!("/problems/{id}")).await;
    let (status, answer) = adopt().await;
    assert!(status == StatusCode::CONFLICT && answer.contains("Safe mode"), "{status} {answer}");
    assert!(!shown().await.contains("Delete now"), "nothing is deleted in safe mode");
    assert!(ledger_command(&world, &["repair", "--apply"]).await.0);
    assert!(ledger_command(&world, &["repair", "--end", "--anyway"]).await.0);
    let (status, answer) = adopt().await;
    assert!(status == StatusCode::CONFLICT && answer.contains("before this ledger was found to be old"), "{answer}");
    let html = shown().await;
    assert!(html.contains("before this ledger was found to be old") && html.contains("Delete now"), "{html}");
    for text in ["Adopt into the pool", "the project is deleted. Neon keeps", " Due "] {
        assert!(!html.contains(text), "{text}: {html}");
    }
    sweeps_pass(&world, 4).await;
    assert!(
        world
            .ledger
            .brake()
            .await
            .unwrap()
            .is_none_or(|brake| { brake.kinds.iter().all(|(kind, _)| *kind != FindingKind::Orphan) })
    );
    for owner in ["new-1", "new-2", "new-3", "new-4"] {
        assert_ne!(project_of(&server, owner).await, held, "{owner} got what late-4 holds");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_after_the_newest_mark_is_seen_on_neon_when_the_ledger_was_restored_without_it() {
    let (world, server) = marked(marking_every(10)).await;
    // So that the mark of the backup stays the newest one.
    let refusal = Rule::new(Fault::status(503)).on("PATCH", "/projects/{project_id}");
    world.emulator.faults().add(refusal.for_project(&mark_of(&world).await));
    let backup = back_up(&world).await;
    let held = claims(&server, ["late-1", "late-2"]).await;
    until_told(&world, &held).await;
    server.end_without_signing_off().await;
    restore(&world, &backup).await;
    // As after a disk was put back to a snapshot.
    pass_for_the_original(&world, "mark_place = ledger_place(), mark_incarnation = ledger_incarnation()").await;
    world.emulator.faults().clear();
    let server = world.serve_with(marking_every(10)).await;
    assert_noticed(&world, &server, &held).await;
    let evidence = world.ledger.safe_mode().await.unwrap().unwrap().evidence;
    assert!(evidence.contains("says that somebody holds it"), "{evidence}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_which_neon_was_told_nothing_at_all_go_to_nobody_else() {
    let (world, server) = marked(marking_every(1)).await;
    world.emulator.faults().add(Rule::new(Fault::status(503)).on("PATCH", "/projects/{project_id}"));
    until("Neon has taken no mark for three renewals", || async {
        world.ledger.installation().await.unwrap().unconfirmed_seconds > 4.0
    })
    .await;
    let backup = back_up(&world).await;
    let held = claims(&server, ["late-1", "late-2"]).await;
    server.end_without_signing_off().await;
    restore(&world, &backup).await;
    world.emulator.faults().clear();
    let server = world.serve_with(marking_every(1)).await;
    assert_noticed(&world, &server, &held).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_in_order_tells_neon_so_that_an_older_ledger_is_noticed() {
    let (world, server) = marked(marking_every(30)).await;
    let backup = back_up(&world).await;
    let held = claims(&server, ["late-1", "late-2"]).await;
    server.stop().await;
    restore(&world, &backup).await;
    let server = world.serve_with(marking_every(1)).await;
    assert_noticed(&world, &server, &held).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_ledger_that_had_stopped_in_order_is_old_after_the_next_start() {
    let (world, server) = marked(marking_every(30)).await;
    server.stop().await;
    let backup = back_up(&world).await;
    let server = world.serve_with(marking_every(30)).await;
    let held = claims(&server, ["late-1", "late-2"]).await;
    server.end_without_signing_off().await;
    restore(&world, &backup).await;
    let server = world.serve_with(marking_every(1)).await;
    assert_noticed(&world, &server, &held).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_restored_under_a_running_server_to_a_moment_ago_hands_out_nothing_of_it() {
    let (world, server) = marked(marking_every(1)).await;
    let backup = back_up(&world).await;
    let held = BTreeSet::from([project_of(&server, "late-1").await]);
    restore(&world, &backup).await;
    assert_noticed(&world, &server, &held).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_killed_comes_back_to_its_pool() {
    let (world, server) = marked(marking_every(30)).await;
    let pool: BTreeSet<String> = world.living_on_neon().await.into_iter().map(|project| project.id).collect();
    server.end_without_signing_off().await;
    let server = world.serve_with(marking_every(30)).await;
    until("it is handed out again", || async { server.claim("ada").await.0.is_success() }).await;
    assert!(pool.contains(&project_of(&server, "ada").await), "the pool was given up");
    assert!(!is_in_safe_mode(&world).await);
    until("everything in the pool was looked at", || async { world.ledger.doubtful(10).await.unwrap().is_empty() })
        .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_before_it_learns_of_its_first_mark_comes_back_to_its_pool() {
    let world = World::with_pool(POOL as i32).await;
    world.emulator.faults().add(Rule::new(Fault::AnswerLost).on("POST", "/projects"));
    let server = world.serve_with(marking_every(30)).await;
    server.until_available(POOL).await;
    let is_mark_made =
        || async { world.emulator.projects().await.unwrap().iter().any(|one| one.name.starts_with("flotilla-mark-")) };
    until("Neon has made the mark", is_mark_made).await;
    assert!(!world.ledger.installation().await.unwrap().was_marked, "its answer is lost");
    server.end_without_signing_off().await;
    world.emulator.faults().clear();
    let server = world.serve_with(marking_every(30)).await;
    until("it hands out", || async { server.claim("ada").await.0.is_success() }).await;
    assert!(!is_in_safe_mode(&world).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_neon_unless_another_process_goes_on() {
    let (world, server) = marked(marking_every(30)).await;
    world.emulator.faults().cut(Cut { api: true, proxy: false });
    let beside = world.serve_with(marking_every(30)).await;
    until("the second process hands out", || async { beside.claim("ada").await.0 == StatusCode::CREATED }).await;
    server.end_without_signing_off().await;
    beside.end_without_signing_off().await;
    let alone = world.serve_with(marking_every(30)).await;
    for _ in 0..3 {
        let (status, answer) = alone.claim("grace").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    }
    world.emulator.faults().clear();
    until("it hands out once Neon has answered", || async { alone.claim("grace").await.0 == StatusCode::CREATED })
        .await;
    alone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_change_under_a_running_server_do_not_fail_calls_for_good() {
    let world = World::with_pool(0).await;
    world.stock(60).await;
    let server = world.serve().await;
    // Every connection has prepared its statements.
    tokio::join!(
        project_of(&server, "owner-1"),
        project_of(&server, "owner-2"),
        project_of(&server, "owner-3"),
        project_of(&server, "owner-4")
    );
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    ledger.execute("ALTER TABLE pools ALTER COLUMN name TYPE varchar(64)").await.unwrap();
    let mut failed = Vec::new();
    for owner in 5..45 {
        let (status, answer) = server.claim(&format!("owner-{owner}")).await;
        if !status.is_success() {
            failed.push(answer);
        }
    }
    assert!(failed.len() <= 1, "whoever meets it first makes all connections new: {failed:#?}");
    server.stop().await;
}
