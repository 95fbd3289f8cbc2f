//! Sweeps: how far each reading of Neon's list of projects came, and whether it proves anything about what it did not show.

use uuid::Uuid;

use super::{Ledger, LedgerError};
use fleet_types::Time;

/// What one page of the list was good for.
#[derive(Clone, Copy, Debug, Default)]
pub struct SweptPage {
    pub projects: i64,
    /// Of these, named by us or known to the ledger.
    pub ours: i64,
    /// Named by another installation.
    pub others: i64,
    /// Rows that were written.
    pub changed: i64,
    /// Projects that Neon could not read in time, or we could not: the page, and so the sweep, proves nothing about absence.
    pub unavailable: i64,
}

/// How a sweep ended, or how far it is.
#[derive(Clone, Debug)]
pub struct Sweep {
    pub id: i64,
    pub started_at: Time,
    pub finished_at: Option<Time>,
    pub pages: i32,
    pub projects: i64,
    pub changed: i64,
    pub unavailable: i64,
    pub expected: Option<i64>,
    pub is_complete: bool,
    pub broke_off: Option<String>,
}

impl Ledger {
    /// Begins a sweep, and gives up whatever sweep was left open: only one replica sweeps at a time.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn start_sweep(&self, replica: Uuid) -> Result<Sweep, LedgerError> {
        sqlx::query!(
            "UPDATE sweeps SET finished_at = now(), broke_off = 'The replica that read it stopped.' WHERE finished_at IS NULL"
        )
        .execute(&self.db)
        .await?;
        Ok(sqlx::query_as!(
            Sweep,
            "INSERT INTO sweeps (replica, expected) VALUES ($1, (SELECT projects FROM sweeps WHERE is_complete ORDER BY id DESC LIMIT 1))
             RETURNING id, started_at, finished_at, pages, projects, changed, unavailable, expected, is_complete, broke_off",
            replica
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// Adds a page. `false` when the sweep was given up meanwhile.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_swept_page(&self, sweep: i64, page: SweptPage) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE sweeps SET pages = pages + 1, projects = projects + $2, ours = ours + $5, others = others + $6, changed = changed + $3, unavailable = unavailable + $4
             WHERE id = $1 AND finished_at IS NULL",
            sweep,
            page.projects,
            page.changed,
            page.unavailable,
            page.ours,
            page.others
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The list was read to its end. The answer says whether the sweep is complete. `NotFound` when it was given up meanwhile.
    ///
    /// # Errors
    /// `NotFound`, or PostgreSQL's.
    pub async fn finish_sweep(&self, sweep: i64) -> Result<Sweep, LedgerError> {
        sqlx::query_as!(
            Sweep,
            "UPDATE sweeps SET finished_at = now(), is_complete = unavailable = 0 WHERE id = $1 AND finished_at IS NULL
             RETURNING id, started_at, finished_at, pages, projects, changed, unavailable, expected, is_complete, broke_off",
            sweep
        )
        .fetch_optional(&self.db)
        .await?
        .ok_or_else(|| LedgerError::NotFound(String::from("The open sweep")))
    }

    /// Gives a sweep up before its end: it proves nothing.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn break_off_sweep(&self, sweep: i64, because: &str) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE sweeps SET finished_at = now(), broke_off = $2 WHERE id = $1 AND finished_at IS NULL",
            sweep,
            because
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// The newest sweeps, the one under way included.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn sweeps(&self, limit: i64) -> Result<Vec<Sweep>, LedgerError> {
        Ok(sqlx::query_as!(
            Sweep,
            "SELECT id, started_at, finished_at, pages, projects, changed, unavailable, expected, is_complete, broke_off
             FROM sweeps ORDER BY id DESC LIMIT $1",
            limit
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// Forgets sweeps that no screen asks for any more.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn forget_old_sweeps(&self) -> Result<(), LedgerError> {
        sqlx::query!("DELETE FROM sweeps WHERE finished_at < now() - interval '30 days' AND id < (SELECT max(id) - 100 FROM sweeps)")
            .execute(&self.db)
            .await?;
        Ok(())
    }
}
