-- Nothing runs away: how much a pool may create, what a failed verification counts for, and records of Neon that could not be read.

ALTER TABLE pools
    -- How many databases Neon may be asked to create within an hour. NULL: as many as the target and the demand explain; see `creation_ceiling`.
    ADD COLUMN creations_per_hour integer CHECK (creations_per_hour BETWEEN 1 AND 100000),
    -- The breaker counts each kind by itself: that Neon creates says nothing about whether what it creates answers.
    ADD COLUMN verification_failures integer NOT NULL DEFAULT 0;
ALTER TABLE pools
    ADD COLUMN failures_in_a_row integer NOT NULL GENERATED ALWAYS AS (greatest(creation_failures, verification_failures)) STORED;

-- When Neon was first asked to create it; NULL before, and where the engine did not create it.
ALTER TABLE databases ADD COLUMN asked_at timestamptz;
UPDATE databases SET asked_at = requested_at
    WHERE requested_at > now() - interval '1 hour' AND state <> 'requested' AND origin = 'pool';
CREATE INDEX databases_asked ON databases (pool_id, asked_at) WHERE asked_at IS NOT NULL;
-- What a pool has on its way, step by step.
CREATE INDEX databases_on_their_way ON databases (pool_id, state, next_attempt_at) WHERE state IN ('requested', 'creating', 'verifying');
-- Failures that are kept as evidence until their project has been cleaned up.
CREATE INDEX databases_failed ON databases (state_since) WHERE state = 'failed';
CREATE INDEX events_failed ON events (pool_id, id DESC) WHERE kind = 'database.failed';

-- What a pool may create within an hour. Unless an operator has set it: all of its target twice over, and what was claimed in that hour.
CREATE FUNCTION creation_ceiling(p pools) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT coalesce(p.creations_per_hour, least(100000,
        50 + 2 * greatest(p.target + p.surge, (SELECT ceiling FROM pool_policies WHERE pool_id = p.id))
        + (SELECT coalesce(sum(claims_warm + claims_cold), 0) FROM pool_samples WHERE pool_id = p.id AND at > now() - interval '1 hour')
        + (SELECT count(*) FROM claims WHERE pool_id = p.id AND status = 'waiting'))::integer)
$$;

-- How many more databases a pool needs, ready or on their way; negative where it has more than that.
CREATE FUNCTION missing_databases(p pools) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT p.target + p.surge + (SELECT count(*) FROM claims WHERE pool_id = p.id AND status = 'waiting')
        - (SELECT coalesce(sum(count), 0) FROM fleet_counts
           WHERE pool_id = p.id AND state IN ('requested', 'creating', 'verifying', 'available'))::bigint
$$;

-- A request that Neon was never asked to carry out may be cancelled: the only way from `requested` to `deleted`, and beside the ways of `check_state_change`.
CREATE FUNCTION check_cancellation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.asked_at IS NOT NULL OR OLD.neon_project_id IS NOT NULL OR OLD.leased_by IS NOT NULL THEN
        RAISE EXCEPTION 'a database that Neon was asked for cannot be cancelled' USING ERRCODE = 'check_violation';
    END IF;
    NEW.state_since := now();
    RETURN NEW;
END $$;
CREATE TRIGGER databases_cancellation BEFORE UPDATE OF state ON databases
    FOR EACH ROW WHEN (OLD.state = 'requested' AND NEW.state = 'deleted') EXECUTE FUNCTION check_cancellation();
DROP TRIGGER databases_state_change ON databases;
CREATE TRIGGER databases_state_change BEFORE UPDATE OF state ON databases
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state AND NOT (OLD.state = 'requested' AND NEW.state = 'deleted'))
    EXECUTE FUNCTION check_state_change();

-- Records in Neon's answers that could not be read, or not wholly: shown until they have not been met for a day.
CREATE TABLE unreadable_records (
    -- The call whose answer held it, and which record it is: its id as far as that can be read.
    route                    text NOT NULL,
    record                   text NOT NULL,
    -- What is wrong with it; nothing of its content.
    problem                  text NOT NULL,
    times                    bigint NOT NULL,
    first_seen_at            timestamptz NOT NULL DEFAULT now(),
    last_seen_at             timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (route, record)
);
CREATE INDEX unreadable_records_by_seen ON unreadable_records (last_seen_at);
