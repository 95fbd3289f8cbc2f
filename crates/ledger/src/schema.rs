//! The schema: which migrations this program knows, and which the ledger has.

use std::{future::Future, pin::pin, time::Duration};

use sqlx::{
    Connection, Executor, PgConnection,
    migrate::{AppliedMigration, Migrate, MigrateError, Migration, Migrator},
};
use tokio::time::{Instant, interval_at};

use super::{Ledger, LedgerError};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Where sqlx writes down what was applied.
const TABLE: &str = "_sqlx_migrations";
/// A migration of a large ledger takes minutes, and waits for whoever uses its tables. The limits of requests are not for it.
const WITHOUT_LIMITS: &str =
    "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET jit = off";
/// When somebody is told that it takes its time, and how often then that it goes on.
const TELL_AFTER: Duration = Duration::from_secs(1);
const TELL_EVERY: Duration = Duration::from_secs(5);

/// How the ledger's schema compares with the one that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// Nothing is there yet.
    Empty,
    /// So many migrations have not been applied.
    Older {
        missing: usize,
    },
    Current,
    /// This migration was applied and is not known here.
    Newer {
        unknown: i64,
    },
}

impl Ledger {
    /// Changes nothing.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn schema_state(&self) -> Result<SchemaState, LedgerError> {
        let applied = self.applied().await?;
        Ok(compare(&applied, &MIGRATIONS.iter().map(|migration| migration.version).collect::<Vec<_>>()))
    }

    async fn applied(&self) -> Result<Vec<i64>, LedgerError> {
        let is_set_up = sqlx::query_scalar!(r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "is_set_up!""#)
            .fetch_one(&self.db)
            .await?;
        if !is_set_up {
            return Ok(Vec::new());
        }
        let applied = sqlx::query_scalar!(
            r#"SELECT array_agg(version) AS "versions: Vec<i64>" FROM _sqlx_migrations WHERE success"#
        )
        .fetch_one(&self.db)
        .await?;
        Ok(applied.unwrap_or_default())
    }

    /// Brings the schema up to date. Several replicas may call this at once: one migrates, the others wait for it. Both say so in the log.
    ///
    /// # Errors
    /// When a migration fails, or was changed after it was applied.
    pub async fn migrate(&self) -> Result<(), LedgerError> {
        let mut connection = PgConnection::connect_with(&self.db.connect_options()).await?;
        connection.execute(WITHOUT_LIMITS).await?;
        let pid = sqlx::query_scalar!(r#"SELECT pg_backend_pid() AS "pid!""#).fetch_one(&mut connection).await?;
        let turn = connection.lock();
        self.telling("waiting for another Flotilla, which brings the ledger's schema up to date", pid, turn).await?;
        connection.ensure_migrations_table(TABLE).await?;
        let applied = connection.list_applied_migrations(TABLE).await?;
        let missing = missing(&applied)?;
        for (done, migration) in missing.iter().enumerate() {
            let what = format!(
                "migration {} ({}), {} of {}",
                migration.version,
                migration.description,
                done + 1,
                missing.len()
            );
            // An empty ledger is set up within a second.
            if !applied.is_empty() {
                tracing::info!("{what} …");
            }
            let outcome = self.telling(&what, pid, connection.apply(TABLE, migration)).await;
            outcome.map_err(|cause| LedgerError::Migration {
                version: migration.version,
                name: migration.description.to_string(),
                cause,
            })?;
        }
        // The lock ends with the connection.
        Ok(connection.close().await?)
    }

    /// Says now and then that it goes on, and whose sessions it waits for.
    async fn telling<T>(&self, what: &str, pid: i32, work: impl Future<Output = T>) -> T {
        let (mut work, began) = (pin!(work), Instant::now());
        let mut ticks = interval_at(began + TELL_AFTER, TELL_EVERY);
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                _ = ticks.tick() => {}
            }
            let seconds = began.elapsed().as_secs();
            let blocking =
                sqlx::query_scalar!(r#"SELECT pg_blocking_pids($1) AS "pids!""#, pid).fetch_one(&self.db).await;
            match blocking.unwrap_or_default()[..] {
                [] => tracing::info!("{what}: goes on, {seconds} s so far"),
                ref pids => {
                    tracing::info!("{what}: for {seconds} s so far; it waits for the sessions {pids:?} of PostgreSQL")
                }
            }
        }
    }
}

/// What is to be applied, unless something was changed after it was applied.
fn missing(applied: &[AppliedMigration]) -> Result<Vec<&'static Migration>, MigrateError> {
    let mut missing = Vec::new();
    for migration in MIGRATIONS.iter() {
        match applied.iter().find(|applied| applied.version == migration.version) {
            Some(applied) if applied.checksum != migration.checksum => {
                return Err(MigrateError::VersionMismatch(migration.version));
            }
            Some(_) => {}
            None => missing.push(migration),
        }
    }
    Ok(missing)
}

fn compare(applied: &[i64], known: &[i64]) -> SchemaState {
    let missing = known.iter().filter(|version| !applied.contains(version)).count();
    match applied.iter().filter(|version| !known.contains(version)).max() {
        _ if applied.is_empty() => SchemaState::Empty,
        Some(unknown) => SchemaState::Newer { unknown: *unknown },
        None if missing > 0 => SchemaState::Older { missing },
        None => SchemaState::Current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_makes_it_older_and_what_is_unknown_newer() {
        assert_eq!(compare(&[], &[1, 2]), SchemaState::Empty);
        assert_eq!(compare(&[2, 1], &[1, 2]), SchemaState::Current);
        assert_eq!(compare(&[1, 3], &[1, 2, 3]), SchemaState::Older { missing: 1 });
        assert_eq!(compare(&[1, 4, 3], &[1, 2]), SchemaState::Newer { unknown: 4 });
    }
}
