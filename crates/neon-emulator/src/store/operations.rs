//! Reading operations, newest first.

use uuid::Uuid;

use super::Store;
use crate::clock::Instant;
use crate::model::{Operation, Refusal};

impl Store {
    pub async fn operations(
        &self,
        project_id: &str,
        before: Option<Instant>,
        limit: i64,
    ) -> Result<Vec<Operation>, Refusal> {
        let operations = sqlx::query_as(
            "SELECT * FROM operations WHERE project_id = $1 AND created_at < coalesce($2, 'infinity')
             ORDER BY created_at DESC LIMIT $3",
        )
        .bind(project_id)
        .bind(before)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        Ok(operations)
    }

    pub async fn operation(&self, project_id: &str, id: Uuid) -> Result<Operation, Refusal> {
        sqlx::query_as("SELECT * FROM operations WHERE project_id = $1 AND id = $2")
            .bind(project_id)
            .bind(id)
            .fetch_optional(&self.pool)
            .await?
            .ok_or(Refusal::NotFound("operation"))
    }

    /// Neon keeps operations for about six months. Removes at most 10,000 at a time.
    pub async fn forget_old_operations(&self) -> Result<u64, Refusal> {
        let done = sqlx::query(
            "DELETE FROM operations WHERE id IN
                 (SELECT id FROM operations WHERE created_at < $1 - interval '6 months' ORDER BY created_at LIMIT 10000)",
        )
        .bind(self.clock.now())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}
