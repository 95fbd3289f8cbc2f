//! What the engine makes of Neon's two histories.

use chrono::{TimeDelta, Utc};
use fleet_types::UsageSource;
use neon_emulator::{Fault, Pattern, Rule, SeedProject};
use reqwest::StatusCode;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use super::stocked;
use crate::support::{World, until};

const LEGACY: &str = "/consumption_history/projects";
const V2: &str = "/consumption_history/v2/projects";

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
