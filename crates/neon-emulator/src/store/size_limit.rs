//! The size quota in the backing databases of a project: reading and deleting go on, what would make a table grow is
//! refused with the error of Neon's compute.
//!
//! PostgreSQL has no limit for a database. Triggers in a schema of their own stand in for it: one for each permanent
//! table, before the statement, and an event trigger for tables and indexes that are made meanwhile. So a client sees
//! Neon's own error, and deleting, truncating and dropping are untouched. The schema goes when the limit does.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection};

use super::Backing;
use crate::model::Project;

const MIB: i64 = 1024 * 1024;

/// An open transaction that holds a table may delay the triggers: they are tried again.
const LIFT: &str = "SET lock_timeout = '2s'; DROP SCHEMA IF EXISTS neon_size_limit CASCADE";

/// In place of `{limit}` stands the limit in MiB.
const IMPOSE: &str = r"
SET lock_timeout = '2s';
SET client_min_messages = 'warning';
CREATE SCHEMA IF NOT EXISTS neon_size_limit;
CREATE OR REPLACE FUNCTION neon_size_limit.refuse() RETURNS trigger LANGUAGE plpgsql AS $f$
BEGIN
    RAISE 'could not extend file because project size limit ({limit} MB) has been exceeded' USING
        ERRCODE = 'disk_full',
        HINT = 'This limit is defined externally by the project size limit, and internally by neon.max_cluster_size GUC';
END
$f$;
CREATE OR REPLACE FUNCTION neon_size_limit.refuse_new() RETURNS event_trigger LANGUAGE plpgsql AS $f$
BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d JOIN pg_class c ON c.oid = d.objid
               WHERE d.classid = 'pg_class'::regclass AND c.relpersistence = 'p') THEN
        RAISE 'could not extend file because project size limit ({limit} MB) has been exceeded' USING
            ERRCODE = 'disk_full',
            HINT = 'This limit is defined externally by the project size limit, and internally by neon.max_cluster_size GUC';
    END IF;
END
$f$;
DO $do$
DECLARE
    t regclass;
BEGIN
    FOR t IN SELECT c.oid FROM pg_class c
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
          AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
          AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = 'neon_size_limit')
    LOOP
        EXECUTE format('CREATE TRIGGER neon_size_limit BEFORE INSERT OR UPDATE ON %s
                        FOR EACH STATEMENT EXECUTE FUNCTION neon_size_limit.refuse()', t);
    END LOOP;
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
        AND NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'neon_size_limit') THEN
        CREATE EVENT TRIGGER neon_size_limit ON ddl_command_end
            WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE INDEX', 'CREATE MATERIALIZED VIEW',
                         'REFRESH MATERIALIZED VIEW')
            EXECUTE FUNCTION neon_size_limit.refuse_new();
    END IF;
END
$do$;
";

impl Backing {
    /// Refuses writes in all databases of a branch. Safe to repeat: tables that came meanwhile are covered then.
    pub async fn refuse_writes(&self, project: &Project, limit_bytes: i64) -> anyhow::Result<()> {
        self.run_in_each(project, &IMPOSE.replace("{limit}", &(limit_bytes / MIB).to_string())).await
    }

    pub async fn allow_writes(&self, project: &Project) -> anyhow::Result<()> {
        self.run_in_each(project, LIFT).await
    }

    async fn run_in_each(&self, project: &Project, statements: &str) -> anyhow::Result<()> {
        for database in self.databases(project).await? {
            let mut connection = self.enter(&database).await?;
            let done = sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await;
            connection.close().await?;
            done.context("cannot change the size limit of a database")?;
        }
        Ok(())
    }
}
