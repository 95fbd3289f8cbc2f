-- The keys that seal credentials: how many rows each one seals, which one seals what is new, and which process holds which. A key's id tells nothing of it.

-- Sealed bytes begin with their layout (1 byte) and the id of their key (4 bytes); see `crates/secrets`. NULL for what is too short to be sealed.
CREATE FUNCTION sealing_key(sealed bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN octet_length(sealed) > 5 THEN encode(substring(sealed FROM 2 FOR 4), 'hex') END
$$;

-- How many rows each key seals, without counting them: every change appends deltas, a duty rolls them up.
CREATE TABLE sealed_counts (
    key_id                   text PRIMARY KEY,
    count                    bigint NOT NULL
);
CREATE TABLE sealed_deltas (
    key_id                   text NOT NULL,
    delta                    bigint NOT NULL
);

CREATE FUNCTION count_sealed_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sealed_deltas SELECT sealing_key(sealed_credentials), count(*) FROM inserted WHERE sealing_key(sealed_credentials) IS NOT NULL GROUP BY 1;
    RETURN NULL;
END $$;
CREATE TRIGGER databases_count_sealed_inserted AFTER INSERT ON databases
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION count_sealed_inserted();

CREATE FUNCTION count_sealed_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sealed_deltas SELECT key_id, delta
    FROM (VALUES (sealing_key(OLD.sealed_credentials), -1), (sealing_key(NEW.sealed_credentials), 1)) AS changed (key_id, delta) WHERE key_id IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER databases_count_sealed_anew AFTER UPDATE OF sealed_credentials ON databases
    FOR EACH ROW WHEN (sealing_key(OLD.sealed_credentials) IS DISTINCT FROM sealing_key(NEW.sealed_credentials)) EXECUTE FUNCTION count_sealed_anew();

CREATE FUNCTION count_sealed_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sealed_deltas SELECT sealing_key(sealed_credentials), -count(*) FROM removed WHERE sealing_key(sealed_credentials) IS NOT NULL GROUP BY 1;
    RETURN NULL;
END $$;
CREATE TRIGGER databases_count_sealed_removed AFTER DELETE ON databases
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_sealed_removed();

-- The triggers hold writers off by now, so nothing is missed.
INSERT INTO sealed_counts
    SELECT sealing_key(sealed_credentials), count(*) FROM databases WHERE sealing_key(sealed_credentials) IS NOT NULL GROUP BY 1;

-- The roll-up and what is not yet rolled up, in one reading.
CREATE VIEW sealed_by_key AS
    SELECT key_id, sum(n)::bigint AS count
    FROM (SELECT key_id, count AS n FROM sealed_counts UNION ALL SELECT key_id, delta FROM sealed_deltas) AS parts
    GROUP BY key_id HAVING sum(n) <> 0;

-- The key that seals what is new, in every process. It changes when each running process has the new one as its first.
ALTER TABLE installation ADD COLUMN sealing_key text;

-- Which keys each process holds, told every few seconds.
CREATE TABLE key_holders (
    replica                  uuid PRIMARY KEY,
    -- The first is the one that it shall seal with.
    holds                    text[] NOT NULL CHECK (cardinality(holds) > 0),
    -- The one that it does seal with, as it knew when it told so.
    seals_with               text NOT NULL,
    told_at                  timestamptz NOT NULL DEFAULT now()
);
-- A process that has told nothing for a minute has ended.
CREATE VIEW live_key_holders AS
    SELECT replica, holds, seals_with FROM key_holders WHERE told_at > now() - interval '1 minute';

-- The key that all of them shall seal with; no row while they differ.
CREATE VIEW agreed_key AS
    SELECT min(holds[1]) AS key FROM live_key_holders HAVING count(DISTINCT holds[1]) = 1;

-- Credentials of deleted databases, until they are erased.
CREATE INDEX databases_to_erase ON databases (deleted_at) WHERE state = 'deleted' AND sealed_credentials IS NOT NULL;
