//! Rows whose projects a list does not show: gone, or only missed.

use fleet_types::{FindingKind, FindingStatus, Resolution, Role, StatusLevel};
use neon_emulator::{Fault, Rule};
use reqwest::StatusCode;
use sqlx::{Connection, PgConnection};

use super::{about, all, decide, deletions, hasty, lives, our_name, page, sweeps_pass, until_status};
use crate::support::{World, until};

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
    let shown = page(&server, &operator, &format!("/databases/{database}")).await;
    assert!(
        shown.contains("gone from Neon") && shown.contains("Recover on Neon") && !shown.contains("healthy"),
        "{shown}"
    );
    assert_eq!(shown.matches("notice notice-").count(), 1, "one answer to how it is, and one way out: {shown}");
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
