//! Whether a connection to PostgreSQL is one: poolers such as PgBouncer may hand it to another client after each transaction.

use std::time::Duration;

use sqlx::{Connection, PgConnection, Row, postgres::PgConnectOptions};
use uuid::Uuid;

use super::{Ledger, LedgerError, options};

/// With a pooler that has fewer connections than the question takes, the answer would never come.
const DETECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Transactions at a time. Between them they take what the pooler has free, the marked one as a rule first.
const TRANSACTIONS: usize = 3;
const SEEN: &str = "SELECT coalesce(current_setting('flotilla.mark', true), '') AS mark";

impl Ledger {
    /// Whether the server behind this address keeps what belongs to a session (settings, locks, prepared statements) for one transaction only. Found out
    /// by a mark in a session: somebody else sees it, or it is gone. A server that keeps sessions apart never shows either.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn is_pooled_by_transaction(url: &str) -> Result<bool, LedgerError> {
        let options = options(url)?;
        match tokio::time::timeout(DETECTION_TIMEOUT, loses_its_mark(&options)).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => {
                tracing::warn!(
                    "whether a pooler stands before the ledger's PostgreSQL could not be found out within {} s",
                    DETECTION_TIMEOUT.as_secs()
                );
                Ok(false)
            }
        }
    }
}

async fn loses_its_mark(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mark = Uuid::now_v7().to_string();
    let mut marked = PgConnection::connect_with(options).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET flotilla.mark = '{mark}'"))).execute(&mut marked).await?;
    let mut others = Vec::new();
    let mut is_lost = false;
    while !is_lost && others.len() < TRANSACTIONS {
        let mut other = PgConnection::connect_with(options).await?;
        match sqlx::raw_sql("BEGIN").execute(&mut other).await {
            // A pooler by statement allows no transactions at all.
            Err(sqlx::Error::Database(_)) => return Ok(true),
            begun => begun?,
        };
        is_lost = seen(&mut other).await? == mark || seen(&mut marked).await? != mark;
        others.push(other);
    }
    for connection in others.into_iter().chain([marked]) {
        connection.close().await?;
    }
    Ok(is_lost)
}

async fn seen(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::raw_sql(SEEN).fetch_one(connection).await?.try_get("mark")
}
