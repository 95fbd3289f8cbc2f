//! What `flotilla ledger` says and does after a restore, and with a copy.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
};

use ledger::{By, Ledger};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    backup::{copy, restore},
    restores::{back_up, is_in_safe_mode, marked, marking_every, project_of, until_told},
    support::{NEON_KEY, Server, World, until},
};

/// `flotilla ledger …` with a server's settings.
pub async fn ledger_command(world: &World, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.arg("ledger").args(arguments).env_clear();
    command.env("DATABASE_URL", &world.database_url).env("FLOTILLA_SECRET_KEY", &world.secret_key);
    command.env("NEON_API_KEY", NEON_KEY).env("NEON_API_HOST", &world.neon_url);
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (status.success(), [stdout, stderr].map(|words| String::from_utf8(words).unwrap()).concat())
}

/// A ledger that has forgotten the claim of this owner, knows that, and serves again.
async fn with_a_forgotten_claim(owner: &str) -> (World, Server, String) {
    let (world, server) = marked(marking_every(1)).await;
    let backup = back_up(&world).await;
    let project = project_of(&server, owner).await;
    until_told(&world, &BTreeSet::from([project.clone()])).await;
    server.stop().await;
    restore(&world, &backup).await;
    let server = world.serve_with(marking_every(1)).await;
    until("safe mode has settled", || async {
        world.ledger.safe_mode().await.unwrap().is_some_and(|mode| mode.hands_out)
    })
    .await;
    (world, server, project)
}

#[tokio::test(flavor = "multi_thread")]
async fn safe_mode_does_not_end_with_work_left_unless_it_shall_all_the_same() {
    let (world, server, project) = with_a_forgotten_claim("ada").await;
    let (is_done, words) = ledger_command(&world, &["repair", "--end"]).await;
    assert!(!is_done && words.contains(&project) && words.contains("Safe mode goes on"), "{words}");
    let release = "flotilla database release ID --reason WHY";
    assert!(words.contains(release), "a release without a reason is refused: {words}");
    assert!(is_in_safe_mode(&world).await);
    let (is_done, words) = ledger_command(&world, &["repair", "--end", "--anyway"]).await;
    assert!(is_done && words.contains("Safe mode is over"), "{words}");
    assert!(!is_in_safe_mode(&world).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_gives_up_in_safe_mode_is_settled() {
    let (world, server, project) = with_a_forgotten_claim("ada").await;
    assert!(ledger_command(&world, &["repair", "--apply"]).await.0);
    assert_eq!(project_of(&server, "ada").await, project);
    let (_, claim) = server.claim("ada").await;
    let path = format!("/api/v1/databases/{}/release", claim["database"]["id"].as_str().unwrap());
    assert!(server.api(Method::POST, &path).json(&json!({})).send().await.unwrap().status().is_success());
    let (is_done, words) = ledger_command(&world, &["repair", "--end"]).await;
    assert!(is_done && words.contains("Safe mode is over") && !words.contains("Nothing was changed"), "{words}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_shows_and_changes_nothing_of_the_original() {
    let (world, server) = marked(marking_every(1)).await;
    let (_, claim) = server.claim("ada").await;
    let id = claim["database"]["id"].as_str().unwrap().to_owned();
    server.stop().await;
    let (is_done, words) = ledger_command(&world, &["new-identity"]).await;
    assert!(is_done && words.contains("With --yes --abandon 1"), "{words}");
    for number in [&[][..], &["--abandon", "2"]] {
        let (is_done, words) = ledger_command(&world, &[&["new-identity", "--yes"], number].concat()).await;
        assert!(!is_done && words.contains("owners hold 1 databases of this ledger"), "{words}");
    }
    let (is_done, words) = ledger_command(&world, &["new-identity", "--yes", "--abandon", "1"]).await;
    assert!(is_done, "{words}");
    let name = world.database_url.rsplit('/').next().unwrap();
    assert!(words.contains(&format!("the database {name} on ")) && words.contains("1 claimed databases"), "{words}");
    let copy = world.serve_with(marking_every(1)).await;
    let (status, again) = copy.claim("ada").await;
    assert_eq!((status, &again["connection_omitted"]), (StatusCode::OK, &json!("copied")), "{again}");
    assert!(again["connection"].is_null(), "{again}");
    let quota = json!({ "logical_size_bytes": 1_073_741_824_i64, "reason": "bigger" });
    for (method, action, body) in [
        (Method::PATCH, "quota", quota),
        (Method::POST, "suspend", json!({})),
        (Method::POST, "resume", json!({})),
        (Method::POST, "rotate-password", json!({ "reason": "it leaked" })),
        (Method::POST, "release", json!({})),
    ] {
        let answer = copy.api(method, &format!("/api/v1/databases/{id}/{action}")).json(&body).send().await.unwrap();
        let (status, words) = (answer.status(), answer.text().await.unwrap());
        assert!(
            status == StatusCode::CONFLICT && words.contains("this ledger was copied"),
            "{action}: {status} {words}"
        );
    }
    copy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn production_in_safe_mode_is_not_abandoned_by_what_is_meant_for_its_copy() {
    let (world, server) = marked(marking_every(1)).await;
    let project = project_of(&server, "ada").await;
    let copy = copy(&world, &format!("staging_{}", Uuid::now_v7().simple())).await;
    let beside = world.serve_beside(&copy, marking_every(1)).await;
    until("production hands out nothing", || async {
        world.ledger.safe_mode().await.unwrap().is_some_and(|mode| !mode.hands_out)
    })
    .await;
    let (is_done, words) = ledger_command(&world, &["new-identity", "--yes", "--abandon", "1"]).await;
    assert!(!is_done && words.contains("a process of this ledger is running"), "{words}");
    let copied = Ledger::connect(&copy, 2).await.unwrap();
    let on_the_copy = async || copied.new_identity(1, false, &By::cli()).await;
    assert!(on_the_copy().await.unwrap_err().to_string().contains("stop its servers too"));
    beside.stop().await;
    until("the copy is at rest", || async { on_the_copy().await.is_ok() }).await;
    assert_ne!(project_of(&server, "grace").await, project, "production hands out again");
    let (_, claim) = server.claim("ada").await;
    assert_eq!((&claim["database"]["neon_project_id"], &claim["connection_omitted"]), (&json!(project), &json!(null)));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_whose_name_does_not_tell_its_owner_is_given_to_who_is_named() {
    let long = "x".repeat(200);
    let (world, server, project) = with_a_forgotten_claim(&long).await;
    let (_, words) = ledger_command(&world, &["repair", "--apply"]).await;
    assert!(words.contains(&format!("flotilla ledger give-back {project} --owner ID")), "{words}");
    let (is_done, words) = ledger_command(&world, &["give-back", &project, "--owner", &long]).await;
    assert!(!is_done && words.contains("--plan"), "whose plan nobody knows: {words}");
    let unseen = ["give-back", &project, "--owner", "a\u{202e}b", "--plan", "free"];
    let (is_done, words) = ledger_command(&world, &unseen).await;
    assert!(!is_done && words.contains("Invisible characters are not allowed"), "as in the API: {words}");
    let named = ["give-back", &project, "--owner", &long, "--plan", "free", "--email", "x@mail.example"];
    let (is_done, words) = ledger_command(&world, &named).await;
    assert!(is_done, "{words}");
    let (is_done, words) = ledger_command(&world, &named).await;
    assert!(!is_done && words.contains("only what is withheld can be given"), "{words}");
    assert_eq!(project_of(&server, &long).await, project);
    let (is_done, words) = ledger_command(&world, &["repair", "--end"]).await;
    assert!(is_done && words.contains("Safe mode is over"), "{words}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_new_identity_does_not_abandon_what_was_made_under_the_first() {
    let world = World::with_pool(2).await;
    let give_id = || ledger_command(&world, &["new-identity", "--yes"]);
    assert!(give_id().await.0 && give_id().await.0, "nothing was made in between");
    let server = world.serve_with(marking_every(1)).await;
    server.until_available(2).await;
    let id = world.ledger.installation().await.unwrap().id;
    let (is_done, words) = give_id().await;
    assert!(!is_done && words.contains("--again"), "{words}");
    assert_eq!(world.ledger.installation().await.unwrap().id, id);
    let (status, claim) = server.claim("ada").await;
    assert_eq!(status, StatusCode::CREATED, "what was made is still handed out: {claim}");
    assert_ne!(claim["database"]["neon_project_id"], Value::Null);
    server.stop().await;
    let again = ["new-identity", "--yes", "--again", "--abandon", "1"];
    let (is_done, words) = ledger_command(&world, &again).await;
    assert!(is_done, "{words}");
    assert_ne!(world.ledger.installation().await.unwrap().id, id);
}
