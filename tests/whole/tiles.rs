//! A number that links to a table is the number of its rows.

use fleet_types::{DatabaseFilter, FindingFilter, FindingKind, FindingStatus, PagePosition, Role, Total};
use ledger::By;
use reqwest::{Method, header};
use sqlx::{Connection, Executor, PgConnection};

use crate::support::{Server, World};

/// Databases of every kind that is easily counted twice or not at all: blocked and near the quota at once, claimed long ago, claimed and given up today.
async fn a_mixed_fleet(world: &World, server: &Server) {
    world.stock(14).await;
    let mut ids = Vec::new();
    for number in 0..10 {
        let (_, claim) = server.claim(&format!("owner-{number}")).await;
        ids.push(claim["database"]["id"].as_str().unwrap().parse::<uuid::Uuid>().unwrap());
    }
    world.ledger.release(ids[9], &By::cli()).await.unwrap();
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    let set = async |connection: &mut PgConnection, what: &str, ids: &[uuid::Uuid]| {
        let sql = format!("UPDATE databases SET {what} WHERE id = ANY($1)");
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(ids).execute(connection).await.unwrap();
    };
    set(&mut connection, SIZE_90, &ids[0..3]).await;
    set(&mut connection, SIZE_FULL, &ids[3..5]).await;
    set(&mut connection, "observed_disabled = true", &ids[2..4]).await;
    set(&mut connection, "claimed_at = now() - interval '3 days'", &ids[5..8]).await;
    set(&mut connection, "state = 'deleted', deleted_at = now()", &ids[9..10]).await;
    connection.execute("INSERT INTO events (kind, database_id, actor, via, before, after) SELECT 'database.state', id, 'release', 'engine', '{\"state\": \"releasing\"}', '{\"state\": \"deleted\"}' FROM databases WHERE state = 'deleted'").await.unwrap();
}

const SIZE_90: &str = "quota_logical_size_bytes = 1000, logical_size_bytes = 900";
const SIZE_FULL: &str = "quota_logical_size_bytes = 1000, logical_size_bytes = 1000";

async fn rows(world: &World, filter: &DatabaseFilter) -> i64 {
    let page = world.ledger.database_page(filter, &PagePosition::First).await.unwrap();
    let Total::Exactly(total) = page.total else { panic!("{:?} of {filter:?}", page.total) };
    assert_eq!(page.rows.len() as i64, total, "all of a small table are on its first page: {filter:?}");
    total
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_that_links_to_a_table_is_the_number_of_its_rows() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    a_mixed_fleet(&world, &server).await;
    let health = world.ledger.fleet_health().await.unwrap();
    for (tile, expected) in [(&health.claimed_today, 7), (&health.blocked, 3), (&health.near_quota, 5)] {
        assert_eq!((tile.count, rows(&world, &tile.filter).await), (expected, expected), "{tile:?}");
    }
    for (state, count) in &health.states {
        assert_eq!(*count, rows(&world, &DatabaseFilter::in_state(*state)).await, "{state:?}");
    }
    let problems = world.ledger.problems().await.unwrap();
    let blocked: i64 = problems.blocked.iter().map(|part| part.count).sum();
    assert_eq!(blocked, rows(&world, &DatabaseFilter::blocked()).await);
    for pool in &health.pools {
        for (count, state) in [(pool.available, "available"), (pool.claimed, "claimed")] {
            let filter = DatabaseFilter {
                pool: Some(pool.name.clone()),
                state: fleet_types::DatabaseState::parse(state),
                ..DatabaseFilter::default()
            };
            assert_eq!(count, rows(&world, &filter).await, "{state} of {}", pool.name);
        }
    }
    server.stop().await;
}

/// As a person sees it: the link of each tile, opened.
#[tokio::test(flavor = "multi_thread")]
async fn each_tile_of_fleet_health_leads_to_as_many_rows_as_it_says() {
    let world = World::with_pool(0).await;
    let server = world.serve_without_duties().await;
    a_mixed_fleet(&world, &server).await;
    let cookie = server.sign_in(Role::Viewer).await;
    let page = async |path: &str| {
        let request = server.anonymous(Method::GET, path).header(header::COOKIE, &cookie);
        request.send().await.unwrap().text().await.unwrap()
    };
    let home = page("/").await;
    for (label, number) in [("Claimed today", 7), ("Blocked now", 3), ("Near the storage quota", 5)] {
        let before = &home[..home.find(label).unwrap_or_else(|| panic!("{label} is missing"))];
        let link = &before[before.rfind("href=\"").unwrap() + 6..];
        let link = link[..link.find('"').unwrap()].replace("&amp;", "&");
        let table = page(&link).await;
        let listed = table.matches("class=\"row-link\"").count();
        assert_eq!(listed, number, "{label} leads to {link}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_count_above_the_list_of_findings_is_the_length_of_the_list_it_leads_to() {
    let world = World::with_pool(0).await;
    let mut connection = PgConnection::connect(&world.database_url).await.unwrap();
    // Of each kind and status another number, so that none stands for another.
    let findings = "INSERT INTO findings (kind, status, subject, first_sweep, last_sweep, evidence, action_due_at)
        SELECT kind, status, kind || status || n, 1, 1, '{}', now()
        FROM unnest(ARRAY['orphan', 'twin', 'zombie', 'half-born', 'ghost', 'stray', 'drifted']) WITH ORDINALITY AS kinds (kind, k),
             unnest(ARRAY['suspected', 'quarantined', 'acting', 'needs_operator', 'ignored']) WITH ORDINALITY AS statuses (status, s),
             generate_series(1, k + s * (k % 3)) AS n";
    connection.execute(findings).await.unwrap();
    let problems = world.ledger.problems().await.unwrap();
    let kinds = std::iter::once(None).chain(FindingKind::ALL.map(Some));
    let mut compared = 0;
    for kind in kinds {
        for status in std::iter::once(None).chain(FindingStatus::ALL.map(Some)) {
            let Some(count) = problems.listed(kind, status) else { continue };
            let listed = world.ledger.findings(FindingFilter { kind, status, after: None }, 1_000).await.unwrap();
            assert_eq!(count, listed.rows.len() as i64, "{kind:?} {status:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 8 * 6);
}
