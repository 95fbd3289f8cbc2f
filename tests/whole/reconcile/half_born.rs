//! Creations that came to a halt, and rows that appear while something is about to be deleted.

use fleet_types::{FindingKind, FindingStatus, Resolution};
use neon_emulator::{Fault, Rule};
use uuid::Uuid;

use super::{deletions, hasty, ledger_of, lives, our_name, until_status};
use crate::support::{World, until};

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

/// A sweep that takes longer than the adoption still shows it as half-born, and is over when it has only just been adopted.
#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_goes_on_while_a_sweep_still_shows_it_halted_is_not_given_up() {
    let world = World::with_pool(0).await;
    let halted = our_name(&world).await;
    let project = world.emulator.create_project(&halted, None).await.unwrap();
    let row = insert_row(&world, &halted, "creating", "2 hours", "2 hours").await;
    let slow = |delay_ms, route| Rule::new(Fault::Delay { delay_ms }).on("GET", route);
    world.emulator.faults().add(slow(2_000, "/projects"));
    world.emulator.faults().add(slow(1_000, "/projects/{project_id}/connection_uri"));
    let server = world.serve_with(hasty()).await;
    let finding = until_status(&world, FindingKind::HalfBorn, &project, FindingStatus::Resolved).await;
    assert_eq!(finding.resolution, Some(Resolution::Adopted), "{finding:?}");
    until("it is in the pool", || async {
        world.ledger.database(row).await.unwrap().row.state.as_str() == "available"
    })
    .await;
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
