//! One emulator at a time on a state: connections are known to one process only.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, sleep};

/// Any number that nothing else uses.
const KEY: i64 = 0x6e65_6f6e;
/// A process that has just ended may hold it for another moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// Held until it is dropped: the lock belongs to the connection.
#[derive(Debug)]
pub struct StateLock {
    /// Never used again. The mutex lets the emulator be shared between threads.
    _connection: Mutex<PgConnection>,
}

impl StateLock {
    pub async fn take(server: &PgConnectOptions, database: &str) -> anyhow::Result<Self> {
        let mut connection = server.clone().database(database).connect().await.context("cannot lock the state")?;
        let deadline = Instant::now() + PATIENCE;
        while !try_lock(&mut connection).await? {
            if Instant::now() > deadline {
                let _ = connection.close().await;
                bail!("another emulator uses the state database {database}: stop it, or name another database");
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { _connection: Mutex::new(connection) })
    }
}

async fn try_lock(connection: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(KEY).fetch_one(connection).await
}
