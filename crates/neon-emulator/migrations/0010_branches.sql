-- A project's row describes its root branch. What is rarer has tables of its own: further branches, and roles and
-- databases as soon as a branch has others than those that it was born with (objects_apart).
ALTER TABLE projects
    -- Never set: the root branch has no parent. Further branches are read as rows of this table (see branches).
    ADD COLUMN parent_id           text,
    ADD COLUMN branch_protected    boolean NOT NULL DEFAULT false,
    ADD COLUMN branch_ready_at     timestamptz,
    -- The root branch, if absent.
    ADD COLUMN default_branch_id   text,
    -- The id of a deleted endpoint stays until the branch gets another one.
    ADD COLUMN has_endpoint        boolean NOT NULL DEFAULT true,
    -- Absent as long as the endpoint is the one that its project was born with.
    ADD COLUMN endpoint_created_at timestamptz,
    ADD COLUMN objects_apart       boolean NOT NULL DEFAULT false,
    -- From then on the backing server has to be brought in line with roles and databases.
    ADD COLUMN apply_due           timestamptz,
    -- Open connections end with it.
    ADD COLUMN apply_cuts          boolean NOT NULL DEFAULT false;

-- A further branch with its endpoint, if it has one. The columns are those of projects, so that a branch laid over
-- its project's row is a row of projects again: the project as it is seen from this branch.
CREATE TABLE branches (
    branch_id                text PRIMARY KEY,
    project_id               text NOT NULL,
    parent_id                text NOT NULL,
    branch_name              text NOT NULL,
    branch_protected         boolean NOT NULL,
    branch_ready_at          timestamptz,
    created_at               timestamptz NOT NULL,
    updated_at               timestamptz NOT NULL,
    deleted_at               timestamptz,

    has_endpoint             boolean NOT NULL,
    endpoint_id              text NOT NULL UNIQUE,
    endpoint_created_at      timestamptz,
    endpoint_name            text,
    endpoint_min_cu          double precision NOT NULL,
    endpoint_max_cu          double precision NOT NULL,
    endpoint_suspend_seconds bigint NOT NULL,
    endpoint_disabled        boolean NOT NULL,
    endpoint_settings        jsonb,
    endpoint_updated_at      timestamptz NOT NULL,

    compute_state            text NOT NULL CHECK (compute_state IN ('init', 'active', 'idle')),
    compute_pending          text CHECK (compute_pending IN ('active', 'idle')),
    compute_pending_due      timestamptz,
    compute_started_at       timestamptz,
    compute_suspended_at     timestamptz,
    compute_last_active      timestamptz,
    compute_idle_due         timestamptz,
    compute_held             boolean NOT NULL,

    objects_apart            boolean NOT NULL CHECK (objects_apart),
    apply_due                timestamptz,
    apply_cuts               boolean NOT NULL,
    materialized_at          timestamptz,
    empty_size               bigint NOT NULL,
    base_size                bigint NOT NULL,
    logical_size             bigint NOT NULL,
    charged_until            timestamptz,
    -- Nobody but real clients uses a further branch.
    compute_modeled          boolean NOT NULL CHECK (NOT compute_modeled),
    writes_refused           boolean NOT NULL
);

CREATE INDEX branches_of_project ON branches (project_id, created_at);
CREATE INDEX branches_compute_due ON branches (LEAST(compute_pending_due, compute_idle_due))
    WHERE LEAST(compute_pending_due, compute_idle_due) IS NOT NULL;
CREATE INDEX branches_writes_refused ON branches (branch_id) WHERE writes_refused;
CREATE INDEX branches_deleted ON branches (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE roles (
    branch_id         text NOT NULL,
    name              text NOT NULL,
    password          text NOT NULL,
    -- Valid until password_due; from then on the new one is.
    previous_password text,
    password_due      timestamptz,
    no_login          boolean NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (branch_id, name)
);

CREATE TABLE databases (
    id           bigint PRIMARY KEY,
    branch_id    text NOT NULL,
    name         text NOT NULL,
    owner_name   text NOT NULL,
    -- The last part of its name in the backing server, which a change of the name leaves alone.
    backing_part text NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    UNIQUE (branch_id, name)
);
