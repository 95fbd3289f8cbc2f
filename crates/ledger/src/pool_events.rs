//! Events about a pool rather than a database.

use sqlx::PgTransaction;

use super::{By, NewEvent, events::insert_event};

/// Writes an event of the pool in the caller's transaction.
pub(super) async fn tell(
    tx: &mut PgTransaction<'_>,
    kind: &str,
    pool_id: i32,
    before: serde_json::Value,
    after: serde_json::Value,
    by: &By,
) -> Result<(), sqlx::Error> {
    let event = NewEvent { kind, database_id: None, pool_id: Some(pool_id), before: Some(before), after: Some(after) };
    insert_event(&mut **tx, &event, by).await
}
