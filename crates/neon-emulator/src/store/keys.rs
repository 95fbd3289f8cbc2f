//! API keys.

use super::Store;
use crate::keys::{ApiKey, Holder, Key};
use crate::model::Refusal;

const COLUMNS_OF_KEY: &str = "id, key, name, org_id, project_id, created_at";

impl Store {
    /// Takes in the configured keys and returns every key that is valid. Keys of an organisation that were made when
    /// there was only one belong to the first.
    pub async fn open_keys(&self, configured: &[Key], first_org_id: &str) -> Result<Vec<ApiKey>, Refusal> {
        for key in configured {
            sqlx::query(
                "INSERT INTO api_keys (key, name, kind, org_id, created_at) VALUES ($1, 'configured', $2, $3, $4)
                 ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, org_id = excluded.org_id",
            )
            .bind(&key.token)
            .bind(kind(&key.holder))
            .bind(org_id(&key.holder))
            .bind(self.clock.now())
            .execute(&self.pool)
            .await?;
        }
        sqlx::query("UPDATE api_keys SET org_id = $1 WHERE kind = 'organization' AND org_id IS NULL")
            .bind(first_org_id)
            .execute(&self.pool)
            .await?;
        let query = format!("SELECT {COLUMNS_OF_KEY} FROM api_keys WHERE revoked_at IS NULL");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_all(&self.pool).await?)
    }

    pub async fn insert_key(
        &self,
        key: &str,
        name: &str,
        holder: &Holder,
        project_id: Option<&str>,
    ) -> Result<ApiKey, Refusal> {
        let query = format!(
            "INSERT INTO api_keys (key, name, kind, org_id, project_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)
             RETURNING {COLUMNS_OF_KEY}"
        );
        let key = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(key)
            .bind(name)
            .bind(kind(holder))
            .bind(org_id(holder))
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

fn kind(holder: &Holder) -> &'static str {
    match holder {
        Holder::Person => "personal",
        Holder::Organization(_) => "organization",
    }
}

fn org_id(holder: &Holder) -> Option<&str> {
    match holder {
        Holder::Person => None,
        Holder::Organization(org_id) => Some(org_id),
    }
}
