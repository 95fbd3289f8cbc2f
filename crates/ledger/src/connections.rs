//! Connections to the ledger's PostgreSQL: their settings, and when one is not used again.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    Connection, Executor,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// How long to wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(8);
/// A connection that was used so lately is taken to be alive.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Made after connecting, since a pooler in front of PostgreSQL refuses to start a connection with settings that it does not know. Ours are those of the
/// session, so it must be ours alone: see [`Ledger::is_pooled_by_transaction`].
pub(super) const SETTINGS: &str = "SET statement_timeout = '15s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s'; SET jit = off";
pub(super) const QUICK: &str = "SET statement_timeout = '15s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s'; SET jit = off; \
                     SET synchronous_commit = off";

/// Until when connections were made that know the tables as they no longer are.
static OUTDATED: Mutex<Option<Instant>> = Mutex::new(None);

/// Nothing but what every pooler knows: `extra_float_digits` is none of it, and PostgreSQL's own default writes numbers in full.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(url.parse::<PgConnectOptions>()?.application_name("flotilla").extra_float_digits(None))
}

/// A connection that has rested is asked whether it still lives before it is used; asking each time would be a round trip per statement.
pub(super) fn pool_of(connections: u32, settings: &'static str) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(settings).await?;
                Ok(())
            })
        })
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                if is_outdated(about.age) {
                    return Ok(false);
                }
                if about.idle_for > TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

/// Every error of PostgreSQL comes by here. Where it says that tables were put in the place of those that a connection has prepared its statements for, as
/// when a backup is restored under a running server, no connection that is as old is used again.
pub(super) fn learn_from(error: &sqlx::Error) {
    if !is_about_tables_that_changed(error) {
        return;
    }
    *OUTDATED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    tracing::warn!("the ledger's tables were replaced or changed; its connections are made anew");
}

fn is_outdated(age: Duration) -> bool {
    let outdated = *OUTDATED.lock().unwrap_or_else(PoisonError::into_inner);
    outdated.is_some_and(|at| age >= at.elapsed())
}

fn is_about_tables_that_changed(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    match error.code().as_deref() {
        Some("0A000") => error.message().starts_with("cached plan must not change result type"),
        // A type by its number, which a restored one does not keep; a prepared statement that is gone.
        Some("XX000") => error.message().starts_with("cache lookup failed for type"),
        Some("26000") => true,
        _ => false,
    }
}
