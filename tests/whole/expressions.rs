//! Named expressions of the schema, tried alone: what a listed project is taken for.

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::support::World;

/// The kind of finding that a row with these fields and a listed project with that one are, by an expression over `row`, `listed` and a sweep that begins now.
async fn kind(ledger: &mut PgConnection, expression: &'static str, row: &Value, listed: &Value) -> Option<String> {
    let select = format!(
        "SELECT {expression} FROM jsonb_populate_record(NULL::databases, $1) AS row, (SELECT $2::jsonb AS listed) AS l"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(select)).bind(row).bind(listed).fetch_one(ledger).await.unwrap()
}

async fn now(ledger: &mut PgConnection, offset: &'static str) -> String {
    sqlx::query_scalar("SELECT (now() + $1::interval)::text").bind(offset).fetch_one(ledger).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_project_whose_id_is_known_is_judged_by_its_row() {
    let world = World::with_pool(0).await;
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let (before, after) = (now(&mut ledger, "-1 minute").await, now(&mut ledger, "1 minute").await);
    let settled = json!({
        "state": "claimed", "state_since": before, "wanted_revision": 3, "applied_revision": 3, "applied_at": before,
        "quota_logical_size_bytes": 512, "quota_active_seconds": 60,
    });
    let with = |field: &str, value: Value| {
        let mut row = settled.clone();
        row[field] = value;
        row
    };
    let same = json!({ "quota": { "logical_size_bytes": 512, "active_time_seconds": 60 } });
    let more = json!({ "quota": { "logical_size_bytes": 513, "active_time_seconds": 60 } });
    let none = json!({ "quota": {} });
    for (row, listed, expected) in [
        (settled.clone(), &same, None),
        (settled.clone(), &more, Some("drifted")),
        (settled.clone(), &none, Some("drifted")),
        (settled.clone(), &json!({}), None),
        (with("state", json!("withheld")), &more, None),
        (with("state_since", json!(after)), &more, None),
        (with("wanted_revision", json!(4)), &more, None),
        (with("applied_at", json!(after)), &more, None),
        (with("applied_at", Value::Null), &more, Some("drifted")),
        (with("state", json!("deleted")), &same, Some("zombie")),
        (json!({ "state": "deleted", "state_since": after }), &same, None),
    ] {
        let found = kind(&mut ledger, "finding_by_id(row, listed, now())", &row, listed).await;
        assert_eq!(found.as_deref(), expected, "{row} {listed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_project_that_has_the_name_of_a_row_is_judged_by_how_far_that_has_come() {
    let world = World::with_pool(0).await;
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let (before, after) = (now(&mut ledger, "-10 minutes").await, now(&mut ledger, "1 minute").await);
    let long_ago = now(&mut ledger, "-61 minutes").await;
    for (row, expected) in [
        (json!({ "state": "available", "state_since": before, "neon_project_id": "quiet-hill-1" }), Some("twin")),
        (json!({ "state": "requested", "state_since": long_ago }), None),
        (json!({ "state": "creating", "state_since": before }), None),
        (json!({ "state": "creating", "state_since": long_ago }), Some("half-born")),
        (json!({ "state": "failed", "state_since": before }), Some("half-born")),
        (json!({ "state": "failed", "state_since": after }), None),
        (json!({ "state": "deleted", "state_since": before }), Some("zombie")),
        (json!({ "state": "deleted", "state_since": after }), None),
    ] {
        let found = kind(&mut ledger, "finding_by_name(row, now(), 3600)", &row, &Value::Null).await;
        assert_eq!(found.as_deref(), expected, "{row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_copied_or_bears_another_id_belongs_elsewhere() {
    let world = World::with_pool(0).await;
    let mut ledger = PgConnection::connect(&world.database_url).await.unwrap();
    let id = world.ledger.installation().await.unwrap().id;
    let database = uuid::Uuid::now_v7();
    let [ours, theirs, unsigned] = [
        format!("flotilla-{id}-{database}"),
        format!("flotilla-01234567-{database}-oXyz"),
        format!("flotilla-{database}"),
    ];
    for (origin, name, expected) in [
        (Some("copied"), Some(&ours), true),
        (Some("copied"), None, true),
        (Some("pool"), Some(&theirs), true),
        (None, Some(&theirs), true),
        (Some("pool"), Some(&ours), false),
        (Some("pool"), Some(&unsigned), false),
        (None, Some(&unsigned), false),
        (None, None, false),
    ] {
        let select = sqlx::query_scalar("SELECT belongs_elsewhere($1, $2)").bind(origin).bind(name);
        let found: bool = select.fetch_one(&mut ledger).await.unwrap();
        assert_eq!(found, expected, "{origin:?} {name:?}");
    }
}
