//! API keys.

use super::Store;
use crate::keys::{ApiKey, KeyKind};
use crate::model::Refusal;

const COLUMNS_OF_KEY: &str = "id, key, name, kind, project_id, created_at";

impl Store {
    /// Takes in the configured keys, which are all of one kind, and returns every key that is valid.
    pub async fn open_keys(&self, configured: &[String], kind: KeyKind) -> Result<Vec<ApiKey>, Refusal> {
        sqlx::query(
            "INSERT INTO api_keys (key, name, kind, created_at) SELECT DISTINCT k, 'configured', $2, $3 FROM unnest($1) k
             ON CONFLICT (key) DO UPDATE SET kind = excluded.kind",
        )
        .bind(configured)
        .bind(kind)
        .bind(self.clock.now())
        .execute(&self.pool)
        .await?;
        let query = format!("SELECT {COLUMNS_OF_KEY} FROM api_keys WHERE revoked_at IS NULL");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_all(&self.pool).await?)
    }

    pub async fn insert_key(
        &self,
        key: &str,
        name: &str,
        kind: KeyKind,
        project_id: Option<&str>,
    ) -> Result<ApiKey, Refusal> {
        let query = format!(
            "INSERT INTO api_keys (key, name, kind, project_id, created_at) VALUES ($1, $2, $3, $4, $5)
             RETURNING {COLUMNS_OF_KEY}"
        );
        let key = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(key)
            .bind(name)
            .bind(kind)
            .bind(project_id)
            .bind(self.clock.now())
            .fetch_one(&self.pool)
            .await?;
        Ok(key)
    }

    pub async fn revoke_key(&self, id: i64) -> Result<(), Refusal> {
        sqlx::query("UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .bind(self.clock.now())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
