//! Data of a new branch: its parent's databases, copied as they are at that moment.
//!
//! PostgreSQL copies only a database that nobody is in, so open connections to the parent end. Nothing is copied of a
//! parent that nobody has ever connected to.

use sqlx::{Connection, PgConnection};

use super::backing::{Backing, run};
use crate::clock::Instant;
use crate::model::{Objects, Project};

impl Backing {
    /// Makes roles and databases of `to` out of those of `from`. What is there under other names is left alone.
    pub async fn copy(
        &self,
        (from, sources): (&Project, &Objects),
        (to, copies): (&Project, &Objects),
        now: Instant,
    ) -> anyhow::Result<()> {
        let _turn = self.creating.acquire().await?;
        let mut connection = self.pool.acquire().await?;
        self.lock(&mut connection, from).await?;
        let copied = self.copy_locked(&mut connection, (from, sources), (to, copies), now).await;
        self.unlock(&mut connection, from).await?;
        copied
    }

    async fn copy_locked(
        &self,
        connection: &mut PgConnection,
        (from, sources): (&Project, &Objects),
        (to, copies): (&Project, &Objects),
        now: Instant,
    ) -> anyhow::Result<()> {
        self.make_roles(connection, to, copies, now).await?;
        for (source, copy) in sources.databases.iter().zip(&copies.databases) {
            let (source, name) = (self.database(from, source), self.database(to, copy));
            run(connection, "ALTER DATABASE %I ALLOW_CONNECTIONS false", &[&source]).await?;
            let copied = self.copy_one(connection, &source, &name, &self.role(to, &copy.owner_name)).await;
            run(connection, "ALTER DATABASE %I ALLOW_CONNECTIONS true", &[&source]).await?;
            copied?;
            self.open_to_roles(connection, to, &name, copies).await?;
            self.hand_over(&name, (from, sources), to).await?;
        }
        Ok(())
    }

    /// `source` takes no new connections meanwhile.
    async fn copy_one(
        &self,
        connection: &mut PgConnection,
        source: &str,
        name: &str,
        owner: &str,
    ) -> anyhow::Result<()> {
        sqlx::query("SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = $1")
            .bind(source)
            .execute(&mut *connection)
            .await?;
        run(connection, "CREATE DATABASE %I OWNER %I TEMPLATE %I ALLOW_CONNECTIONS false", &[name, owner, source]).await
    }

    /// What the parent's roles own in the copy belongs to the branch's roles, and they have no rights there any more.
    /// Both commands also reach the parent's databases, which are given back before anybody can see it.
    async fn hand_over(&self, copy: &str, (from, sources): (&Project, &Objects), to: &Project) -> anyhow::Result<()> {
        let mut inside = self.enter(copy).await?;
        let mut transaction = inside.begin().await?;
        for role in &sources.roles {
            let (old, new) = (self.role(from, &role.name), self.role(to, &role.name));
            run(&mut transaction, "REASSIGN OWNED BY %I TO %I", &[&old, &new]).await?;
            run(&mut transaction, "DROP OWNED BY %I", &[&old]).await?;
        }
        for database in &sources.databases {
            let (name, owner) = (self.database(from, database), self.role(from, &database.owner_name));
            run(&mut transaction, "ALTER DATABASE %I OWNER TO %I", &[&name, &owner]).await?;
            self.open_to_roles(&mut transaction, from, &name, sources).await?;
        }
        transaction.commit().await?;
        inside.close().await?;
        Ok(())
    }
}
