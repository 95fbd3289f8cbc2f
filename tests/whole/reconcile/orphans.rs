//! Projects that no row knows, and those that somebody has brought back.

use engine::EngineSettings;
use fleet_types::{FindingKind, FindingStatus, Resolution, Role};
use ledger::By;
use neon_emulator::{Fault, Quota, Rule};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use super::{about, decide, deletions, hasty, ledger_of, lives, our_name, page, sweeps_pass, until_status};
use crate::support::{World, until};

/// Confirms, but never comes to the end of a quarantine.
fn patient() -> EngineSettings {
    let mut settings = hasty();
    settings.findings.quarantine = 3_600.0;
    settings
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
    let bought = Quota { logical_size_bytes: Some(3 << 30), ..Quota::default() };
    until("Neon lets its quota be changed", || async {
        world.emulator.change_quota(project, Some(bought)).await.is_ok()
    })
    .await;
    let operator = server.sign_in(Role::Operator).await;
    let shown = page(&server, &operator, &format!("/databases/{database}")).await;
    for text in ["its project lives on Neon", "Give back to its owner"] {
        assert!(shown.contains(text), "{text} is missing: {shown}");
    }
    let form = [("id", zombie.id.to_string()), ("reason", String::from("it was released by mistake"))];
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, answer) = decide(&server, &operator, "take-back-finding", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (_, again) = server.claim("ada").await;
    assert_eq!(again["database"]["neon_project_id"], json!(project), "its owner has it again: {again}");
    let quota = server.get(&format!("/api/v1/databases/{database}")).await["quota"].clone();
    assert_eq!(quota["logical_size_bytes"], json!(3_i64 << 30), "as it is on Neon: {quota}");
    assert!(lives(&world, &mine.id).await);
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
    make_something_in(&world, &used).await;
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
async fn a_person_deletes_what_is_not_empty_only_by_saying_so() {
    let world = World::with_pool(0).await;
    let orphan = world.emulator.create_project(&our_name(&world).await, None).await.unwrap();
    let server = world.serve_with(patient()).await;
    let quarantined = until_status(&world, FindingKind::Orphan, &orphan, FindingStatus::Quarantined).await;
    make_something_in(&world, &orphan).await;
    // As after an hour, and left to an operator.
    let mut ledger = ledger_of(&world).await;
    ledger
        .execute("UPDATE findings SET status = 'needs_operator', action_due_at = now() WHERE kind = 'orphan'")
        .await
        .unwrap();
    let operator = server.sign_in(Role::Operator).await;
    let (id, name) = (quarantined.id.to_string(), quarantined.title());
    let delete = async |anyway: &str| {
        let mut form = vec![("id", id.as_str()), ("confirmation", &name), ("reason", "the customer has left")];
        form.extend((!anyway.is_empty()).then_some(("anyway", anyway)));
        decide(&server, &operator, "delete-finding", &form).await
    };
    let (status, answer) = delete("").await;
    assert!(status == StatusCode::CONFLICT && answer.contains("Something has been made in it"), "{status} {answer}");
    assert!(answer.contains("delete it anyway"), "{answer}");
    assert!(lives(&world, &orphan).await);
    let html = page(&server, &operator, &format!("/problems/{id}")).await;
    assert!(html.contains("Delete it anyway, whatever is in it"), "{html}");
    let (status, answer) = delete("true").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(!lives(&world, &orphan).await);
    let told = "SELECT after::text FROM events WHERE kind = 'finding.delete'";
    let told: String = sqlx::query_scalar(told).fetch_one(&mut ledger).await.unwrap();
    assert!(told.contains(r#""anyway": true"#), "{told}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bears_an_owner_in_its_name_is_deleted_only_by_a_persons_word() {
    let world = World::with_pool(0).await;
    let named = world.emulator.create_project(&format!("{}-oSomebody", our_name(&world).await), None).await.unwrap();
    let server = world.serve_with(hasty()).await;
    let finding = until_status(&world, FindingKind::Orphan, &named, FindingStatus::NeedsOperator).await;
    let operator = server.sign_in(Role::Operator).await;
    let (id, name) = (finding.id.to_string(), finding.title());
    let delete = async |anyway: &str| {
        let mut form = vec![("id", id.as_str()), ("confirmation", &name), ("reason", "nothing is in it")];
        form.extend((!anyway.is_empty()).then_some(("anyway", anyway)));
        decide(&server, &operator, "delete-finding", &form).await
    };
    until("its quarantine is over", || async {
        about(&world, FindingKind::Orphan, &named).await.is_some_and(|finding| finding.is_confirmed())
    })
    .await;
    let (status, answer) = delete("").await;
    let by_hand = format!("flotilla ledger give-back {named} --owner ID");
    assert!(status == StatusCode::CONFLICT && answer.contains(&by_hand), "{status} {answer}");
    assert!(lives(&world, &named).await);
    let (status, answer) = delete("true").await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(!lives(&world, &named).await);
    server.stop().await;
}

/// With our id it is no other installation's; the name is none that we give, so what was meant by it is for a person to say.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_ours_that_somebody_has_added_to_is_a_persons_to_decide_about() {
    let world = World::with_pool(0).await;
    let kept = world.emulator.create_project(&format!("{}-keep", our_name(&world).await), None).await.unwrap();
    let server = world.serve_with(hasty()).await;
    let finding = until_status(&world, FindingKind::Orphan, &kept, FindingStatus::NeedsOperator).await;
    let operator = server.sign_in(Role::Operator).await;
    let shown = page(&server, &operator, &format!("/problems/{}", finding.id)).await;
    assert!(shown.contains("somebody has renamed it"), "{shown}");
    sweeps_pass(&world, 3).await;
    assert_eq!(
        about(&world, FindingKind::Orphan, &kept).await.map(|finding| finding.status),
        Some(FindingStatus::NeedsOperator)
    );
    assert!(deletions(&world) == 0 && lives(&world, &kept).await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_active_or_bears_an_owner_in_its_name_is_adopted_by_nobody() {
    let world = World::with_pool(0).await;
    let active = world.emulator.create_project(&our_name(&world).await, None).await.unwrap();
    let named = world.emulator.create_project(&format!("{}-oSomebody", our_name(&world).await), None).await.unwrap();
    let mut settings = patient();
    settings.own_activity_lasts = std::time::Duration::ZERO;
    let server = world.serve_with(settings).await;
    let operator = server.sign_in(Role::Operator).await;
    let adopt = async |id: i64| {
        decide(&server, &operator, "adopt-finding", &[("id", &id.to_string()), ("reason", "left over")]).await
    };
    let finding = until_status(&world, FindingKind::Orphan, &named, FindingStatus::NeedsOperator).await;
    let (status, answer) = adopt(finding.id).await;
    assert!(status == StatusCode::CONFLICT && answer.contains("somebody holds it"), "{status} {answer}");
    let finding = until_status(&world, FindingKind::Orphan, &active, FindingStatus::Quarantined).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    use_without_a_trace(&world, &active).await;
    let (status, answer) = adopt(finding.id).await;
    assert!(status == StatusCode::CONFLICT && answer.contains("It was active at"), "{status} {answer}");
    // Known by now, so the button is gone.
    let html = page(&server, &operator, &format!("/problems/{}", finding.id)).await;
    assert!(html.contains("It was active at") && !html.contains("Adopt into the pool"), "{html}");
    server.stop().await;
}

/// Somebody connects with the string that Neon tells.
async fn somebody(world: &World, project: &str) -> PgConnection {
    let uri = format!("/projects/{project}/connection_uri?database_name=neondb&role_name=neondb_owner");
    until("it can be connected to", || async {
        world.neon(Method::GET, &uri).send().await.unwrap().status().is_success()
    })
    .await;
    let uri: Value = world.neon(Method::GET, &uri).send().await.unwrap().json().await.unwrap();
    PgConnection::connect(uri["uri"].as_str().unwrap()).await.unwrap()
}

async fn make_something_in(world: &World, project: &str) {
    let mut connection = somebody(world, project).await;
    connection.execute("CREATE TABLE letters (text text)").await.unwrap();
    connection.close().await.unwrap();
}

async fn use_without_a_trace(world: &World, project: &str) {
    let mut connection = somebody(world, project).await;
    connection.ping().await.unwrap();
    connection.close().await.unwrap();
}
