-- Usage: what seeded projects consume by a model, what real connections consume by the hour, and quotas.
ALTER TABLE projects
    -- How a seeded project is used, and what tells it from others of its kind. Without a pattern all use is real.
    ADD COLUMN usage_pattern    text CHECK (usage_pattern IN ('asleep', 'diurnal', 'heavy', 'polled')),
    ADD COLUMN usage_seed       bigint NOT NULL DEFAULT 0,
    -- Real runs of the compute are in the counters up to here.
    ADD COLUMN charged_until    timestamptz,
    -- The counters hold everything up to here; the model counts from here on, which may lie in the future.
    ADD COLUMN modeled_from     timestamptz,
    -- The compute runs and rests by the model; false as long as somebody really uses it.
    ADD COLUMN compute_modeled  boolean NOT NULL DEFAULT false,
    -- When the quota has to be looked at: it will have been exceeded for the lag by then, or a period ends.
    ADD COLUMN quota_due        timestamptz,
    ADD COLUMN quota_blocked_at timestamptz,
    -- The size limit is in force in the backing database.
    ADD COLUMN writes_refused   boolean NOT NULL DEFAULT false;

UPDATE projects SET modeled_from = created_at, charged_until = compute_started_at, quota_due = CASE WHEN quota IS NOT NULL THEN now() END;

ALTER TABLE projects ALTER COLUMN modeled_from SET NOT NULL;

DROP INDEX projects_compute_due;

-- What the sweep looks for: the next moment at which a project changes by itself.
CREATE INDEX projects_due ON projects (LEAST(compute_pending_due, compute_idle_due, quota_due))
    WHERE LEAST(compute_pending_due, compute_idle_due, quota_due) IS NOT NULL;
CREATE INDEX projects_writes_refused ON projects (id) WHERE writes_refused;

-- Real use by the hour. What the model consumes stands nowhere: it is worked out when somebody asks.
CREATE TABLE usage_hours (
    project_id      text NOT NULL,
    hour            timestamptz NOT NULL,
    active_seconds  double precision NOT NULL,
    compute_seconds double precision NOT NULL,
    written_bytes   bigint NOT NULL,
    transfer_bytes  bigint NOT NULL,
    PRIMARY KEY (project_id, hour)
);

CREATE INDEX usage_hours_by_age ON usage_hours (hour);

-- Spans for which the model does not count: somebody really used the project, or it was not allowed to run.
CREATE TABLE usage_silences (
    project_id text NOT NULL,
    since      timestamptz NOT NULL,
    until      timestamptz NOT NULL
);

CREATE INDEX usage_silences_of_project ON usage_silences (project_id, since);

-- Indexes that a big seeding has taken away to build them anew at its end. A start finds here what a crash left undone.
CREATE TABLE deferred_indexes (definition text PRIMARY KEY);
