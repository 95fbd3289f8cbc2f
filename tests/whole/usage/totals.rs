//! Totals of a billing period, and what they block.

use chrono::{Months, TimeDelta, Utc};
use fleet_types::BlockReason;
use ledger::Recorded;
use sqlx::Executor;

use super::{quiet, stocked, this_month, told};

#[tokio::test(flavor = "multi_thread")]
async fn totals_of_a_period_only_grow_and_the_next_period_begins_anew() {
    let (world, _, found) = stocked(1).await;
    let (id, march) = (found[0], this_month());
    let april = march + Months::new(1);
    // The seed has set the period to this month.
    let steps = [
        (told(id, 100, Some(7), Some(march)), (100, 7), true),
        (told(id, 100, Some(7), Some(march)), (100, 7), false),
        (told(id, 60, None, Some(march + TimeDelta::hours(5))), (100, 7), true),
        (quiet(id), (100, 7), false),
        (told(id, 130, None, Some(march)), (130, 7), true),
        (told(id, 20, None, Some(april)), (20, 0), true),
        (told(id, 999, Some(999), Some(march)), (20, 0), false),
    ];
    for (number, (usage, (active, transfer), changes)) in steps.into_iter().enumerate() {
        let recorded = world.ledger.record_usage(&[usage], 0.0).await.unwrap();
        assert_eq!(recorded, Recorded { rows: 1, changed: changes.into() }, "step {number}");
        let usage = world.ledger.database(id).await.unwrap().usage;
        assert_eq!((usage.active_time_seconds, usage.data_transfer_bytes), (active, transfer), "step {number}");
    }
    let detail = world.ledger.database(id).await.unwrap();
    assert_eq!((detail.period_start, detail.period_end), (Some(april), Some(april + Months::new(1))));
    assert!(detail.row.usage_observed_at.is_some_and(|at| at > Utc::now() - TimeDelta::minutes(1)));
    assert_eq!(detail.row.block, None);
    world.ledger.record_usage(&[told(id, 360_000, None, Some(april))], 0.0).await.unwrap();
    let detail = world.ledger.database(id).await.unwrap();
    assert_eq!(detail.row.block, Some(BlockReason::ActiveTime), "fresh figures tell why it is blocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_blocks_a_database_is_told_with_the_time_since_when_it_was_seen() {
    let (world, mut sql, found) = stocked(1).await;
    let id = found[0];
    let before = world.ledger.database(id).await.unwrap();
    assert_eq!((before.row.block, before.row.blocked_since), (None, None));
    let started = Utc::now();
    world.ledger.record_usage(&[told(id, 360_000, None, Some(this_month()))], 0.0).await.unwrap();
    let stopped = world.ledger.database(id).await.unwrap();
    assert_eq!(stopped.row.block, Some(BlockReason::ActiveTime), "fresh figures tell why it is blocked");
    let since = stopped.row.blocked_since.unwrap();
    assert!((started - TimeDelta::seconds(1)..Utc::now() + TimeDelta::seconds(1)).contains(&since));

    sql.execute("UPDATE databases SET observed_disabled = true").await.unwrap();
    let disabled = world.ledger.database(id).await.unwrap();
    assert_eq!(disabled.row.block, Some(BlockReason::EndpointDisabled));
    assert_eq!(disabled.row.blocked_since, Some(since), "its owner could not use it before either");

    sql.execute("UPDATE databases SET observed_disabled = false, used_active_seconds = 0").await.unwrap();
    let freed = world.ledger.database(id).await.unwrap();
    assert_eq!((freed.row.block, freed.row.blocked_since), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_that_ended_without_any_use_is_over_all_the_same() {
    let (world, mut sql, found) = stocked(1).await;
    let id = found[0];
    world.ledger.record_usage(&[told(id, 100, Some(7), Some(this_month()))], 0.0).await.unwrap();
    sql.execute(
        "UPDATE databases SET period_start = now() - interval '40 days', period_end = now() - interval '9 days'",
    )
    .await
    .unwrap();
    world.ledger.record_usage(&[quiet(id)], 0.0).await.unwrap();
    let detail = world.ledger.database(id).await.unwrap();
    assert_eq!((detail.usage.active_time_seconds, detail.usage.data_transfer_bytes), (0, 0));
    assert!(detail.period_start.unwrap() > Utc::now() - TimeDelta::days(10));
    assert!(detail.period_end.unwrap() > Utc::now());
}
