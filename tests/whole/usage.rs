//! Usage: what Neon's history tells arrives by day and by billing period, is asked for in tiers, and is written only where it changed.

use std::{collections::BTreeSet, fs, time::Duration};

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use fleet_types::{BlockReason, DatabaseState, UsageDay, UsageSource};
use ledger::{DayUsage, DueUsage, PeriodUsage, Recorded};
use neon_emulator::{Fault, Pattern, Rule, SeedProject};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, Row};
use uuid::Uuid;

use crate::support::{World, until};

const ALL: i64 = 1_000;

/// Databases in the pool of which Neon knows nothing, and a connection to the ledger.
async fn stocked(count: usize) -> (World, PgConnection, Vec<Uuid>) {
    let world = World::with_pool(0).await;
    world.stock(count).await;
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let rows =
        sqlx::query("SELECT id FROM databases ORDER BY available_order").fetch_all(&mut connection).await.unwrap();
    (world, connection, rows.into_iter().map(|row| row.get(0)).collect())
}

fn this_month() -> DateTime<Utc> {
    midnight(Utc::now().date_naive().with_day(1).unwrap())
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    DateTime::from_naive_utc_and_offset(day.and_time(NaiveTime::MIN), Utc)
}

fn told(id: Uuid, active: i64, transfer: Option<i64>, period_start: Option<DateTime<Utc>>) -> PeriodUsage {
    PeriodUsage {
        id,
        period_start,
        active_seconds: Some(active),
        compute_seconds: Some(active / 4),
        written_bytes: Some(active * 10),
        transfer_bytes: transfer,
    }
}

fn quiet(id: Uuid) -> PeriodUsage {
    told(id, 0, Some(0), None)
}

fn ids(due: &[DueUsage]) -> BTreeSet<Uuid> {
    due.iter().map(|due| due.id).collect()
}

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

/// As many databases as projects of the emulated Neon, all used by its model.
async fn used_fleet(count: usize) -> (World, PgConnection) {
    let (world, mut sql, found) = stocked(count).await;
    let born = Utc::now() - TimeDelta::days(50);
    let seeds: Vec<SeedProject> = (0..count)
        .map(|number| SeedProject {
            pattern: Some(Pattern::Diurnal),
            pattern_seed: number as u64,
            ..SeedProject::new(format!("used-{number}"), born)
        })
        .collect();
    let projects: Vec<String> =
        world.emulator.seed(&seeds).await.unwrap().into_iter().map(|project| project.project_id).collect();
    sqlx::query("UPDATE databases AS d SET neon_project_id = t.project FROM unnest($1::uuid[], $2::text[]) AS t (id, project) WHERE d.id = t.id")
        .bind(&found)
        .bind(&projects)
        .execute(&mut sql)
        .await
        .unwrap();
    (world, sql)
}

const LEGACY: &str = "/consumption_history/projects";
const V2: &str = "/consumption_history/v2/projects";

async fn count(sql: &mut PgConnection, of: &'static str) -> i64 {
    sqlx::query_scalar(of).fetch_one(sql).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_fleet_is_asked_about_in_batches_of_a_hundred_and_settled_days_are_written_once() {
    let (world, mut sql) = used_fleet(250).await;
    let server = world.serve().await;
    until("everybody was asked about", || async { world.ledger.usage_tiers().await.unwrap().never_asked == 0 }).await;
    let calls = |route: &str| world.emulator.stats().count("GET", route);
    assert_eq!((calls(LEGACY), calls(V2)), (3, 3));
    assert_eq!(count(&mut sql, "SELECT count(DISTINCT database_id) FROM usage_days").await, 250);
    let told = "SELECT count(*) FROM usage_days WHERE active_seconds > 0 AND compute_seconds > 0 AND written_bytes > 0 AND transfer_bytes > 0 AND synthetic_size_bytes >= 2 * logical_size_bytes";
    assert!(count(&mut sql, told).await > 250, "every metric of both histories");
    // One window of sixty days: what is there is there in one go, in the partitions of several months.
    assert!(count(&mut sql, "SELECT count(DISTINCT tableoid) FROM usage_days").await >= 2);
    let off = "SELECT count(*) FROM databases AS d WHERE abs(used_active_seconds - (SELECT coalesce(sum(active_seconds), 0) FROM usage_days AS u
               WHERE u.database_id = d.id AND u.day >= (d.period_start AT TIME ZONE 'UTC')::date)) > 60";
    assert_eq!(count(&mut sql, off).await, 0, "the total of the period is the sum of its days");

    let settled = "SELECT string_agg(database_id::text || day || xmin || ctid, ',' ORDER BY database_id, day) FROM usage_days WHERE day < (now() AT TIME ZONE 'UTC')::date - 1";
    let before: String = sqlx::query_scalar(settled).fetch_one(&mut sql).await.unwrap();
    sql.execute("UPDATE databases SET usage_asked_at = NULL, usage_due_at = now(), usage_rests_until = now()")
        .await
        .unwrap();
    until("everybody was asked about again", || async { world.ledger.usage_tiers().await.unwrap().never_asked == 0 })
        .await;
    assert_eq!((calls(LEGACY), calls(V2)), (6, 6));
    let after: String = sqlx::query_scalar(settled).fetch_one(&mut sql).await.unwrap();
    assert!(before == after, "days that are over were written again");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_used_shows_by_day_and_only_the_active_are_asked_about() {
    let world = World::with_pool(3).await;
    let server = world.serve().await;
    server.until_available(3).await;
    let (status, claim) = server.claim("ada").await;
    assert_eq!(status, StatusCode::CREATED, "{claim}");
    let id: Uuid = claim["database"]["id"].as_str().unwrap().parse().unwrap();
    let mut connection = PgConnection::connect(claim["connection"]["uri"].as_str().unwrap()).await.unwrap();
    connection
        .execute("CREATE TABLE notes AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 5000)")
        .await
        .unwrap();
    server.until_available(3).await;
    let today = Utc::now().date_naive();
    let sql = || async { PgConnection::connect(&world.database_url).await.unwrap() };
    until("the connection shows in the days", || async {
        sql().await.execute("UPDATE databases SET usage_rests_until = now() WHERE state = 'claimed'").await.unwrap();
        server.state.engine.refresh_now(id).await;
        let days = world.ledger.usage_history(id, today, today).await.unwrap().days;
        days.first().is_some_and(|day| {
            day.active_seconds > Some(0) && day.written_bytes > Some(1_000_000) && day.transfer_bytes.is_some()
        })
    })
    .await;
    connection.close().await.unwrap();
    // Nobody is asked about any more, and what was under way has ended.
    sql().await.execute("UPDATE databases SET usage_rests_until = 'infinity'").await.unwrap();
    until("the last answer has come", || async {
        let calls = world.emulator.stats().count("GET", V2);
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        world.emulator.stats().count("GET", V2) == calls
    })
    .await;
    let detail = world.ledger.database(id).await.unwrap();
    assert!(detail.usage.written_data_bytes > 1_000_000 && detail.row.usage_observed_at.is_some());

    // Two hours later: she was active since, the others were not.
    sql().await.execute("UPDATE databases SET usage_asked_at = now() - interval '2 hours', usage_rests_until = now() - interval '1 hour',
        usage_due_at = now() + interval '5 hours', usage_settled_to = CASE WHEN state = 'claimed' THEN last_active_at - interval '1 hour' ELSE now() END").await.unwrap();
    world.emulator.reset_stats();
    let asked_now = || async {
        count(&mut sql().await, "SELECT count(*) FROM databases WHERE usage_asked_at > now() - interval '1 hour'").await
    };
    until("she was asked about", || async { asked_now().await > 0 }).await;
    assert_eq!(asked_now().await, 1, "nobody else was");
    assert_eq!(world.emulator.stats().count("GET", LEGACY), 1);
    assert_eq!(world.emulator.stats().count("GET", V2), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_the_plan_lacks_is_set_aside_and_half_an_answer_is_none() {
    let (world, mut sql) = used_fleet(20).await;
    let status = |status| Fault::Status { status, retry_after_seconds: None, after_work: false };
    world.emulator.faults().add(Rule::new(Fault::TruncatedJson).on("GET", V2).times(1));
    let server = world.serve().await;
    until("the history broke off", || async { world.emulator.stats().count("GET", V2) == 1 }).await;
    assert_eq!(count(&mut sql, "SELECT count(*) FROM usage_days").await, 0, "the other half proves nothing");
    assert_eq!(count(&mut sql, "SELECT count(*) FROM databases WHERE usage_asked_at IS NOT NULL").await, 0);

    world.emulator.faults().add(Rule::new(status(403)).on("GET", V2));
    world.emulator.faults().add(Rule::new(status(400)).on("GET", LEGACY).times(1));
    world.emulator.reset_stats();
    until("everybody was asked about", || async { world.ledger.usage_tiers().await.unwrap().never_asked == 0 }).await;
    let refusals = world.ledger.usage_tiers().await.unwrap().refusals;
    assert_eq!(refusals.iter().map(|refusal| refusal.source).collect::<Vec<_>>(), [UsageSource::V2]);
    assert!(refusals[0].until > Utc::now() + TimeDelta::hours(5), "it is not asked for again for a while");
    assert_eq!(world.emulator.stats().count("GET", V2), 1);
    assert_eq!(world.emulator.stats().count("GET", LEGACY), 3, "refused once, then asked in halves");
    assert!(count(&mut sql, "SELECT count(*) FROM usage_days WHERE active_seconds > 0").await > 0);
    assert_eq!(
        count(&mut sql, "SELECT count(*) FROM usage_days WHERE transfer_bytes IS NOT NULL").await,
        0,
        "not told is not zero"
    );
    let status = world.ledger.status().await.unwrap();
    assert!(status.problems.iter().all(|problem| !problem.text.contains("Neon has not answered")), "{status:?}");
    server.stop().await;
}
