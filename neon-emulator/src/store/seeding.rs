//! Bulk insertion of projects with a past.

use super::Store;
use super::changes::insert_projects;
use crate::model::{Project, Refusal};

impl Store {
    /// A few thousand projects in one statement.
    pub async fn insert_many(&self, projects: &[Project]) -> Result<(), Refusal> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SET LOCAL statement_timeout = '120s'").execute(&mut *transaction).await?;
        insert_projects(&mut transaction, projects).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The planner's picture of an empty table would make the first lists slow.
    pub async fn analyze(&self) -> Result<(), Refusal> {
        sqlx::query("ANALYZE projects").execute(&self.pool).await?;
        Ok(())
    }
}
