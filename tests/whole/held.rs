//! Whose a database is by its name on Neon, or by a claim of a moment ago, stands against whoever takes it to be nobody's; and what was given up for
//! somebody else's goes back to its owner.

use fleet_types::FindingKind;
use ledger::By;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    reconcile::{about, decide, our_name},
    repairs::{before_the_start, command, ledger_command, with_a_forgotten_claim},
    restores::{held_by, is_in_safe_mode, marked, marking_every, project_of},
    safety::{lives, rows, until_state},
    support::{Server, World, until},
};

async fn id_of(world: &World, project: &str) -> String {
    rows(world, &format!("SELECT id::text FROM databases WHERE neon_project_id = '{project}'")).await.remove(0)
}

async fn release(server: &Server, id: &str, body: Value) -> (StatusCode, String) {
    let request = server.api(Method::POST, &format!("/api/v1/databases/{id}/release")).json(&body);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

pub async fn in_the_ledger(world: &World, sql: String) {
    PgConnection::connect(&world.database_url).await.unwrap().execute(AssertSqlSafe(sql)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_start_the_name_on_neon_is_right_and_the_restored_ledger_is_not() {
    let (world, project) = before_the_start("ada").await;
    let id = id_of(&world, &project).await;
    let give_back = format!("`flotilla ledger give-back {project} --owner ada`");
    for more in [&[][..], &["--anyway"]] {
        let release = ["database", "release", &id, "--reason", "cleanup"];
        let (is_done, words) = command(&world, &[&release, more].concat()).await;
        assert!(!is_done && words.contains("ada holds it") && words.contains(&give_back), "{more:?}: {words}");
    }
    let (_, words) = ledger_command(&world, &["repair"]).await;
    assert!(
        words.contains("These lists are provisional") && words.contains("Start the server with this ledger"),
        "{words}"
    );
    let (is_done, words) = ledger_command(&world, &["repair", "--end"]).await;
    assert!(!is_done && words.contains("no safe mode to end yet") && !words.contains("Safe mode goes on"), "{words}");
    until_state(&world, &project, "available").await;
    let server = world.serve_with(marking_every(1)).await;
    until("it is in safe mode", || async { is_in_safe_mode(&world).await }).await;
    let (_, words) = ledger_command(&world, &["repair"]).await;
    assert!(!words.contains("provisional"), "{words}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_safe_mode_what_a_name_gives_to_an_owner_is_released_by_nobody() {
    let (world, server, project) = with_a_forgotten_claim("ada").await;
    let id = id_of(&world, &project).await;
    for body in [json!({ "reason": "cleanup" }), json!({ "reason": "cleanup", "anyway": true })] {
        let (status, words) = release(&server, &id, body.clone()).await;
        let says_whose = words.contains("ada holds it") && words.contains("flotilla ledger give-back");
        assert!(status == StatusCode::CONFLICT && says_whose, "{body}: {status} {words}");
    }
    until_state(&world, &project, "withheld").await;
    assert!(ledger_command(&world, &["repair", "--apply"]).await.0);
    // From another window, where it was withheld a moment ago.
    let (status, words) = release(&server, &id, json!({ "reason": "cleanup", "anyway": true })).await;
    assert!(status == StatusCode::CONFLICT && words.contains("ada has claimed it"), "{status} {words}");
    let (is_done, words) = ledger_command(&world, &["repair", "--end"]).await;
    assert!(is_done, "{words}");
    assert_eq!(project_of(&server, "ada").await, project);
    assert!(lives(&world, &project).await);
    let (status, words) = release(&server, &id, json!({ "reason": "account closed" })).await;
    assert!(status.is_success(), "it is theirs to give up: {status} {words}");
    server.stop().await;
}

/// Two databases that were given up as nobody's, while their names on Neon say that somebody holds them.
async fn given_up_against_their_names() -> (World, Server, [String; 2]) {
    let (world, server) = marked(marking_every(1)).await;
    world.ledger.pause_pool("standard", &By::cli()).await.unwrap();
    let sql = "SELECT neon_project_id FROM databases WHERE state = 'available' ORDER BY available_order LIMIT 2";
    let projects: [String; 2] = rows(&world, sql).await.try_into().unwrap();
    for project in &projects {
        let id: Uuid = id_of(&world, project).await.parse().unwrap();
        assert!(world.ledger.withhold(id, "nobody can tell", &By::cli()).await.unwrap());
        let name = world.living_on_neon().await.into_iter().find(|one| one.id == *project).unwrap().name;
        let renamed = json!({ "project": { "name": format!("{name}-oSomebody") } });
        until("it is renamed", || async {
            let path = format!("/projects/{project}");
            world.neon(Method::PATCH, &path).json(&renamed).send().await.unwrap().status().is_success()
        })
        .await;
        world.ledger.release(id, &By::cli()).await.unwrap();
        let refused = format!("SELECT last_error FROM databases WHERE id = '{id}' AND release_refused_at IS NOT NULL");
        until("it is not deleted", || async {
            rows(&world, &refused).await.iter().any(|why| why.contains("somebody holds it"))
        })
        .await;
    }
    (world, server, projects)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_released_against_its_name_goes_back_or_goes_by_a_persons_word() {
    let (world, server, [theirs, nobodys]) = given_up_against_their_names().await;
    let (id, other) = (id_of(&world, &theirs).await, id_of(&world, &nobodys).await);
    let (status, words) = release(&server, &id, json!({ "reason": "again" })).await;
    assert!(status == StatusCode::CONFLICT && words.contains("somebody holds it"), "{status} {words}");

    let named = ["give-back", &theirs, "--owner", "ada", "--plan", "free"];
    let (is_done, words) = ledger_command(&world, &named).await;
    assert!(is_done, "{words}");
    assert_eq!(project_of(&server, "ada").await, theirs);
    let left =
        format!("SELECT coalesce(releasing_at::text, release_refused_at::text, '') FROM databases WHERE id = '{id}'");
    assert_eq!(rows(&world, &left).await, [""], "nothing of the release is left");

    // The ledger is known to be the newest: a person's word counts.
    let (status, words) = release(&server, &other, json!({ "anyway": true, "reason": "we renamed it" })).await;
    assert!(status.is_success(), "{status} {words}");
    until("it is deleted", || async { !lives(&world, &nobodys).await }).await;
    assert!(lives(&world, &theirs).await);
    world.assert_sound().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_claimed_since_the_list_is_not_released_with_the_unclaimed() {
    let (world, server) = marked(marking_every(1)).await;
    let list = server.get("/api/v1/databases?state=available").await;
    let listed: Vec<&str> = list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let held = held_by(&server, "ada").await;
    let theirs = held["id"].as_str().unwrap();
    assert!(listed.contains(&theirs), "{listed:?}");
    for id in &listed {
        let (status, words) = release(&server, id, json!({ "reason": "a new key", "only_unclaimed": true })).await;
        match *id == theirs {
            true => assert!(status == StatusCode::CONFLICT && words.contains("ada has claimed it"), "{status} {words}"),
            false => assert!(status.is_success(), "{status} {words}"),
        }
    }
    let (is_done, words) =
        command(&world, &["database", "release", theirs, "--reason", "a new key", "--only-unclaimed"]).await;
    assert!(!is_done && words.contains("ada has claimed it"), "{words}");
    assert_eq!(server.get(&format!("/api/v1/databases/{theirs}")).await["state"], json!("claimed"));
    assert!(lives(&world, held["neon_project_id"].as_str().unwrap()).await);
    let (status, words) = release(&server, theirs, json!({ "reason": "account closed" })).await;
    assert!(status.is_success(), "{status} {words}");
    server.stop().await;
}

/// As after it was taken for nobody's and deleted, and somebody has brought it back on Neon: no owner, and no credentials any more.
async fn delete_here_alone(world: &World, project: &str) {
    for change in [
        "state = 'releasing', releasing_at = now(), next_attempt_at = now() + interval '1 hour'",
        "state = 'deleted', deleted_at = now(), sealed_credentials = NULL",
    ] {
        in_the_ledger(world, format!("UPDATE databases SET {change} WHERE neon_project_id = '{project}'")).await;
    }
}

async fn is_connectable(world: &World, project: &str) -> bool {
    let sql = format!(
        "SELECT state::text || ' ' || (sealed_credentials IS NOT NULL) FROM databases WHERE neon_project_id = '{project}'"
    );
    rows(world, &sql).await == ["claimed true"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_that_never_had_an_owner_here_goes_to_whom_its_name_gives_it() {
    let (world, server, project) = with_a_forgotten_claim("ada").await;
    delete_here_alone(&world, &project).await;
    let (_, words) = ledger_command(&world, &["repair"]).await;
    let command =
        format!("the ledger says deleted. Give it back to them: `flotilla ledger give-back {project} --owner ada`");
    assert!(words.contains(&command), "{words}");
    let zombie = async || about(&world, FindingKind::Zombie, &project).await;
    until("a sweep has found it", || async { zombie().await.is_some() }).await;
    let operator = server.sign_in(fleet_types::Role::Operator).await;
    let id = zombie().await.unwrap().id.to_string();
    let form = [("id", id.as_str()), ("reason", "it was taken for nobody's")];
    let (status, answer) = decide(&server, &operator, "take-back-finding", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(is_connectable(&world, &project).await);
    assert!(!zombie().await.unwrap().status.is_open());
    assert_eq!(project_of(&server, "ada").await, project);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_goes_back_by_the_command_and_without_a_name_the_screen_says_which() {
    let (world, server, project) = with_a_forgotten_claim("ada").await;
    let unnamed = "SELECT neon_project_id FROM databases WHERE state = 'withheld' AND neon_project_id <> ";
    let unnamed = rows(&world, &format!("{unnamed}'{project}' LIMIT 1")).await.remove(0);
    for project in [&project, &unnamed] {
        delete_here_alone(&world, project).await;
    }
    until("a sweep has found both", || async {
        about(&world, FindingKind::Zombie, &project).await.is_some()
            && about(&world, FindingKind::Zombie, &unnamed).await.is_some()
    })
    .await;
    let operator = server.sign_in(fleet_types::Role::Operator).await;
    let id = about(&world, FindingKind::Zombie, &unnamed).await.unwrap().id.to_string();
    let form = [("id", id.as_str()), ("reason", "who had it?")];
    let (status, answer) = decide(&server, &operator, "take-back-finding", &form).await;
    let by_hand = format!("flotilla ledger give-back {unnamed} --owner ID");
    assert!(status == StatusCode::CONFLICT && answer.contains(&by_hand), "{status} {answer}");
    // Whom the name tells needs no plan.
    for arguments in
        [&["give-back", &project, "--owner", "ada"][..], &["give-back", &unnamed, "--owner", "grace", "--plan", "free"]]
    {
        let (is_done, words) = ledger_command(&world, arguments).await;
        assert!(is_done, "{arguments:?}: {words}");
    }
    for (owner, project) in [("ada", &project), ("grace", &unnamed)] {
        assert_eq!(&project_of(&server, owner).await, project, "{owner}");
        assert!(is_connectable(&world, project).await);
        assert!(!about(&world, FindingKind::Zombie, project).await.unwrap().status.is_open());
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_the_same_database_back_at_the_same_time_is_told_so() {
    let world = World::with_pool(0).await;
    let project = world.emulator.create_project(&our_name(&world).await, None).await.unwrap();
    let uri = format!("/projects/{project}/connection_uri?database_name=neondb&role_name=neondb_owner");
    until("it can be connected to", || async {
        world.neon(Method::GET, &uri).send().await.unwrap().status().is_success()
    })
    .await;
    let owners = ["ada", "grace", "hedy", "joan"];
    let arguments = owners.map(|owner| ["give-back", &project, "--owner", owner, "--plan", "free"]);
    let [one, two, three, four] = &arguments;
    let (one, two, three, four) = tokio::join!(
        ledger_command(&world, one),
        ledger_command(&world, two),
        ledger_command(&world, three),
        ledger_command(&world, four)
    );
    let told = [one, two, three, four];
    assert_eq!(told.iter().filter(|(is_done, _)| *is_done).count(), 1, "{told:#?}");
    for (_, words) in told.iter().filter(|(is_done, _)| !is_done) {
        let is_a_sentence = words.contains("at the same moment") || words.contains("It goes to nobody else");
        assert!(is_a_sentence && !words.contains("duplicate key"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_repair_settles_at_the_same_time_is_not_for_a_person() {
    let (world, server, project) = with_a_forgotten_claim("ada").await;
    let repair = || ledger_command(&world, &["repair", "--apply"]);
    let (one, two, three, four) = tokio::join!(repair(), repair(), repair(), repair());
    for (is_done, words) in [one, two, three, four] {
        assert!(is_done && words.contains("For a person to decide: 0"), "{words}");
    }
    assert_eq!(project_of(&server, "ada").await, project);
    server.stop().await;
}
