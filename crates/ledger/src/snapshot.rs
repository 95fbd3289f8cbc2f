//! A snapshot of the fleet, for monitoring: a few small rows, whatever the size of the fleet. Only what is wrong is counted,
//! through indexes that hold nothing else.

use super::{Ledger, LedgerError};
use crate::state::State;
use fleet_types::{Blocked, DatabaseState, Examination, FindingKind, FindingStatus, KeyReport, PoolSummary, Time};

/// What one scrape tells of the fleet.
pub struct FleetSnapshot {
    pub pools: Vec<PoolSummary>,
    /// Pool, state, count.
    pub databases: Vec<(String, DatabaseState, i64)>,
    pub duties: Vec<DutyHealth>,
    /// The end of the last complete sweep.
    pub swept_at: Option<Time>,
    pub neon_is_failing: bool,
    pub neon_last_ok_at: Option<Time>,
    /// Those that are not resolved.
    pub findings: Vec<(FindingKind, FindingStatus, i64)>,
    pub brake_is_on: bool,
    /// This ledger may not know who owns what.
    pub is_in_safe_mode: bool,
    /// The doctor's last run, with the last verdict of every check.
    pub examination: Option<Examination>,
    /// Claimed databases that cannot be used as they should, by why.
    pub blocked: Vec<Blocked>,
    /// Released databases whose deletion is refused.
    pub releases_refused: i64,
    /// The keys that seal credentials.
    pub keys: KeyReport,
}

/// How the last run of a duty went, in whatever replica.
pub struct DutyHealth {
    pub name: String,
    pub last_started_at: Option<Time>,
    pub last_finished_at: Option<Time>,
    pub failures_in_a_row: i32,
}

impl Ledger {
    /// Reads the roll-up, the pools, the duties and what is wrong; of `databases` only the rows that are blocked.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn fleet_snapshot(&self) -> Result<FleetSnapshot, LedgerError> {
        let neon = sqlx::query!("SELECT last_ok_at, failing_since FROM neon_status").fetch_one(&self.db).await?;
        Ok(FleetSnapshot {
            pools: self.pools().await?,
            databases: self.database_counts().await?,
            duties: self.duty_health().await?,
            swept_at: self.swept_at().await?,
            neon_is_failing: neon.failing_since.is_some(),
            neon_last_ok_at: neon.last_ok_at,
            findings: self.finding_counts().await?,
            brake_is_on: self.brake().await?.is_some(),
            is_in_safe_mode: self.safe_mode().await?.is_some(),
            examination: self.last_examination().await?,
            blocked: self.blocked_by_reason().await?,
            releases_refused: self.releases_refused().await?,
            keys: self.key_report().await?,
        })
    }

    async fn database_counts(&self) -> Result<Vec<(String, DatabaseState, i64)>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT p.name AS pool, c.state AS "state!: State", c.count AS "count!"
               FROM fleet_counts AS c JOIN pools AS p ON p.id = c.pool_id LIMIT 10000"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows.into_iter().map(|row| (row.pool, row.state.0, row.count)).collect())
    }

    async fn releases_refused(&self) -> Result<i64, LedgerError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM databases WHERE release_refused_at IS NOT NULL AND state = 'releasing'"#
        );
        Ok(count.fetch_one(&self.db).await?)
    }

    async fn duty_health(&self) -> Result<Vec<DutyHealth>, LedgerError> {
        Ok(sqlx::query_as!(
            DutyHealth,
            "SELECT name, last_started_at, last_finished_at, failures_in_a_row FROM duties ORDER BY name LIMIT 100"
        )
        .fetch_all(&self.db)
        .await?)
    }

    async fn swept_at(&self) -> Result<Option<Time>, LedgerError> {
        let last = sqlx::query_scalar!("SELECT finished_at FROM sweeps WHERE is_complete ORDER BY id DESC LIMIT 1");
        Ok(last.fetch_optional(&self.db).await?.flatten())
    }
}
