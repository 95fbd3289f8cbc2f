-- Organisations. Those that a start is configured with are put in; those of earlier starts stay, with their projects.
CREATE TABLE organizations (
    -- The order in which they are listed.
    place          bigint GENERATED ALWAYS AS IDENTITY,
    id             text PRIMARY KEY,
    name           text NOT NULL,
    plan           text NOT NULL CHECK (plan IN ('free', 'agent_free', 'launch', 'scale', 'agent_paid')),
    -- How many projects it may have; any number if absent.
    projects_limit bigint,
    -- Where its projects may lie; anywhere if empty.
    regions        text[] NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL
);

INSERT INTO organizations (id, name, plan, created_at)
SELECT org_id, 'Emulator', 'scale', min(created_at) FROM projects GROUP BY org_id;

-- The organisation of its keys and of those of its projects; absent for those of the person.
ALTER TABLE api_keys ADD COLUMN org_id text;

-- Lists are those of one organisation.
DELETE FROM deferred_indexes WHERE definition ~ '\m(projects_newest|projects_recoverable)\M';
DROP INDEX IF EXISTS projects_newest, projects_recoverable;
CREATE INDEX projects_newest ON projects (org_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX projects_recoverable ON projects (org_id, created_at DESC, id DESC)
    WHERE deleted_at IS NOT NULL AND purged_at IS NULL;

-- Projects on their way to another organisation, and those that have gone: who was charged for what.
CREATE TABLE transfers (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id         text NOT NULL,
    source_org_id      text NOT NULL,
    destination_org_id text NOT NULL,
    due_at             timestamptz NOT NULL,
    ended_at           timestamptz,
    -- It has arrived; false where there was no place any more.
    has_moved          boolean NOT NULL DEFAULT false
);

CREATE UNIQUE INDEX transfers_under_way ON transfers (project_id) WHERE ended_at IS NULL;
CREATE INDEX transfers_due ON transfers (due_at, id) WHERE ended_at IS NULL;
CREATE INDEX transfers_of_project ON transfers (project_id, ended_at) WHERE has_moved;
CREATE INDEX transfers_from ON transfers (source_org_id, ended_at) WHERE has_moved;

-- Projects that GitHub or Vercel are connected to, which cannot be transferred.
CREATE TABLE integrations (
    project_id  text PRIMARY KEY,
    integration text NOT NULL
);
