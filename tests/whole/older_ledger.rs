//! A ledger as an earlier version left it.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::support::postgres_url;

/// An empty ledger with the migrations before this one: its address, and a connection to it.
pub async fn with_migrations_before(version: i64) -> (String, PgConnection) {
    let name = format!("flotilla_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&postgres_url()).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"))).await.unwrap();
    let mut url = reqwest::Url::parse(&postgres_url()).unwrap();
    url.set_path(&name);
    let mut before = sqlx::migrate!("./migrations");
    before.migrations = Cow::Owned(before.iter().filter(|migration| migration.version < version).cloned().collect());
    let mut connection = PgConnection::connect(url.as_str()).await.unwrap();
    before.run_direct(None, &mut connection, false).await.unwrap();
    (url.to_string(), connection)
}
