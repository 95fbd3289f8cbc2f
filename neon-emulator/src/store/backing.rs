//! The databases behind the projects: made when a client first connects, in the server that also holds the state.
//!
//! Names of databases and roles are global to a server, so each begins with the state database's name and the
//! project's id. A tenant's role owns its database, may nothing else, and nobody else may connect to it.

use std::time::Duration;

use anyhow::{Context, anyhow};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::Semaphore;

use crate::model::Project;

/// PostgreSQL cuts longer names.
const LONGEST_NAME: usize = 63;
/// Creating a database is heavy for the server.
const CREATED_AT_ONCE: usize = 4;

#[derive(Debug)]
pub struct Backing {
    pub(super) server: PgConnectOptions,
    pub(super) pool: PgPool,
    pub(super) prefix: String,
    is_superuser: bool,
    creating: Semaphore,
}

/// What a project is called in the backing server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackingNames {
    pub role: String,
    pub database: String,
}

impl Backing {
    pub async fn open(server: &PgConnectOptions, prefix: &str) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .min_connections(0)
            .acquire_timeout(Duration::from_secs(20))
            .idle_timeout(Duration::from_secs(60))
            // Statements here carry passwords, and making a database is slow by nature.
            .connect_with(server.clone().disable_statement_logging())
            .await
            .context("cannot connect to the server for tenants' databases")?;
        let (is_superuser, may_create): (bool, bool) = sqlx::query_as(
            "SELECT rolsuper, rolsuper OR (rolcreatedb AND rolcreaterole) FROM pg_roles WHERE rolname = current_user",
        )
        .fetch_one(&pool)
        .await?;
        if !may_create {
            return Err(anyhow!(
                "the role {} may not create databases and roles: ALTER ROLE … CREATEDB CREATEROLE, or give another database URL",
                server.get_username()
            ));
        }
        let backing = Self {
            server: server.clone(),
            pool,
            prefix: prefix.into(),
            is_superuser,
            creating: Semaphore::new(CREATED_AT_ONCE),
        };
        backing.warn_if_passwords_are_not_checked().await;
        Ok(backing)
    }

    /// Where the proxy connects to.
    pub fn server(&self) -> &PgConnectOptions {
        &self.server
    }

    pub fn names(&self, project: &Project) -> BackingNames {
        BackingNames {
            role: self.name(&project.id, &project.role_name),
            database: self.name(&project.id, &project.database_name),
        }
    }

    fn name(&self, project_id: &str, part: &str) -> String {
        let full = format!("{}.{project_id}.{part}", self.prefix);
        if full.len() <= LONGEST_NAME {
            return full;
        }
        let digest = part
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{}.{project_id}.{:08x}", self.prefix, digest & 0xffff_ffff)
    }

    /// Makes role and database of a project where they are missing. Safe to repeat after a crash half-way.
    /// Returns the size of the database.
    pub async fn materialize(&self, project: &Project) -> anyhow::Result<i64> {
        let _turn = self.creating.acquire().await?;
        let names = self.names(project);
        let mut connection = self.pool.acquire().await?;
        // One creator at a time for a project; the lock is the session's, as CREATE DATABASE allows no transaction.
        sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, 0))")
            .bind(&names.database)
            .execute(&mut *connection)
            .await?;
        let made = self.make(&mut connection, &names, &project.role_password).await;
        sqlx::query("SELECT pg_advisory_unlock(hashtextextended($1, 0))")
            .bind(&names.database)
            .execute(&mut *connection)
            .await?;
        made?;
        drop(connection);
        self.size(&names.database)
            .await?
            .ok_or_else(|| anyhow!("the database {} vanished while it was made", names.database))
    }

    async fn make(&self, connection: &mut PgConnection, names: &BackingNames, password: &str) -> anyhow::Result<()> {
        if !self.has(connection, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", &names.role).await? {
            run(connection, "SET password_encryption = 'scram-sha-256'", &[]).await?;
            let create = "CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD %L";
            run(connection, create, &[&names.role, password]).await?;
        }
        if !self.is_superuser {
            run(connection, "GRANT %I TO CURRENT_USER", &[&names.role]).await?;
        }
        if !self.has(connection, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", &names.database).await? {
            // Closed until the rights of others are taken away.
            let create = "CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8' ALLOW_CONNECTIONS false";
            run(connection, create, &[&names.database, &names.role]).await?;
        }
        run(connection, "REVOKE ALL ON DATABASE %I FROM PUBLIC", &[&names.database]).await?;
        run(connection, "ALTER DATABASE %I ALLOW_CONNECTIONS true", &[&names.database]).await
    }

    async fn has(&self, connection: &mut PgConnection, query: &'static str, name: &str) -> sqlx::Result<bool> {
        sqlx::query_scalar(query).bind(name).fetch_one(connection).await
    }

    /// Bytes of a database, nothing if there is none.
    pub async fn size(&self, database: &str) -> sqlx::Result<Option<i64>> {
        sqlx::query_scalar("SELECT pg_database_size(oid) FROM pg_database WHERE datname = $1")
            .bind(database)
            .fetch_optional(&self.pool)
            .await
    }

    /// Ends every session in a database, as a compute does that stops. Waits until they have ended, at most 500 ms each.
    pub async fn end_sessions(&self, database: &str) -> sqlx::Result<()> {
        sqlx::query("SELECT pg_terminate_backend(pid, 500) FROM pg_stat_activity WHERE datname = $1")
            .bind(database)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Removes role and database of a project for good.
    pub async fn drop_project(&self, project: &Project) -> anyhow::Result<()> {
        let names = self.names(project);
        let mut connection = self.pool.acquire().await?;
        run(&mut connection, "DROP DATABASE IF EXISTS %I WITH (FORCE)", &[&names.database]).await?;
        run(&mut connection, "DROP ROLE IF EXISTS %I", &[&names.role]).await
    }

    /// A server that trusts everybody makes passwords of projects worthless: say so.
    async fn warn_if_passwords_are_not_checked(&self) {
        let wrong = self.server.clone().password("certainly not the password");
        let attempt = tokio::time::timeout(Duration::from_secs(5), PgConnection::connect_with(&wrong)).await;
        if let Ok(Ok(connection)) = attempt {
            let _ = connection.close().await;
            tracing::warn!(
                "PostgreSQL accepts any password here (pg_hba.conf says trust), so connections to projects are not checked either"
            );
        }
    }

    pub async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.pool.close()).await;
    }
}

/// Runs a statement that takes no parameters, with names (%I) and texts (%L) quoted by the server itself.
async fn run(connection: &mut PgConnection, template: &str, parts: &[&str]) -> anyhow::Result<()> {
    let statement: String = sqlx::query_scalar("SELECT format($1, VARIADIC $2::text[])")
        .bind(template)
        .bind(parts)
        .fetch_one(&mut *connection)
        .await?;
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(connection)
        .await
        .with_context(|| format!("cannot run {template}"))?;
    Ok(())
}
