-- One row carries a project with its default branch, endpoint, role and database, so that hundreds of thousands
-- of projects stay small. What is rare (further branches, roles, databases) belongs in side tables.
CREATE TABLE projects (
    id                        text PRIMARY KEY,
    name                      text NOT NULL,
    region_id                 text NOT NULL,
    pg_version                smallint NOT NULL,
    org_id                    text NOT NULL,
    created_at                timestamptz NOT NULL,
    updated_at                timestamptz NOT NULL,
    deleted_at                timestamptz,
    -- The recovery window is over: the backing database is gone, the row stays as a place for cursors.
    purged_at                 timestamptz,
    -- Operations run until then: the project is locked.
    busy_until                timestamptz,
    store_passwords           boolean NOT NULL,
    history_retention_seconds integer NOT NULL,
    quota                     jsonb,
    settings                  jsonb,
    default_min_cu            double precision NOT NULL,
    default_max_cu            double precision NOT NULL,
    default_suspend_seconds   bigint NOT NULL,
    default_pg_settings       jsonb,

    branch_id                 text NOT NULL,
    branch_name               text NOT NULL,

    endpoint_id               text NOT NULL UNIQUE,
    endpoint_name             text,
    endpoint_min_cu           double precision NOT NULL,
    endpoint_max_cu           double precision NOT NULL,
    endpoint_suspend_seconds  bigint NOT NULL,
    endpoint_disabled         boolean NOT NULL,
    endpoint_settings         jsonb,
    endpoint_updated_at       timestamptz NOT NULL,

    -- The state as last written. Whatever has fallen due since is worked out by whoever reads the row.
    compute_state             text NOT NULL CHECK (compute_state IN ('init', 'active', 'idle')),
    compute_pending           text CHECK (compute_pending IN ('active', 'idle')),
    compute_pending_due       timestamptz,
    compute_started_at        timestamptz,
    compute_suspended_at      timestamptz,
    compute_last_active       timestamptz,
    compute_idle_due          timestamptz,
    -- Connections are open through the proxy, so that the suspend timeout does not run.
    compute_held              boolean NOT NULL,

    role_name                 text NOT NULL,
    role_password             text NOT NULL,
    database_name             text NOT NULL,
    database_id               bigint NOT NULL,

    -- Set once role and database exist in the backing server; empty_size is what the new database measured there.
    materialized_at           timestamptz,
    empty_size                bigint NOT NULL,
    base_size                 bigint NOT NULL,
    logical_size              bigint NOT NULL,

    -- Usage of the billing period that began at used_since.
    used_since                timestamptz NOT NULL,
    used_active_seconds       double precision NOT NULL,
    used_compute_seconds      double precision NOT NULL,
    used_written_bytes        bigint NOT NULL,
    used_transfer_bytes       bigint NOT NULL,
    used_storage_byte_hours   bigint NOT NULL,

    CHECK ((compute_pending IS NULL) = (compute_pending_due IS NULL))
);

CREATE INDEX projects_newest ON projects (created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX projects_recoverable ON projects (created_at DESC, id DESC) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX projects_purge_due ON projects (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;
-- What the sweep looks for: the next moment at which a compute changes by itself.
CREATE INDEX projects_compute_due ON projects (LEAST(compute_pending_due, compute_idle_due))
    WHERE LEAST(compute_pending_due, compute_idle_due) IS NOT NULL;
CREATE INDEX projects_held ON projects (id) WHERE compute_held;

CREATE SEQUENCE database_ids START 6000000;

-- An operation needs no worker: its status follows from the two times.
CREATE TABLE operations (
    id          uuid PRIMARY KEY,
    project_id  text NOT NULL,
    branch_id   text,
    endpoint_id text,
    action      text NOT NULL,
    created_at  timestamptz NOT NULL,
    starts_at   timestamptz NOT NULL,
    due_at      timestamptz NOT NULL
);

CREATE INDEX operations_of_project ON operations (project_id, created_at DESC);
CREATE INDEX operations_by_age ON operations (created_at);

-- Partial matches of a name or id by index, where the server has the extension.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX projects_search ON projects USING gin (name gin_trgm_ops, id gin_trgm_ops);
EXCEPTION WHEN undefined_file OR insufficient_privilege OR feature_not_supported OR undefined_object THEN
    RAISE NOTICE 'pg_trgm is not available: searches read every project';
END
$$;
