//! The databases behind the projects: made when a client first connects, in the server that also holds the state.
//!
//! Names of databases and roles are global to a server, so each begins with the state database's name and the id of
//! its project (or further branch): its scope. A branch's roles may enter the branch's databases, may nothing else,
//! and nobody else may connect to them. What a branch should have is made, what it should not have is removed.

use std::time::Duration;

use anyhow::{Context, anyhow};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::Semaphore;

use crate::clock::Instant;
use crate::model::{Database, Objects, Project};

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
    pub(super) creating: Semaphore,
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

    /// What a role of the branch is called in the backing server, from which the project is seen.
    pub fn role(&self, project: &Project, name: &str) -> String {
        self.name(scope(project), name)
    }

    pub fn database(&self, project: &Project, database: &Database) -> String {
        self.name(scope(project), &database.backing_part)
    }

    /// What the names of all databases and roles of a branch begin with.
    fn prefix(&self, project: &Project) -> String {
        format!("{}.{}.", self.prefix, scope(project))
    }

    fn name(&self, scope: &str, part: &str) -> String {
        let full = format!("{}.{scope}.{part}", self.prefix);
        if full.len() <= LONGEST_NAME {
            return full;
        }
        let digest = part
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{}.{scope}.{:08x}", self.prefix, digest & 0xffff_ffff)
    }

    /// Brings roles and databases of a branch in line with what it should have. Safe to repeat after a crash half-way.
    pub async fn materialize(&self, project: &Project, objects: &Objects, now: Instant) -> anyhow::Result<()> {
        let _turn = self.creating.acquire().await?;
        let mut connection = self.pool.acquire().await?;
        self.lock(&mut connection, project).await?;
        let made = self.make(&mut connection, project, objects, now).await;
        self.unlock(&mut connection, project).await?;
        made
    }

    /// One maker at a time for a branch; the lock is the session's, as CREATE DATABASE allows no transaction.
    pub(super) async fn lock(&self, connection: &mut PgConnection, project: &Project) -> sqlx::Result<()> {
        sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, 0))")
            .bind(self.prefix(project))
            .execute(connection)
            .await?;
        Ok(())
    }

    pub(super) async fn unlock(&self, connection: &mut PgConnection, project: &Project) -> sqlx::Result<()> {
        sqlx::query("SELECT pg_advisory_unlock(hashtextextended($1, 0))")
            .bind(self.prefix(project))
            .execute(connection)
            .await?;
        Ok(())
    }

    async fn make(
        &self,
        connection: &mut PgConnection,
        project: &Project,
        objects: &Objects,
        now: Instant,
    ) -> anyhow::Result<()> {
        self.make_roles(connection, project, objects, now).await?;
        for database in &objects.databases {
            let name = self.database(project, database);
            let owner = self.role(project, &database.owner_name);
            if !has(connection, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", &name).await? {
                // Closed until the rights of others are taken away.
                let create = "CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING 'UTF8' ALLOW_CONNECTIONS false";
                run(connection, create, &[&name, &owner]).await?;
            }
            run(connection, "ALTER DATABASE %I OWNER TO %I", &[&name, &owner]).await?;
            self.open_to_roles(connection, project, &name, objects).await?;
        }
        self.remove_others(connection, project, objects).await
    }

    pub(super) async fn make_roles(
        &self,
        connection: &mut PgConnection,
        project: &Project,
        objects: &Objects,
        now: Instant,
    ) -> anyhow::Result<()> {
        run(connection, "SET password_encryption = 'scram-sha-256'", &[]).await?;
        for role in &objects.roles {
            let name = self.role(project, &role.name);
            if !has(connection, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", &name).await? {
                let create = "CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION";
                run(connection, create, &[&name]).await?;
            }
            let alter =
                if role.no_login { "ALTER ROLE %I NOLOGIN PASSWORD %L" } else { "ALTER ROLE %I LOGIN PASSWORD %L" };
            run(connection, alter, &[&name, role.valid_password(now)]).await?;
            if !self.is_superuser {
                run(connection, "GRANT %I TO CURRENT_USER", &[&name]).await?;
            }
        }
        Ok(())
    }

    /// The roles of its branch may use a database, and nobody else.
    pub(super) async fn open_to_roles(
        &self,
        connection: &mut PgConnection,
        project: &Project,
        database: &str,
        objects: &Objects,
    ) -> anyhow::Result<()> {
        run(connection, "REVOKE ALL ON DATABASE %I FROM PUBLIC", &[database]).await?;
        for role in &objects.roles {
            run(connection, "GRANT ALL ON DATABASE %I TO %I", &[database, &self.role(project, &role.name)]).await?;
        }
        run(connection, "ALTER DATABASE %I ALLOW_CONNECTIONS true", &[database]).await
    }

    /// Removes what the branch has in the server and should not have. What a role leaves goes to the databases' owners.
    async fn remove_others(
        &self,
        connection: &mut PgConnection,
        project: &Project,
        objects: &Objects,
    ) -> anyhow::Result<()> {
        let wanted: Vec<String> = objects.databases.iter().map(|database| self.database(project, database)).collect();
        for database in self.databases(project).await?.iter().filter(|name| !wanted.contains(name)) {
            run(connection, "DROP DATABASE IF EXISTS %I WITH (FORCE)", &[database]).await?;
        }
        let wanted: Vec<String> = objects.roles.iter().map(|role| self.role(project, &role.name)).collect();
        for role in self.roles(project).await?.iter().filter(|name| !wanted.contains(name)) {
            for database in &objects.databases {
                let owner = self.role(project, &database.owner_name);
                let mut inside = self.enter(&self.database(project, database)).await?;
                run(&mut inside, "REASSIGN OWNED BY %I TO %I", &[role, &owner]).await?;
                run(&mut inside, "DROP OWNED BY %I", &[role]).await?;
                inside.close().await?;
            }
            run(connection, "DROP ROLE IF EXISTS %I", &[role]).await?;
        }
        Ok(())
    }

    /// A session of the emulator's own in a database.
    pub(super) async fn enter(&self, database: &str) -> sqlx::Result<PgConnection> {
        self.server.clone().database(database).disable_statement_logging().connect().await
    }

    pub(super) async fn databases(&self, project: &Project) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar("SELECT datname FROM pg_database WHERE starts_with(datname, $1)")
            .bind(self.prefix(project))
            .fetch_all(&self.pool)
            .await
    }

    async fn roles(&self, project: &Project) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)")
            .bind(self.prefix(project))
            .fetch_all(&self.pool)
            .await
    }

    /// Bytes of all databases of a branch, nothing if there are none.
    pub async fn size(&self, project: &Project) -> sqlx::Result<Option<i64>> {
        sqlx::query_scalar("SELECT sum(pg_database_size(oid))::bigint FROM pg_database WHERE starts_with(datname, $1)")
            .bind(self.prefix(project))
            .fetch_one(&self.pool)
            .await
    }

    /// Bytes of one database of a branch that nobody has been in yet. How many there are does not matter.
    pub async fn empty_size(&self, project: &Project) -> sqlx::Result<i64> {
        let query = "SELECT coalesce(min(pg_database_size(oid)), 0) FROM pg_database WHERE starts_with(datname, $1)";
        sqlx::query_scalar(query).bind(self.prefix(project)).fetch_one(&self.pool).await
    }

    /// The time by the server's own clock, which the beginnings of sessions are noted by.
    pub async fn time(&self) -> sqlx::Result<Instant> {
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&self.pool).await
    }

    /// Ends the sessions in a branch's databases that began before this time of the server, as a compute does that
    /// stops. Waits until they have ended, at most 500 ms each.
    pub async fn end_sessions(&self, project: &Project, began_before: Instant) -> sqlx::Result<()> {
        sqlx::query(
            "SELECT pg_terminate_backend(pid, 500) FROM pg_stat_activity
             WHERE starts_with(datname, $1) AND backend_start < $2",
        )
        .bind(self.prefix(project))
        .bind(began_before)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Removes roles and databases of a branch for good.
    pub async fn drop_all(&self, project: &Project) -> anyhow::Result<()> {
        let mut connection = self.pool.acquire().await?;
        self.remove_others(&mut connection, project, &Objects { roles: Vec::new(), databases: Vec::new() }).await
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

/// The root branch goes by the id of its project.
fn scope(project: &Project) -> &str {
    if project.is_root_branch() {
        return &project.id;
    }
    project.branch_id.strip_prefix("br-").unwrap_or(&project.branch_id)
}

async fn has(connection: &mut PgConnection, query: &'static str, name: &str) -> sqlx::Result<bool> {
    sqlx::query_scalar(query).bind(name).fetch_one(connection).await
}

/// Runs a statement that takes no parameters, with names (%I) and texts (%L) quoted by the server itself.
pub(super) async fn run(connection: &mut PgConnection, template: &str, parts: &[&str]) -> anyhow::Result<()> {
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
