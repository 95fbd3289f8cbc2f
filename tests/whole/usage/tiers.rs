//! Who is asked about, and how soon again.

use std::{collections::BTreeSet, fs, time::Duration};

use ledger::{DueUsage, PeriodUsage, Recorded};
use serde_json::Value;
use sqlx::{Connection, Executor};
use uuid::Uuid;

use super::{quiet, stocked, this_month, told};

const ALL: i64 = 1_000;

fn ids(due: &[DueUsage]) -> BTreeSet<Uuid> {
    due.iter().map(|due| due.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cold_list_reaches_everybody_once_and_the_hot_one_only_the_active() {
    let (world, mut sql, found) = stocked(250).await;
    let mut reached = BTreeSet::new();
    for expected in [100, 100, 50, 0] {
        let batch = world.ledger.cold_usage(100).await.unwrap();
        assert_eq!(batch.len(), expected);
        reached.extend(ids(&batch));
        let quiet: Vec<PeriodUsage> = batch.iter().map(|due| quiet(due.id)).collect();
        world.ledger.record_usage(&quiet, 0.0).await.unwrap();
    }
    assert_eq!(reached, found.iter().copied().collect());
    assert!(world.ledger.hot_usage(ALL).await.unwrap().is_empty(), "nobody was active");
    let spread: (f64, f64) = sqlx::query_as(
        "SELECT min(extract(epoch FROM usage_due_at - now()) / 3600)::float8, max(extract(epoch FROM usage_due_at - now()) / 3600)::float8 FROM databases",
    )
    .fetch_one(&mut sql)
    .await
    .unwrap();
    assert!(
        spread.0 > 9.9 && spread.1 <= 20.0 && spread.1 - spread.0 > 8.0,
        "within the day, not all at once: {spread:?}"
    );

    sql.execute("UPDATE databases SET last_active_at = now() WHERE available_order <= (SELECT min(available_order) + 4 FROM databases)")
        .await
        .unwrap();
    assert!(world.ledger.hot_usage(ALL).await.unwrap().is_empty(), "all were asked about less than 15 minutes ago");
    let later = "UPDATE databases SET usage_rests_until = usage_rests_until - interval '31 minutes'";
    sql.execute(later).await.unwrap();
    let hot = world.ledger.hot_usage(ALL).await.unwrap();
    assert_eq!(ids(&hot), found[..5].iter().copied().collect());
    let told: Vec<PeriodUsage> = hot.iter().map(|due| told(due.id, 60, Some(1), Some(this_month()))).collect();
    assert_eq!(world.ledger.record_usage(&told, 0.0).await.unwrap(), Recorded { rows: 5, changed: 5 });
    assert!(world.ledger.hot_usage(ALL).await.unwrap().is_empty());
    let tiers = world.ledger.usage_tiers().await.unwrap();
    assert_eq!((tiers.hot, tiers.hot_waiting, tiers.never_asked, tiers.living), (5, 0, 0, 250));

    sql.execute(later).await.unwrap();
    assert_eq!(world.ledger.hot_usage(ALL).await.unwrap().len(), 5, "Neon takes up to an hour to show what was used");
    sql.execute("UPDATE databases SET last_active_at = now() - interval '61 minutes' WHERE last_active_at IS NOT NULL")
        .await
        .unwrap();
    assert!(world.ledger.hot_usage(ALL).await.unwrap().is_empty(), "what they did has been told by now");
    assert!(world.ledger.cold_usage(ALL).await.unwrap().is_empty());
    sql.execute("UPDATE databases SET usage_due_at = usage_due_at - interval '1 day'").await.unwrap();
    assert_eq!(world.ledger.cold_usage(ALL).await.unwrap().len(), 250);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_holds_is_left_out_rather_than_waited_for() {
    let (world, mut sql, found) = stocked(2).await;
    let mut held = sql.begin().await.unwrap();
    sqlx::query("SELECT FROM databases WHERE id = $1 FOR UPDATE").bind(found[0]).execute(&mut *held).await.unwrap();
    let both = [told(found[0], 60, None, Some(this_month())), told(found[1], 60, None, Some(this_month()))];
    let recorded = tokio::time::timeout(Duration::from_secs(60), world.ledger.record_usage(&both, 0.0)).await;
    assert_eq!(recorded.expect("it waits for nobody").unwrap(), Recorded { rows: 1, changed: 1 });
    held.rollback().await.unwrap();
    assert_eq!(ids(&world.ledger.cold_usage(ALL).await.unwrap()), BTreeSet::from([found[0]]), "it is still due");
}

/// The text of a committed query, so that what is explained is what is run.
fn committed_query(part: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/.sqlx");
    let found: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|file| serde_json::from_slice::<Value>(&fs::read(file.unwrap().path()).unwrap()).unwrap())
        .filter_map(|query| query["query"].as_str().filter(|text| text.contains(part)).map(str::to_owned))
        .collect();
    assert_eq!(found.len(), 1, "queries with {part}");
    found[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_a_batch_reads_an_index_and_no_more_of_it_than_the_batch() {
    let (_world, mut sql, _) = stocked(1).await;
    sql.execute(
        "INSERT INTO databases (id, pool_id, state, region_id, pg_version, neon_project_name, neon_project_id, sealed_credentials, available_order,
           last_active_at, usage_asked_at, usage_settled_to, usage_rests_until, usage_due_at)
         SELECT gen_random_uuid(), p.id, 'available', 'aws-us-east-1', 17, 'n-' || n, 'p-' || n, '', n, now() - n * interval '1 second',
                now() - interval '30 minutes', now() - interval '90 minutes', now() - n * interval '1 millisecond', now() - (n - 10000) * interval '1 second'
         FROM generate_series(1, 20000) AS n, pools AS p",
    )
    .await
    .unwrap();
    sql.execute("ANALYZE databases").await.unwrap();
    for (part, index) in
        [("ORDER BY usage_rests_until", "databases_usage_hot"), ("ORDER BY usage_due_at", "databases_usage_due")]
    {
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}", committed_query(part).replace("$1", "100"));
        let plan: Value = sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).fetch_one(&mut sql).await.unwrap();
        let scan = &plan[0]["Plan"]["Plans"][0];
        assert_eq!(scan["Index Name"], index, "{plan:#}");
        assert_eq!(plan[0]["Plan"]["Actual Rows"], 100, "{plan:#}");
        let read = plan[0]["Plan"]["Shared Hit Blocks"].as_i64().unwrap()
            + plan[0]["Plan"]["Shared Read Blocks"].as_i64().unwrap();
        assert!(read < 1_000, "{read} blocks for a hundred rows: {plan:#}");
    }
}
