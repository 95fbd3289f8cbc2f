//! What `flotilla ledger` says and does after a restore, and with a copy.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
};

use engine::EngineSettings;
use fleet_types::{FindingKind, FindingStatus};
use ledger::{By, Ledger};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::{
    backup::{copy, restore},
    reconcile::{all, decide, sweeps_pass},
    restores::{
        back_up, held_by, is_in_safe_mode, marked, marking_every, project_of, until_safe_mode_settles, until_told,
    },
    support::{NEON_KEY, Server, World, until},
};

/// `flotilla ledger …` with a server's settings.
pub async fn ledger_command(world: &World, arguments: &[&str]) -> (bool, String) {
    command(world, &[&["ledger"], arguments].concat()).await
}

/// `flotilla …` with a server's settings.
pub async fn command(world: &World, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.args(arguments).env_clear();
    command.env("DATABASE_URL", &world.database_url).env("FLOTILLA_SECRET_KEY", &world.secret_key);
    command.env("NEON_API_KEY", NEON_KEY).env("NEON_API_HOST", &world.neon_url);
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (status.success(), [stdout, stderr].map(|words| String::from_utf8(words).unwrap()).concat())
}

/// A restored ledger that has forgotten the claim of this owner, with which no server has been started.
pub async fn before_the_start(owner: &str) -> (World, String) {
    let (world, server) = marked(marking_every(1)).await;
    let backup = back_up(&world).await;
    let project = project_of(&server, owner).await;
    until_told(&world, &BTreeSet::from([project.clone()])).await;
    server.stop().await;
    restore(&world, &backup).await;
    (world, project)
}

/// A ledger that has forgotten the claim of this owner, knows that, and serves again.
pub async fn with_a_forgotten_claim(owner: &str) -> (World, Server, String) {
    let (world, project) = before_the_start(owner).await;
    let server = world.serve_with(marking_every(1)).await;
    until_safe_mode_settles(&world).await;
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

/// The name of the project says the plan of when it was claimed, the ledger the one of now. Its quota is Neon's all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_has_the_plan_that_its_owner_has_by_now_and_neons_quota_as_an_override() {
    let (world, server, _) = with_a_forgotten_claim("ada").await;
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    connection.execute("INSERT INTO owners (id, email, plan) VALUES ('ada', 'ada@mail.example', 'pro')").await.unwrap();
    assert!(ledger_command(&world, &["repair", "--apply"]).await.0);
    let (_, claim) = server.claim("ada").await;
    let path = format!("/api/v1/databases/{}", claim["database"]["id"].as_str().unwrap());
    let given = server.get(&path).await;
    assert_eq!((&given["owner"]["plan"], &given["quota"]["logical_size_bytes"]), (&json!("pro"), &json!(536_870_912)));
    let overrides = given["overrides"].as_array().unwrap();
    let storage = overrides.iter().find(|one| one["field"] == "logical_size_bytes").unwrap();
    assert_eq!((&storage["value"], &storage["until"]), (&json!(536_870_912), &Value::Null), "{given}");
    assert!(storage["reason"].as_str().unwrap().contains("Neon's quota was taken"), "{given}");
    assert_eq!(world.ledger.violations().await.unwrap(), []);
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
        (Method::POST, "relieve", json!({ "limit": "compute_time_seconds" })),
        (Method::DELETE, "overrides/compute_time_seconds", json!({})),
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
    // The copy was made under it: connections are cut, and come back.
    until("production hands out nothing", || async {
        world.ledger.safe_mode().await.ok().flatten().is_some_and(|mode| !mode.hands_out)
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
    assert!(ledger_command(&world, &named).await.0, "done already counts as done");
    let another = ["give-back", &project, "--owner", "grace", "--plan", "free"];
    let (is_done, words) = ledger_command(&world, &another).await;
    assert!(!is_done && words.contains("It goes to nobody else"), "{words}");
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
    assert!(!is_done && words.contains("a process of this ledger is running"), "{words}");
    assert_eq!(world.ledger.installation().await.unwrap().id, id);
    let (status, claim) = server.claim("ada").await;
    assert_eq!(status, StatusCode::CREATED, "what was made is still handed out: {claim}");
    assert_ne!(claim["database"]["neon_project_id"], Value::Null);
    server.stop().await;
    let (is_done, words) = give_id().await;
    assert!(!is_done && words.contains("--again"), "{words}");
    let again = ["new-identity", "--yes", "--again", "--abandon", "1"];
    let (is_done, words) = ledger_command(&world, &again).await;
    assert!(is_done, "{words}");
    assert_ne!(world.ledger.installation().await.unwrap().id, id);
}

/// Drift is judged within a second, and the mark is renewed as often.
pub fn judging_quickly() -> EngineSettings {
    let mut quick = marking_every(1);
    quick.findings.drift_settles = 0.05;
    quick.findings.grace = 0.05;
    quick
}

/// Databases of three owners, whose storage was changed after the backup that the ledger is restored from: the first is held in the backup too, the second
/// is unclaimed there, the third is not in it.
async fn with_forgotten_quotas() -> (World, Server, Vec<(String, i64)>) {
    let (world, server) = marked(marking_every(1)).await;
    project_of(&server, "early").await;
    server.until_available(3).await;
    let backup = back_up(&world).await;
    let mut bought = Vec::new();
    for (owner, gibibytes) in [("early", 7), ("late", 8), ("other-1", 0), ("other-2", 0), ("made-since", 9)] {
        let held = held_by(&server, owner).await;
        if gibibytes > 0 {
            let path = format!("/api/v1/databases/{}/quota", held["id"].as_str().unwrap());
            let body = json!({ "logical_size_bytes": gibibytes << 30, "reason": "bought" });
            // The backup has cut connections.
            until("the quota is taken", || async {
                server.api(Method::PATCH, &path).json(&body).send().await.unwrap().status().is_success()
            })
            .await;
            bought.push((held["neon_project_id"].as_str().unwrap().to_owned(), gibibytes << 30));
        }
    }
    until("Neon has what was bought", || async { storage_on_neon(&world, &bought).await == bought }).await;
    server.stop().await;
    restore(&world, &backup).await;
    let server = world.serve_with(judging_quickly()).await;
    until_safe_mode_settles(&world).await;
    (world, server, bought)
}

/// The storage quota of these projects, as Neon has it.
pub async fn storage_on_neon(world: &World, of: &[(String, i64)]) -> Vec<(String, i64)> {
    let all = world.emulator.inventory().await.unwrap();
    let storage = |id: &str| all.iter().find(|one| one.id == id)?.quota?.logical_size_bytes;
    of.iter().map(|(id, _)| (id.clone(), storage(id).unwrap_or_default())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_owners_have_bought_since_the_backup_survives_the_drill() {
    let (world, server, bought) = with_forgotten_quotas().await;
    let (_, words) = ledger_command(&world, &["repair"]).await;
    let told = format!("(project {}): early: storage 512 MiB → 7 GiB", bought[0].0);
    assert!(words.contains("Quotas that would be taken from Neon: 1") && words.contains(&told), "{words}");
    let (is_done, words) = ledger_command(&world, &["repair", "--apply"]).await;
    assert!(is_done && words.contains("Quotas taken from Neon: 1") && words.contains(&told), "{words}");
    let (is_done, words) = ledger_command(&world, &["repair", "--end"]).await;
    assert!(is_done && words.contains("Quotas that would be taken from Neon: 0"), "{words}");
    let mut databases = Vec::new();
    for (owner, (project, storage)) in ["early", "late", "made-since"].into_iter().zip(&bought) {
        let (_, claim) = server.claim(owner).await;
        assert_eq!(claim["database"]["neon_project_id"], json!(project), "{owner}: {claim}");
        let id: Uuid = claim["database"]["id"].as_str().unwrap().parse().unwrap();
        let detail = world.ledger.database(id).await.unwrap();
        assert_eq!(detail.quota.logical_size_bytes, Some(*storage), "{owner}");
        let says_so =
            |reason: &Option<String>| reason.as_deref().is_some_and(|why| why.contains("Neon's quota was taken"));
        assert!(detail.events.iter().any(|event| says_so(&event.reason)), "{owner}: {:?}", detail.events);
        databases.push(id);
    }
    until("nothing is on its way to Neon", || async {
        for id in &databases {
            if world.ledger.database(*id).await.unwrap().row.pending {
                return false;
            }
        }
        true
    })
    .await;
    sweeps_pass(&world, 4).await;
    assert_eq!(storage_on_neon(&world, &bought).await, bought);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_an_old_ledger_sees_to_differ_is_a_persons_to_decide() {
    let (world, server, bought) = with_forgotten_quotas().await;
    assert!(ledger_command(&world, &["repair", "--end", "--anyway"]).await.0);
    let drifted = async || all(&world, FindingKind::Drifted).await.pop();
    until("the drift is shown", || async {
        drifted().await.is_some_and(|finding| finding.status == FindingStatus::NeedsOperator)
    })
    .await;
    sweeps_pass(&world, 4).await;
    assert_eq!(storage_on_neon(&world, &bought).await, bought, "an older quota was sent");
    let finding = drifted().await.unwrap();
    assert!(finding.doing().contains("Neon's is the newer one"), "{}", finding.doing());
    // The repair is a person's decision, too.
    assert!(ledger_command(&world, &["repair", "--apply"]).await.0);
    until("the drift is over", || async { drifted().await.is_some_and(|finding| !finding.status.is_open()) }).await;
    assert_eq!(storage_on_neon(&world, &bought).await, bought);
    server.stop().await;
}

/// Who accepts what Neon has means every limit of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_quota_that_neon_has_is_accepted_on_problems_where_the_ledger_may_have_forgotten_it() {
    let (world, server, bought) = with_forgotten_quotas().await;
    assert!(ledger_command(&world, &["repair", "--end", "--anyway"]).await.0);
    let drifted = async || all(&world, FindingKind::Drifted).await.pop();
    until("the drift is shown", || async {
        drifted().await.is_some_and(|finding| finding.status == FindingStatus::NeedsOperator)
    })
    .await;
    let operator = server.sign_in(fleet_types::Role::Operator).await;
    let id = drifted().await.unwrap().id.to_string();
    let form = [("id", id.as_str()), ("reason", "they have bought it")];
    let (status, answer) = decide(&server, &operator, "accept-finding", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    until("the drift is over", || async { drifted().await.is_some_and(|finding| !finding.status.is_open()) }).await;
    sweeps_pass(&world, 2).await;
    assert_eq!(storage_on_neon(&world, &bought).await, bought, "an older quota was sent");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_a_repair_say_what_somebody_has_brought_back_and_what_is_gone() {
    let (world, server) = marked(marking_every(1)).await;
    let release = async |owner: &str| {
        let held = held_by(&server, owner).await;
        let text = |field: &str| held[field].as_str().unwrap().to_owned();
        let (id, project) = (text("id"), text("neon_project_id"));
        until_told(&world, &BTreeSet::from([project.clone()])).await;
        let path = format!("/api/v1/databases/{id}/release");
        assert!(server.api(Method::POST, &path).json(&json!({})).send().await.unwrap().status().is_success());
        until("the ledger says deleted", || async {
            server.get(&format!("/api/v1/databases/{id}")).await["state"] == json!("deleted")
        })
        .await;
        project
    };
    let project = release("ada").await;
    server.until_available(3).await;
    let backup = back_up(&world).await;
    release("grace").await;
    let recover = world.neon(Method::POST, &format!("/projects/{project}/recover")).send().await.unwrap();
    assert!(recover.status().is_success(), "{}", recover.status());
    server.stop().await;
    restore(&world, &backup).await;
    let server = world.serve_with(marking_every(1)).await;
    until("all is withheld", || async {
        world.ledger.safe_mode().await.unwrap().is_some_and(|mode| mode.withheld >= 3)
    })
    .await;
    let (_, words) = ledger_command(&world, &["repair"]).await;
    assert!(words.contains("somebody has brought it back on Neon. Give it back to its owner"), "{words}");
    assert!(words.contains("until one of both is done, --end refuses"), "{words}");
    assert!(words.contains("Neon has nothing of them any more: 1."), "{words}");
    assert!(words.contains("Withheld without a sign of use: 2."), "{words}");
    server.stop().await;
}
