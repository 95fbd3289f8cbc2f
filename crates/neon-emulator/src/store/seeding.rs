//! Bulk insertion of projects with a past.

use super::Store;
use super::copy;
use super::usage::write_journals;
use crate::model::{Project, Refusal};

impl Store {
    /// A few thousand projects at once.
    pub async fn insert_many(&self, projects: &[Project]) -> Result<(), Refusal> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SET LOCAL statement_timeout = '120s'").execute(&mut *transaction).await?;
        let mut copy = transaction.copy_in_raw(&copy::statement()).await?;
        copy.send(copy::encoded(projects)).await?;
        copy.finish().await?;
        write_journals(&mut transaction, projects).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Takes the indexes away for a seeding if there is no project yet: building them at the end is faster.
    pub async fn defer_indexes(&self) -> Result<(), Refusal> {
        sqlx::query(
            "DO $$
             DECLARE
                 i record;
             BEGIN
                 IF EXISTS (SELECT FROM projects) THEN
                     RETURN;
                 END IF;
                 FOR i IN SELECT indexname, indexdef FROM pg_indexes
                     WHERE schemaname = current_schema AND tablename = 'projects'
                       AND indexname NOT IN (SELECT conname FROM pg_constraint WHERE conrelid = 'projects'::regclass)
                 LOOP
                     INSERT INTO deferred_indexes VALUES (i.indexdef);
                     EXECUTE format('DROP INDEX %I', i.indexname);
                 END LOOP;
             END
             $$",
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Builds the indexes that were taken away, if any.
    pub async fn build_deferred_indexes(&self) -> Result<(), Refusal> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("SET LOCAL statement_timeout = '600s'").execute(&mut *transaction).await?;
        sqlx::query("SET LOCAL maintenance_work_mem = '128MB'").execute(&mut *transaction).await?;
        sqlx::query(
            "DO $$
             DECLARE
                 d text;
             BEGIN
                 FOR d IN DELETE FROM deferred_indexes RETURNING definition LOOP
                     EXECUTE d;
                 END LOOP;
             END
             $$",
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The planner's picture of an empty table would make the first lists slow. It is renewed when it is off by a half.
    pub async fn analyze_after(&self, inserted: usize) -> Result<(), Refusal> {
        let known: f32 = sqlx::query_scalar("SELECT reltuples FROM pg_class WHERE oid = 'projects'::regclass")
            .fetch_one(&self.pool)
            .await?;
        if inserted as f32 * 2.0 > known {
            sqlx::query("ANALYZE projects").execute(&self.pool).await?;
        }
        Ok(())
    }
}
