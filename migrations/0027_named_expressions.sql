-- Expressions that stood in the middle of long statements. Each has a name now, and can be read and tried alone:
-- `SELECT finding_by_name(d, now(), 3600) FROM databases AS d`.

-- Whether what was withheld may go back into the pool: this process may hand out, and nobody doubts the ledger.
CREATE FUNCTION may_return_to_pool(replica uuid, nonce uuid, last_claim uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM may_hand_out($1, $2, $3)) AND (SELECT safe_mode_since IS NULL FROM installation)
$$;

-- What a list of Neon's shows to be wrong ------------------------------------

-- The listed quota is not the one that Neon had confirmed before the sweep began. Of databases whose quota is being changed nothing is known.
CREATE FUNCTION quota_has_drifted(d databases, listed jsonb, sweep_began timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT listed IS NOT NULL AND d.state IN ('available', 'claimed') AND d.state_since < sweep_began
       AND d.wanted_revision = d.applied_revision AND coalesce(d.applied_at, '-infinity') < sweep_began
       AND (d.quota_logical_size_bytes, d.quota_active_seconds, d.quota_compute_seconds, d.quota_written_bytes, d.quota_transfer_bytes)
           IS DISTINCT FROM ((listed ->> 'logical_size_bytes')::bigint, (listed ->> 'active_time_seconds')::bigint,
                             (listed ->> 'compute_time_seconds')::bigint, (listed ->> 'written_data_bytes')::bigint, (listed ->> 'data_transfer_bytes')::bigint)
$$;

-- The kind of finding that a listed project is whose id is known to a row; NULL if nothing is wrong.
CREATE FUNCTION finding_by_id(d databases, fields jsonb, sweep_began timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN d.state = 'deleted' AND d.state_since < sweep_began THEN 'zombie'
        WHEN quota_has_drifted(d, fields -> 'quota', sweep_began) THEN 'drifted' END
$$;

-- The same of one that no row knows, and that has the name which this row has given to its own. `stuck_after` is in seconds.
CREATE FUNCTION finding_by_name(d databases, sweep_began timestamptz, stuck_after float8) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN d.neon_project_id IS NOT NULL THEN 'twin'
        WHEN d.state = 'creating' AND d.state_since < now() - make_interval(secs => stuck_after) THEN 'half-born'
        WHEN d.state = 'failed' AND d.state_since < sweep_began THEN 'half-born'
        WHEN d.state = 'deleted' AND d.state_since < sweep_began THEN 'zombie' END
$$;

-- What the ledger has, as evidence beside what Neon has.
CREATE FUNCTION ledger_evidence(d databases) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'state', d.state, 'since', d.state_since, 'project_id', d.neon_project_id,
        'quota', jsonb_build_object(
            'logical_size_bytes', d.quota_logical_size_bytes, 'active_time_seconds', d.quota_active_seconds,
            'compute_time_seconds', d.quota_compute_seconds, 'written_data_bytes', d.quota_written_bytes, 'data_transfer_bytes', d.quota_transfer_bytes))
$$;

-- What a pool has, and what it may create ------------------------------------

CREATE VIEW pool_counts AS
    SELECT pool_id,
           coalesce(sum(count) FILTER (WHERE state = 'available'), 0)::bigint AS available,
           coalesce(sum(count) FILTER (WHERE state IN ('requested', 'creating', 'verifying')), 0)::bigint AS in_flight,
           coalesce(sum(count) FILTER (WHERE state = 'claimed'), 0)::bigint AS claimed,
           coalesce(sum(count) FILTER (WHERE state = 'failed'), 0)::bigint AS failed,
           coalesce(sum(count) FILTER (WHERE state = 'requested'), 0)::bigint AS requested
    FROM fleet_counts GROUP BY pool_id;

-- Creations that were begun in the last hour, whatever became of them.
CREATE FUNCTION creations_last_hour(p pools) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM databases WHERE pool_id = p.id AND asked_at > now() - interval '1 hour'
$$;

-- Until when the ceiling allows no more; NULL below it.
CREATE FUNCTION creations_full_until(p pools) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT asked_at + interval '1 hour' FROM databases WHERE pool_id = p.id AND asked_at > now() - interval '1 hour'
    ORDER BY asked_at DESC OFFSET creation_ceiling(p) - 1 LIMIT 1
$$;

-- How many more may be begun: below the ceiling of the hour, and no more than so many that have not answered yet.
CREATE FUNCTION creation_room(p pools, most_unproven bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT least(most_unproven - (SELECT count(*) FROM databases WHERE pool_id = p.id AND state IN ('creating', 'verifying')),
                 creation_ceiling(p) - creations_last_hour(p))
$$;

-- The one creation that finds out whether an open breaker may close, once it has cooled down and nothing else is under way; where new databases
-- do not answer, only when none is left that may still do so. `failures` in a row open the breaker.
CREATE FUNCTION breaker_probe(p pools, failures integer) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT id FROM databases
    WHERE pool_id = p.id AND state IN ('requested', 'creating') AND next_attempt_at <= now()
      AND p.failures_in_a_row >= $2 AND p.breaker_until < now()
      AND NOT EXISTS (SELECT FROM databases WHERE pool_id = p.id AND state = 'creating' AND lease_until >= now())
      AND (p.verification_failures < $2 OR NOT EXISTS (SELECT FROM databases WHERE pool_id = p.id AND state = 'verifying'))
    ORDER BY next_attempt_at, id LIMIT 1
$$;
