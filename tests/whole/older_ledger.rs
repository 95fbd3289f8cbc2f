//! A ledger as nobody has used it yet, or as an earlier version left it.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::support::postgres_url;

/// A fresh database for a ledger.
pub async fn empty_ledger() -> String {
    let name = format!("flotilla_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&postgres_url()).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"))).await.unwrap();
    let mut url = reqwest::Url::parse(&postgres_url()).unwrap();
    url.set_path(&name);
    url.to_string()
}

/// The migrations before this one: its address, and a connection to it.
pub async fn with_migrations_before(version: i64) -> (String, PgConnection) {
    let url = empty_ledger().await;
    let mut before = sqlx::migrate!("./migrations");
    before.migrations = Cow::Owned(before.iter().filter(|migration| migration.version < version).cloned().collect());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    before.run_direct(None, &mut connection, false).await.unwrap();
    (url, connection)
}

/// All migrations but the last.
pub async fn one_behind() -> (String, PgConnection) {
    let newest = sqlx::migrate!("./migrations").iter().map(|migration| migration.version).max().unwrap();
    with_migrations_before(newest).await
}
