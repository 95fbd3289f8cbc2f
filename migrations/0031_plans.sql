-- Plans are desired state: made and changed by people, each change a version. A changed plan is a change for its members, the claimed databases of owners
-- who have it: a roll-out takes it to them a few at a time. A database may differ from its plan by overrides, each with a reason, some with an end.

ALTER TABLE plans
    ADD COLUMN version                   integer NOT NULL DEFAULT 1,
    -- The last version that changed what members are given; others changed the label or the cap of relief alone.
    ADD COLUMN members_version           integer NOT NULL DEFAULT 1,
    -- NULL leaves a database what it was born with.
    ADD COLUMN min_cu                    double precision CHECK (min_cu >= 0.25),
    ADD COLUMN max_cu                    double precision,
    ADD COLUMN suspend_timeout_seconds   integer CHECK (suspend_timeout_seconds BETWEEN -1 AND 604800),
    ADD COLUMN history_retention_seconds integer CHECK (history_retention_seconds BETWEEN 0 AND 2592000),
    -- To how many per cent of the plan's a used-up quota may be raised for a while; NULL: not at all.
    ADD COLUMN relief_percent            integer CHECK (relief_percent BETWEEN 101 AND 1000),
    ADD COLUMN changed_at                timestamptz NOT NULL DEFAULT now(),
    ADD CHECK ((min_cu IS NULL) = (max_cu IS NULL) AND max_cu >= min_cu);

-- Every version of every plan, for people: what it was from then on, who made it, and why.
CREATE TABLE plan_versions (
    plan                     text NOT NULL REFERENCES plans (name) ON DELETE CASCADE,
    version                  integer NOT NULL,
    at                       timestamptz NOT NULL DEFAULT now(),
    actor                    text NOT NULL,
    via                      text NOT NULL,
    reason                   text,
    terms                    jsonb NOT NULL,
    PRIMARY KEY (plan, version)
);

-- A new ledger begins without plans. One that has a pool or an owner keeps those that it was set up with.
DELETE FROM plans WHERE NOT EXISTS (SELECT FROM pools) AND NOT EXISTS (SELECT FROM owners);
INSERT INTO plan_versions (plan, version, at, actor, via, terms)
    SELECT name, 1, created_at, 'migration', 'cli', jsonb_build_object('label', label, 'quota', jsonb_build_object(
        'logical_size_bytes', quota_logical_size_bytes, 'active_time_seconds', quota_active_seconds, 'compute_time_seconds', quota_compute_seconds,
        'written_data_bytes', quota_written_bytes, 'data_transfer_bytes', quota_transfer_bytes))
    FROM plans;

-- How a changed plan is taken to its members. One at a time for each plan; a newer version takes over from it.
CREATE TABLE plan_roll_outs (
    id                       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan                     text NOT NULL REFERENCES plans (name) ON DELETE CASCADE,
    version                  integer NOT NULL,
    began_at                 timestamptz NOT NULL DEFAULT now(),
    -- How many were to follow when it began, and how many have been told to since.
    members                  bigint NOT NULL,
    done                     bigint NOT NULL DEFAULT 0,
    stopped_at               timestamptz,
    stopped_by               text,
    -- `engine`: by itself, because Neon refuses it.
    stopped_via              text,
    stopped_reason           text,
    -- Members that Neon refused it for when somebody resumed it all the same: only further ones stop it again.
    accepted                 bigint NOT NULL DEFAULT 0,
    ended_at                 timestamptz,
    outcome                  text CHECK (outcome IN ('done', 'superseded')),
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK ((stopped_at IS NULL) = (stopped_by IS NULL))
);
CREATE UNIQUE INDEX plan_roll_outs_one_open ON plan_roll_outs (plan) WHERE ended_at IS NULL;
CREATE INDEX plan_roll_outs_by_plan ON plan_roll_outs (plan, id DESC);

ALTER TABLE databases
    -- Of a claimed one: the version of its plan that its settings follow.
    ADD COLUMN plan_version              integer NOT NULL DEFAULT 1,
    -- NULL leaves it to Neon. As with the compute settings, the revision that changed it last: Neon is told of it apart from the rest.
    ADD COLUMN history_retention_seconds integer,
    ADD COLUMN retention_revision        bigint NOT NULL DEFAULT 0,
    -- Of a claimed one, once this ledger was found to be old: when the sweep began that saw the same quota on Neon as here.
    ADD COLUMN quota_agreed_at           timestamptz,
    -- What is deleted keeps the name of the plan that it had, also when that plan is gone. Owners and pools hold on to theirs.
    DROP CONSTRAINT databases_plan_fkey,
    DROP CONSTRAINT databases_birth_plan_fkey;
-- Where a claimed database differs from its plan, because somebody wanted it to.
CREATE TABLE database_overrides (
    database_id              uuid NOT NULL REFERENCES databases (id),
    field                    text NOT NULL CHECK (field IN ('logical_size_bytes', 'active_time_seconds', 'compute_time_seconds', 'written_data_bytes',
                                 'data_transfer_bytes', 'suspend_timeout_seconds')),
    -- NULL is unlimited.
    value                    bigint CHECK (CASE field WHEN 'suspend_timeout_seconds' THEN value IS NOT NULL AND value >= -1 ELSE value > 0 END),
    set_at                   timestamptz NOT NULL DEFAULT now(),
    -- Then the plan's value returns by itself; NULL: never.
    until                    timestamptz,
    -- A used-up quota that was raised for a while, within the cap of the plan; whoever edits a quota is bound by no cap.
    is_relief                boolean NOT NULL DEFAULT false CHECK (NOT is_relief OR until IS NOT NULL),
    actor                    text NOT NULL,
    via                      text NOT NULL,
    reason                   text,
    PRIMARY KEY (database_id, field)
);
CREATE INDEX database_overrides_ending ON database_overrides (until) WHERE until IS NOT NULL;

-- What a plan says of a field that can be overridden, and what a database has there.
CREATE FUNCTION plan_setting(p plans, field text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE field
        WHEN 'logical_size_bytes' THEN p.quota_logical_size_bytes WHEN 'active_time_seconds' THEN p.quota_active_seconds
        WHEN 'compute_time_seconds' THEN p.quota_compute_seconds WHEN 'written_data_bytes' THEN p.quota_written_bytes
        WHEN 'data_transfer_bytes' THEN p.quota_transfer_bytes WHEN 'suspend_timeout_seconds' THEN p.suspend_timeout_seconds END
$$;
CREATE FUNCTION database_setting(d databases, field text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE field
        WHEN 'logical_size_bytes' THEN d.quota_logical_size_bytes WHEN 'active_time_seconds' THEN d.quota_active_seconds
        WHEN 'compute_time_seconds' THEN d.quota_compute_seconds WHEN 'written_data_bytes' THEN d.quota_written_bytes
        WHEN 'data_transfer_bytes' THEN d.quota_transfer_bytes WHEN 'suspend_timeout_seconds' THEN d.suspend_timeout_seconds END
$$;

-- Whether a plan lets an override be. It does, but for a relief that the plan, which may be another one by now, does not allow or does not need. One that was
-- given before this ledger was found to be old may be for good by now.
CREATE FUNCTION plan_allows(p plans, o database_overrides) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT o.is_relief OR is_from_before(o.set_at) OR coalesce(
        o.value > plan_setting(p, o.field) AND o.value <= plan_setting(p, o.field)::numeric * p.relief_percent / 100, false)
$$;

-- What each member shall be: its plan, but for its overrides; where the plan says nothing of the compute, its pool's template. And what would block it then.
CREATE VIEW member_settings AS
    SELECT w.*, CASE
        WHEN w.observed_disabled                                   THEN 'endpoint_disabled'
        WHEN w.used_active_seconds  >= w.quota_active_seconds      THEN 'active_time'
        WHEN w.used_compute_seconds >= w.quota_compute_seconds     THEN 'compute_time'
        WHEN w.used_written_bytes   >= w.quota_written_bytes       THEN 'written_data'
        WHEN w.used_transfer_bytes  >= w.quota_transfer_bytes      THEN 'data_transfer'
        WHEN w.logical_size_bytes   >= w.quota_logical_size_bytes  THEN 'storage'
        END AS block_reason
    FROM (
        SELECT d.id, d.owner_id, d.plan, p.version, coalesce(o.fields, '{}') AS overrides,
            d.observed_disabled, d.used_active_seconds, d.used_compute_seconds, d.used_written_bytes, d.used_transfer_bytes, d.logical_size_bytes,
            CASE WHEN o.fields ? 'logical_size_bytes' THEN (o.fields ->> 'logical_size_bytes')::bigint ELSE p.quota_logical_size_bytes END AS quota_logical_size_bytes,
            CASE WHEN o.fields ? 'active_time_seconds' THEN (o.fields ->> 'active_time_seconds')::bigint ELSE p.quota_active_seconds END AS quota_active_seconds,
            CASE WHEN o.fields ? 'compute_time_seconds' THEN (o.fields ->> 'compute_time_seconds')::bigint ELSE p.quota_compute_seconds END AS quota_compute_seconds,
            CASE WHEN o.fields ? 'written_data_bytes' THEN (o.fields ->> 'written_data_bytes')::bigint ELSE p.quota_written_bytes END AS quota_written_bytes,
            CASE WHEN o.fields ? 'data_transfer_bytes' THEN (o.fields ->> 'data_transfer_bytes')::bigint ELSE p.quota_transfer_bytes END AS quota_transfer_bytes,
            coalesce(p.min_cu, t.min_cu) AS min_cu, coalesce(p.max_cu, t.max_cu) AS max_cu,
            coalesce((o.fields ->> 'suspend_timeout_seconds')::integer, p.suspend_timeout_seconds, t.suspend_timeout_seconds) AS suspend_timeout_seconds,
            coalesce(p.history_retention_seconds, d.history_retention_seconds) AS history_retention_seconds
        FROM databases AS d JOIN plans AS p ON p.name = d.plan JOIN pools AS t ON t.id = d.pool_id
        LEFT JOIN LATERAL (SELECT jsonb_object_agg(f.field, f.value) AS fields FROM database_overrides AS f
                           WHERE f.database_id = d.id AND plan_allows(p, f)) AS o ON true
        WHERE d.state = 'claimed' AND d.origin <> 'copied') AS w;

-- Settings as the history tells them, and of one such text what is different in another.
CREATE FUNCTION settings_in_words(logical_size_bytes bigint, active_seconds bigint, compute_seconds bigint, written_bytes bigint, transfer_bytes bigint,
    min_cu double precision, max_cu double precision, suspend_timeout_seconds integer, history_retention_seconds integer) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object(
        'logical_size_bytes', coalesce(to_jsonb($1), '"unlimited"'), 'active_time_seconds', coalesce(to_jsonb($2), '"unlimited"'),
        'compute_time_seconds', coalesce(to_jsonb($3), '"unlimited"'), 'written_data_bytes', coalesce(to_jsonb($4), '"unlimited"'),
        'data_transfer_bytes', coalesce(to_jsonb($5), '"unlimited"'), 'min_cu', $6, 'max_cu', $7, 'suspend_timeout_seconds', $8,
        'history_retention_seconds', coalesce(to_jsonb($9), '"left to Neon"'))
$$;
CREATE FUNCTION what_differs(one jsonb, other jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(one) WHERE value IS DISTINCT FROM other -> key
$$;

-- What is claimed gets what the plan says now. Where that is not what the database was given before, Neon is to be told; the claim's statement need
-- not know whether the plan, or the pool's template, was changed since the database was made.
DROP TRIGGER databases_claimed_with_other_plan ON databases;
DROP FUNCTION quotas_differ_from_birth();
CREATE FUNCTION settle_claimed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    plan_of_owner text;
    compute_differs boolean := (NEW.min_cu, NEW.max_cu, NEW.suspend_timeout_seconds) IS DISTINCT FROM (OLD.min_cu, OLD.max_cu, OLD.suspend_timeout_seconds);
BEGIN
    -- The owner may have been given another plan since the claim's statement began: then the database follows it soon.
    SELECT o.plan INTO plan_of_owner FROM owners AS o WHERE o.id = NEW.owner_id FOR SHARE;
    IF plan_of_owner <> NEW.plan THEN
        NEW.plan := plan_of_owner;
        NEW.plan_version := 0;
    END IF;
    IF compute_differs THEN
        NEW.compute_revision := OLD.wanted_revision + 1;
    END IF;
    IF NEW.history_retention_seconds IS DISTINCT FROM OLD.history_retention_seconds THEN
        NEW.retention_revision := OLD.wanted_revision + 1;
    END IF;
    IF compute_differs OR (NEW.quota_logical_size_bytes, NEW.quota_active_seconds, NEW.quota_compute_seconds, NEW.quota_written_bytes,
                           NEW.quota_transfer_bytes, NEW.history_retention_seconds)
        IS DISTINCT FROM (OLD.quota_logical_size_bytes, OLD.quota_active_seconds, OLD.quota_compute_seconds, OLD.quota_written_bytes,
                          OLD.quota_transfer_bytes, OLD.history_retention_seconds) THEN
        NEW.wanted_revision := greatest(NEW.wanted_revision, OLD.wanted_revision + 1);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER databases_claimed BEFORE UPDATE OF state ON databases
    FOR EACH ROW WHEN (OLD.state <> 'claimed' AND NEW.state = 'claimed') EXECUTE FUNCTION settle_claimed();

-- What a ledger that was found to be old may have forgotten ------------------

-- Whether a list of Neon's shows the quota that a database has here.
CREATE FUNCTION has_quota(d databases, listed jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT listed IS NOT NULL
       AND (d.quota_logical_size_bytes, d.quota_active_seconds, d.quota_compute_seconds, d.quota_written_bytes, d.quota_transfer_bytes)
           IS NOT DISTINCT FROM ((listed ->> 'logical_size_bytes')::bigint, (listed ->> 'active_time_seconds')::bigint,
                                 (listed ->> 'compute_time_seconds')::bigint, (listed ->> 'written_data_bytes')::bigint, (listed ->> 'data_transfer_bytes')::bigint)
$$;

-- As before: the listed quota is not the one that Neon had confirmed before the sweep began. Of databases whose quota is being changed nothing is known.
CREATE OR REPLACE FUNCTION quota_has_drifted(d databases, listed jsonb, sweep_began timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT listed IS NOT NULL AND d.state IN ('available', 'claimed') AND d.state_since < sweep_began
       AND d.wanted_revision = d.applied_revision AND coalesce(d.applied_at, '-infinity') < sweep_began AND NOT has_quota(d, listed)
$$;

-- As before, and: what Neon was seen to have too, since then, was not forgotten. So a plan, which nobody has decided about for this one database, can be
-- rolled out to it.
CREATE OR REPLACE FUNCTION may_have_forgotten_quota(database uuid, decisions text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN forgot_until IS NULL THEN false ELSE forgot_until > greatest(
        (SELECT quota_agreed_at FROM databases WHERE id = $1),
        (SELECT max(at) FROM events WHERE database_id = $1 AND kind = ANY ($2)), '-infinity') END
    FROM installation
$$;

-- Whether all projects were seen since.
CREATE FUNCTION fleet_was_seen() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT forgot_until IS NULL OR coalesce(
        (SELECT started_at FROM sweeps WHERE concluded_at IS NOT NULL ORDER BY id DESC LIMIT 1) > forgot_until, false)
    FROM installation
$$;
