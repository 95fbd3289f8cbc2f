//! The health of PostgreSQL, known before anybody asks it for anything.
//!
//! While it is away, requests that queued for a connection would each hold a permit until their time is nearly up, and hand it to one whose time is nearly
//! up too: after its return, nobody would have the time left to connect, for as long as requests keep coming. So they are turned away at once, and the
//! way is free the moment it is back.

use std::{sync::atomic::Ordering, time::Duration};

use sqlx::{Connection, PgConnection};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Ledger, LedgerError};

/// How often it is asked for a sign of life.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A machine that is busy is not away.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

impl Ledger {
    /// # Errors
    /// `Unreachable`, at once, while PostgreSQL does not answer; see [`Ledger::watch`].
    pub fn require_reachable(&self) -> Result<(), LedgerError> {
        if self.is_unreachable.load(Ordering::Relaxed) { Err(LedgerError::Unreachable) } else { Ok(()) }
    }

    /// Keeps an eye on PostgreSQL until shutdown, by a connection of its own.
    pub async fn watch(self, shutdown: CancellationToken) {
        tokio::select! {
            () = self.keep_watching() => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn keep_watching(&self) {
        loop {
            let options = self.db.connect_options();
            if let Ok(Ok(mut connection)) = timeout(PING_TIMEOUT, PgConnection::connect_with(&options)).await {
                if self.is_unreachable.swap(false, Ordering::Relaxed) {
                    tracing::info!("the ledger's PostgreSQL is back");
                }
                while let Ok(Ok(())) = timeout(PING_TIMEOUT, connection.ping()).await {
                    sleep(LOOK_EVERY).await;
                }
            }
            if !self.is_unreachable.swap(true, Ordering::Relaxed) {
                tracing::warn!("the ledger's PostgreSQL does not answer; calls of the API are told to come back");
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
