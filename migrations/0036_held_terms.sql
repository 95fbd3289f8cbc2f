-- A database follows the version of its plan that it was given, while the roll-out of a newer one is stopped; and what its plan says nothing of it keeps as it
-- was when it was first claimed, whatever its pool makes by now.

ALTER TABLE databases
    -- The compute that it had when it was first claimed; NULL of those that were claimed before this was written down.
    ADD COLUMN born_min_cu                  double precision,
    ADD COLUMN born_max_cu                  double precision,
    ADD COLUMN born_suspend_timeout_seconds integer;

CREATE FUNCTION remember_birth() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.born_min_cu := OLD.min_cu;
    NEW.born_max_cu := OLD.max_cu;
    NEW.born_suspend_timeout_seconds := OLD.suspend_timeout_seconds;
    RETURN NEW;
END $$;
CREATE TRIGGER databases_claimed_first BEFORE UPDATE OF state ON databases
    FOR EACH ROW WHEN (OLD.state <> 'claimed' AND NEW.state = 'claimed' AND OLD.born_min_cu IS NULL) EXECUTE FUNCTION remember_birth();

-- A plan as an earlier version of it was.
CREATE FUNCTION plan_as_of(p plans, v plan_versions) RETURNS plans LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_populate_record(p, jsonb_build_object(
        'version', v.version,
        'quota_logical_size_bytes', v.terms #> '{quota,logical_size_bytes}', 'quota_active_seconds', v.terms #> '{quota,active_time_seconds}',
        'quota_compute_seconds', v.terms #> '{quota,compute_time_seconds}', 'quota_written_bytes', v.terms #> '{quota,written_data_bytes}',
        'quota_transfer_bytes', v.terms #> '{quota,data_transfer_bytes}', 'min_cu', v.terms -> 'min_cu', 'max_cu', v.terms -> 'max_cu',
        'suspend_timeout_seconds', v.terms -> 'suspend_timeout_seconds', 'history_retention_seconds', v.terms -> 'history_retention_seconds',
        'relief_percent', v.terms -> 'relief_percent'))
$$;

-- The plan that each claimed database is to follow: what it says now, or, while the roll-out of that is stopped, what it said when it was given to the database.
CREATE VIEW followed_plans AS
    SELECT d.id, CASE WHEN v.plan IS NULL THEN p ELSE plan_as_of(p, v) END AS plan
    FROM databases AS d JOIN plans AS p ON p.name = d.plan
    LEFT JOIN plan_roll_outs AS r ON r.plan = p.name AND r.ended_at IS NULL AND r.stopped_at IS NOT NULL AND d.plan_version < p.members_version
    LEFT JOIN plan_versions AS v ON v.plan = r.plan AND v.version = d.plan_version
    WHERE d.state = 'claimed' AND d.origin <> 'copied';

-- What each member shall be: its plan, but for its overrides; where the plan says nothing of the compute, as it was born, and nothing of the history, what Neon
-- has confirmed: what it refuses goes with the version that asked for it. And what would block it then.
CREATE OR REPLACE VIEW member_settings AS
    SELECT w.*, CASE
        WHEN w.observed_disabled                                   THEN 'endpoint_disabled'
        WHEN w.used_active_seconds  >= w.quota_active_seconds      THEN 'active_time'
        WHEN w.used_compute_seconds >= w.quota_compute_seconds     THEN 'compute_time'
        WHEN w.used_written_bytes   >= w.quota_written_bytes       THEN 'written_data'
        WHEN w.used_transfer_bytes  >= w.quota_transfer_bytes      THEN 'data_transfer'
        WHEN w.logical_size_bytes   >= w.quota_logical_size_bytes  THEN 'storage'
        END AS block_reason
    FROM (
        SELECT d.id, d.owner_id, d.plan, (f.plan).version, coalesce(o.fields, '{}') AS overrides,
            d.observed_disabled, d.used_active_seconds, d.used_compute_seconds, d.used_written_bytes, d.used_transfer_bytes, d.logical_size_bytes,
            CASE WHEN o.fields ? 'logical_size_bytes' THEN (o.fields ->> 'logical_size_bytes')::bigint ELSE (f.plan).quota_logical_size_bytes END AS quota_logical_size_bytes,
            CASE WHEN o.fields ? 'active_time_seconds' THEN (o.fields ->> 'active_time_seconds')::bigint ELSE (f.plan).quota_active_seconds END AS quota_active_seconds,
            CASE WHEN o.fields ? 'compute_time_seconds' THEN (o.fields ->> 'compute_time_seconds')::bigint ELSE (f.plan).quota_compute_seconds END AS quota_compute_seconds,
            CASE WHEN o.fields ? 'written_data_bytes' THEN (o.fields ->> 'written_data_bytes')::bigint ELSE (f.plan).quota_written_bytes END AS quota_written_bytes,
            CASE WHEN o.fields ? 'data_transfer_bytes' THEN (o.fields ->> 'data_transfer_bytes')::bigint ELSE (f.plan).quota_transfer_bytes END AS quota_transfer_bytes,
            coalesce((f.plan).min_cu, d.born_min_cu, d.min_cu) AS min_cu, coalesce((f.plan).max_cu, d.born_max_cu, d.max_cu) AS max_cu,
            coalesce((o.fields ->> 'suspend_timeout_seconds')::integer, (f.plan).suspend_timeout_seconds, d.born_suspend_timeout_seconds,
                     t.suspend_timeout_seconds) AS suspend_timeout_seconds,
            coalesce((f.plan).history_retention_seconds,
                     CASE WHEN d.retention_revision <= d.applied_revision THEN d.history_retention_seconds END) AS history_retention_seconds
        FROM followed_plans AS f JOIN databases AS d ON d.id = f.id JOIN pools AS t ON t.id = d.pool_id
        LEFT JOIN LATERAL (SELECT jsonb_object_agg(m.field, m.value) AS fields FROM database_overrides AS m
                           WHERE m.database_id = d.id AND plan_allows(f.plan, m)) AS o ON true) AS w;

-- Whether Neon may have a newer one of these compute settings than a claimed database has here: nothing has said what it shall be since this ledger was found
-- to be old.
CREATE FUNCTION may_have_forgotten_compute(database uuid, settings text[], decisions text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT is_from_before(coalesce((
        SELECT max(at) FROM events WHERE database_id = $1 AND (kind = ANY ($3) OR kind = 'database.plan' AND after ?| $2)), '-infinity'))
$$;
