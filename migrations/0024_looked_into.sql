-- Databases that nobody holds are looked into: one that Neon itself woke goes back to the pool, and none is deleted that may hold something.

ALTER TABLE databases
    -- Withheld for activity alone, and nobody has looked into it yet: the only ones that may go back to the pool.
    ADD COLUMN awaits_look boolean NOT NULL DEFAULT false,
    -- When it was last begun to be looked into, and when the engine connected to it for that: activity at those times is its own.
    ADD COLUMN looked_into_at timestamptz,
    ADD COLUMN probed_at timestamptz[] NOT NULL DEFAULT '{}',
    -- When it was last proven to be new after it had become available: activity until then is accounted for.
    ADD COLUMN proven_new_at timestamptz,
    -- It was looked into and nothing was in it, or a person said that it may be deleted whatever is in it.
    ADD COLUMN deletion_cleared boolean NOT NULL DEFAULT false;
CREATE INDEX databases_await_look ON databases (next_attempt_at) WHERE awaits_look;
CREATE INDEX databases_looked_into ON databases (looked_into_at) WHERE looked_into_at IS NOT NULL;

-- As before, and: what is withheld for activity alone goes back to the pool once it is proven that nobody has used it. What was ever claimed does not.
CREATE OR REPLACE FUNCTION check_state_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (CASE OLD.state
        WHEN 'requested'  THEN NEW.state IN ('creating', 'verifying', 'withheld', 'failed')
        WHEN 'creating'   THEN NEW.state IN ('verifying', 'withheld', 'failed')
        WHEN 'verifying'  THEN NEW.state IN ('available', 'withheld', 'failed')
        WHEN 'available'  THEN NEW.state IN ('claimed', 'withheld', 'releasing')
        WHEN 'withheld'   THEN NEW.state IN ('claimed', 'releasing')
            OR NEW.state = 'available' AND OLD.awaits_look AND OLD.available_at IS NOT NULL
                AND NEW.proven_new_at > coalesce(OLD.proven_new_at, OLD.available_at)
                AND NOT EXISTS (SELECT FROM claims WHERE database_id = OLD.id)
        WHEN 'claimed'    THEN NEW.state = 'releasing'
        WHEN 'releasing'  THEN NEW.state = 'deleted'
        WHEN 'failed'     THEN NEW.state = 'releasing'
        WHEN 'deleted'    THEN NEW.state = 'claimed' AND NEW.owner_id = OLD.owner_id
    END) THEN
        RAISE EXCEPTION 'a database cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    NEW.state_since := now();
    NEW.awaits_look := NEW.awaits_look AND NEW.state = 'withheld';
    -- Neon is told whose it is, in the project's name, with the quota: one call.
    IF NEW.state = 'claimed' AND NEW.origin = 'pool' THEN
        NEW.wanted_revision := greatest(NEW.wanted_revision, OLD.wanted_revision + 1);
    END IF;
    RETURN NEW;
END $$;

-- As before, and: what is about to be looked into comes back more often than not, as when Neon checks many at once. It is replaced when somebody waits, or
-- when nobody came to look for a quarter of an hour.
CREATE OR REPLACE FUNCTION missing_databases(p pools) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT p.target + p.surge + w.waiting
        - (SELECT coalesce(sum(count), 0) FROM fleet_counts
           WHERE pool_id = p.id AND state IN ('requested', 'creating', 'verifying', 'available'))::bigint
        - CASE WHEN w.waiting > 0 THEN 0 ELSE
            (SELECT count(*) FROM databases WHERE awaits_look AND pool_id = p.id AND state_since > now() - interval '15 minutes') END
    FROM (SELECT count(*) AS waiting FROM claims WHERE pool_id = p.id AND status = 'waiting') AS w
$$;
