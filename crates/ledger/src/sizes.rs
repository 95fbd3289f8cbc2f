//! Logical sizes: whom to ask about theirs, and what Neon told.
//!
//! The work list is the view `databases_to_measure` over an index of its own: databases whose synthetic size does not prove that they are below
//! 80 % of their storage quota, and that were used since they were measured. Nothing is leased: asking twice costs a call and changes nothing.

use uuid::Uuid;

use super::{Ledger, LedgerError};

/// A database whose branch is to be asked about.
#[derive(Clone, Debug)]
pub struct DueSize {
    pub id: Uuid,
    pub project_id: String,
    pub branch_id: String,
}

impl Ledger {
    /// Those that may be asked about now, longest due first.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn due_sizes(&self, limit: i64) -> Result<Vec<DueSize>, LedgerError> {
        Ok(sqlx::query_as!(
            DueSize,
            r#"SELECT id AS "id!", neon_project_id AS "project_id!", neon_branch_id AS "branch_id!" FROM databases_to_measure
               WHERE size_rests_until <= now() ORDER BY size_rests_until LIMIT $1"#,
            limit
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// Writes down what Neon told of a branch just now; `None` where Neon has not measured it yet. It is asked about again in 15 minutes at the
    /// earliest, which is how often Neon measures, and for the same reason the figure surely holds only what was written before that time.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_logical_size(&self, id: Uuid, bytes: Option<i64>) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE databases
             SET logical_size_bytes = coalesce($2, logical_size_bytes), size_rests_until = now() + interval '15 minutes',
                 size_measured_at = CASE WHEN $2::bigint IS NULL THEN size_measured_at ELSE now() END,
                 size_settled_to = CASE WHEN $2::bigint IS NULL THEN size_settled_to ELSE now() - interval '15 minutes' END
             WHERE id = $1",
            id,
            bytes
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Neon would not answer for this one: it is asked about again in an hour.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn set_size_aside(&self, id: Uuid) -> Result<(), LedgerError> {
        sqlx::query!("UPDATE databases SET size_rests_until = now() + interval '1 hour' WHERE id = $1", id)
            .execute(&self.db)
            .await?;
        Ok(())
    }
}
