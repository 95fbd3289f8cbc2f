//! Opens the state database, making it first where it is missing.

use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection};

use super::Store;
use crate::clock::Clock;
use crate::model::Timing;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Tenants' databases and roles are named after the state database, and PostgreSQL cuts names at 63 bytes.
const LONGEST_NAME: usize = 30;

impl Store {
    pub async fn open(server: &PgConnectOptions, database: &str, timing: Timing, clock: Clock) -> anyhow::Result<Self> {
        if database.is_empty() || database.len() > LONGEST_NAME {
            bail!("the name of the state database must have 1 to {LONGEST_NAME} characters: {database:?}");
        }
        create_if_missing(server, database).await?;
        let options =
            server.clone().database(database).options([("statement_timeout", "20s"), ("lock_timeout", "10s")]);
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options)
            .await
            .with_context(|| format!("cannot connect to the emulator's state database {database}"))?;
        MIGRATIONS.run(&pool).await.context("cannot bring the emulator's state database up to date")?;
        Ok(Self { pool, timing, clock })
    }

    /// Ends the connections to the state database, within a second.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.pool.close()).await;
    }
}

async fn create_if_missing(server: &PgConnectOptions, database: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect_with(server)
        .await
        .context("cannot connect to PostgreSQL: is the server up, and is the database URL right?")?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(database)
        .fetch_one(&mut connection)
        .await?;
    if !exists {
        let statements: Vec<String> = sqlx::query_scalar(
            "SELECT format(s, $1) FROM unnest(ARRAY[
                 'CREATE DATABASE %I TEMPLATE template0',
                 'REVOKE ALL ON DATABASE %I FROM PUBLIC']) WITH ORDINALITY AS t (s, n) ORDER BY n",
        )
        .bind(database)
        .fetch_all(&mut connection)
        .await?;
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut connection)
                .await
                .with_context(|| format!("cannot create the emulator's state database {database}"))?;
        }
    }
    connection.close().await?;
    Ok(())
}
