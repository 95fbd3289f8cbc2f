//! Bulk insertion of projects with a past.

use super::changes::insert_projects;
use super::Store;
use crate::model::{Project, Refusal};

/// Rows of one statement.
const CHUNK: usize = 2_000;

impl Store {
    pub async fn insert_many(&self, projects: &[Project]) -> Result<(), Refusal> {
        for chunk in projects.chunks(CHUNK) {
            let mut transaction = self.pool.begin().await?;
            sqlx::query("SET LOCAL statement_timeout = '120s'").execute(&mut *transaction).await?;
            insert_projects(&mut transaction, chunk).await?;
            transaction.commit().await?;
        }
        // The planner's picture of an empty table would make the first lists slow.
        sqlx::query("ANALYZE projects").execute(&self.pool).await?;
        Ok(())
    }
}
