//! Usage by day: written where it changed, kept in partitions, shown.

use chrono::{Datelike, Days, Months, Utc};
use fleet_types::{DatabaseState, UsageDay};
use ledger::DayUsage;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use uuid::Uuid;

use super::{stocked, this_month, told};

#[tokio::test(flavor = "multi_thread")]
async fn days_are_written_once_and_again_only_where_a_figure_changed() {
    let (world, mut sql, found) = stocked(1).await;
    let id = found[0];
    let today = Utc::now().date_naive();
    let used = |ago: u64, active: i64| DayUsage {
        id,
        usage: UsageDay {
            active_seconds: Some(active),
            logical_size_bytes: Some(5),
            synthetic_size_bytes: Some(9),
            ..UsageDay::quiet(today.checked_sub_days(Days::new(ago)).unwrap())
        },
    };
    assert_eq!(world.ledger.record_usage_days(&[used(0, 10), used(40, 20)]).await.unwrap(), 2);
    let versions = "SELECT string_agg(xmin::text || ctid::text || xmax::text, ',' ORDER BY day) FROM usage_days";
    let before: String = sqlx::query_scalar(versions).fetch_one(&mut sql).await.unwrap();
    assert_eq!(world.ledger.record_usage_days(&[used(0, 10), used(40, 20)]).await.unwrap(), 0);
    let after: String = sqlx::query_scalar(versions).fetch_one(&mut sql).await.unwrap();
    assert_eq!(before, after, "rows that did not change are not even locked");
    let mut silent = used(40, 20);
    silent.usage =
        UsageDay { transfer_bytes: None, logical_size_bytes: None, synthetic_size_bytes: None, ..silent.usage };
    assert_eq!(world.ledger.record_usage_days(&[used(0, 11), silent]).await.unwrap(), 1);

    let server = world.serve_without_duties().await;
    let from = today.checked_sub_days(Days::new(40)).unwrap();
    let read = server.get(&format!("/api/v1/databases/{id}/usage?from={from}&to={today}")).await;
    assert_eq!(read["items"].as_array().unwrap().len(), 2);
    let day = json!({ "day": from, "active_seconds": 20, "compute_seconds": 0, "written_bytes": 0, "transfer_bytes": 0, "logical_size_bytes": 5, "synthetic_size_bytes": 9 });
    assert_eq!((&read["items"][0], &read["items"][1]["active_seconds"]), (&day, &json!(11)));
    assert_eq!(read["asked_at"], Value::Null);
    let usual = server.get(&format!("/api/v1/databases/{id}/usage")).await;
    assert_eq!(usual["items"].as_array().unwrap().len(), 1, "30 days");
    for query in ["from=2026-03-02&to=2026-03-01", "from=yesterday", "from=1990-01-01", "days=3"] {
        let refused = server.api(Method::GET, &format!("/api/v1/databases/{id}/usage?{query}")).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
    let unknown = server.api(Method::GET, &format!("/api/v1/databases/{}/usage", Uuid::nil())).send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_made_ahead_dropped_when_old_and_never_in_the_way_of_a_claim() {
    let (world, mut sql, _) = stocked(1).await;
    assert_eq!(world.ledger.keep_usage_partitions().await.unwrap(), 0, "the migration has made them");
    let month = |months: i32| {
        let first = Utc::now().date_naive().with_day(1).unwrap();
        let moved = if months < 0 {
            first - Months::new(months.unsigned_abs())
        } else {
            first + Months::new(months.unsigned_abs())
        };
        (moved, moved + Months::new(1), format!("usage_days_{:04}_{:02}", moved.year(), moved.month()))
    };
    for months in [-13, -14] {
        let (from, to, name) = month(months);
        let make = format!("CREATE TABLE {name} PARTITION OF usage_days FOR VALUES FROM ('{from}') TO ('{to}')");
        sql.execute(sqlx::AssertSqlSafe(make)).await.unwrap();
    }
    sql.execute(sqlx::AssertSqlSafe(format!("DROP TABLE {}", month(2).2))).await.unwrap();
    let (one, other) = tokio::join!(world.ledger.keep_usage_partitions(), world.ledger.keep_usage_partitions());
    assert_eq!(one.unwrap() + other.unwrap(), 2, "one made, one dropped, whichever replica did it");
    let there: Vec<String> = sqlx::query_scalar(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'usage_days'::regclass ORDER BY 1",
    )
    .fetch_all(&mut sql)
    .await
    .unwrap();
    assert!(
        there.contains(&month(-13).2) && !there.contains(&month(-14).2) && there.contains(&month(2).2),
        "{there:?}"
    );

    sql.execute(sqlx::AssertSqlSafe(format!("DROP TABLE {}", month(2).2))).await.unwrap();
    let (from, to, old) = month(-14);
    let make = format!("CREATE TABLE {old} PARTITION OF usage_days FOR VALUES FROM ('{from}') TO ('{to}')");
    sql.execute(sqlx::AssertSqlSafe(make)).await.unwrap();
    let server = world.serve_without_duties().await;
    let mut reader = sql.begin().await.unwrap();
    reader.execute("SELECT FROM usage_days").await.unwrap();
    let ledger = world.ledger.clone();
    let keeping = tokio::spawn(async move { ledger.keep_usage_partitions().await });
    let (status, _) = server.claim("ada").await;
    assert_eq!(status, StatusCode::CREATED, "a claim does not wait for it");
    assert_eq!(keeping.await.unwrap().unwrap(), 1, "the new one is made, the old one is read and so waits");
    reader.rollback().await.unwrap();
    assert_eq!(world.ledger.keep_usage_partitions().await.unwrap(), 1, "now it is dropped");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_shows_what_is_known_and_what_is_not() {
    let (world, _, found) = stocked(1).await;
    let server = world.serve_without_duties().await;
    let cookie = server.sign_in(fleet_types::Role::Viewer).await;
    let page = async |path: &str| {
        let answer = server.anonymous(Method::GET, path).header("cookie", &cookie).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let path = format!("/databases/{}", found[0]);
    assert!(page(&path).await.contains("Neon has not yet been asked"));
    world.ledger.record_usage(&[told(found[0], 5_400, None, Some(this_month()))], 0.0).await.unwrap();
    assert!(page(&path).await.contains("Nothing was used in this time"));
    let day =
        UsageDay { active_seconds: Some(5_400), transfer_bytes: None, ..UsageDay::quiet(Utc::now().date_naive()) };
    world.ledger.record_usage_days(&[DayUsage { id: found[0], usage: day }]).await.unwrap();
    let shown = page(&path).await;
    assert!(shown.contains("1 h 30 min"), "the value of the day");
    assert!(shown.contains("Neon does not tell data transfer by day here."));
    assert!(page(&format!("{path}?usage=90d")).await.contains("Usage by day"));
    assert!(page("/databases").await.contains("usage as of"));
    world.ledger.refuse_usage(fleet_types::UsageSource::V2, 60, "The plan does not offer it.").await.unwrap();
    let engine = page("/engine").await;
    assert!(engine.contains("Not known: data transfer by day. The plan does not offer it."), "{engine}");
    assert!(engine.contains("the oldest answer is of"));
    assert_eq!(world.ledger.database(found[0]).await.unwrap().row.state, DatabaseState::Available);
    server.stop().await;
}
