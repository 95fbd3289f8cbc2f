//! What a complete sweep confirms when everything has come apart at once.

use engine::EngineSettings;
use ledger::{By, SweepOutcome, SweepRef, Taken};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::support::World;

/// More than two batches.
const FINDINGS: i64 = 12_345;

async fn sweep(world: &World) -> SweepRef {
    let begun = world.ledger.start_sweep(Uuid::now_v7()).await.unwrap();
    world.ledger.finish_sweep(begun.id).await.unwrap();
    SweepRef { sweep: begun.id, started_at: begun.started_at }
}

async fn count(connection: &mut PgConnection, condition: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM findings WHERE {condition}")))
        .fetch_one(connection)
        .await
        .unwrap()
}

async fn come_apart(connection: &mut PgConnection, by: SweepRef, count: i64) {
    sqlx::query(
        "INSERT INTO findings (kind, subject, project_id, project_name, first_sweep, last_sweep, evidence)
         SELECT 'orphan', 'project-' || n, 'project-' || n, project_name(gen_random_uuid()), $1, $1, '{}' FROM generate_series(1, $2) AS n",
    )
    .bind(by.sweep)
    .bind(count)
    .execute(connection)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_very_many_findings_is_counted_once_confirmed_once_and_taken_back_once() {
    let world = World::with_pool(0).await;
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let rules = EngineSettings::default().findings;
    let first = sweep(&world).await;
    come_apart(&mut connection, first, FINDINGS).await;

    assert_eq!(world.ledger.confirm_findings(first, &rules).await.unwrap(), SweepOutcome::default());
    assert_eq!(count(&mut connection, "sightings = 1 AND status = 'suspected'").await, FINDINGS);

    let second = sweep(&world).await;
    sqlx::query("UPDATE findings SET last_sweep = $1").bind(second.sweep).execute(&mut connection).await.unwrap();
    let confirmed = SweepOutcome { confirmed: FINDINGS as u64, resolved: 0 };
    assert_eq!(world.ledger.confirm_findings(second, &rules).await.unwrap(), confirmed);
    assert_eq!(count(&mut connection, "sightings = 2 AND status = 'quarantined'").await, FINDINGS);

    let third = sweep(&world).await;
    let resolved = SweepOutcome { confirmed: 0, resolved: FINDINGS as u64 };
    assert_eq!(world.ledger.confirm_findings(third, &rules).await.unwrap(), resolved);
    assert_eq!(count(&mut connection, "resolution = 'gone'").await, FINDINGS);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_brake_counts_what_a_sweep_under_way_has_seen_again() {
    let world = World::with_pool(0).await;
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let rules = EngineSettings::default().findings;
    let complete = sweep(&world).await;
    world.ledger.confirm_findings(complete, &rules).await.unwrap();
    let under_way = sweep(&world).await;
    come_apart(&mut connection, under_way, 11).await;
    let due = "UPDATE findings SET status = 'quarantined', action_due_at = now()";
    sqlx::query(due).execute(&mut connection).await.unwrap();
    let taken = world.ledger.take_due_findings(10, 60.0, &rules, &By::cli()).await.unwrap();
    let Taken::Braked(brake) = taken else { panic!("eleven are more than the cap") };
    assert_eq!((brake.due, brake.cap), (11, 10));
}
