-- Whose projects are whose, and whether this ledger is the one that knows.
--
-- Neon has no memory of who owns what, so a ledger that was restored from a backup, or copied, would hand out databases that others hold. Three things
-- tell: the installation's id in every project's name; a mark, which is the name of one small project on Neon that the engine renews, each value
-- committed here before Neon is told; and a proof per process, which a ledger that is put in the place of another lacks.

-- Where the ledger is: another cluster or another database means that it was moved or copied. A failover keeps both.
CREATE FUNCTION ledger_place() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    cluster text := 'unknown';
BEGIN
    BEGIN
        SELECT system_identifier::text INTO cluster FROM pg_control_system();
    EXCEPTION WHEN OTHERS THEN
        -- Some hosts keep it to themselves; the database's own number remains.
    END;
    RETURN cluster || '/' || (SELECT oid FROM pg_database WHERE datname = current_database());
END $$;

CREATE TABLE installation (
    singleton                boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    -- In every project's name: `flotilla-<id>-<uuid>`.
    id                       text NOT NULL CHECK (id ~ '^[0-9a-f]{8}$'),
    -- The project on Neon whose name is the mark, when Neon last had the newest one, where the ledger was then, and when it is to be renewed.
    mark_project_id          text,
    mark_confirmed_at        timestamptz,
    mark_place               text,
    mark_due_at              timestamptz NOT NULL DEFAULT now(),
    -- When Neon was last asked to make that project.
    mark_made_at             timestamptz,
    -- Whether anything may be handed out. Where not: when that may end, if nobody else writes the mark until then.
    hands_out                boolean NOT NULL DEFAULT true,
    settles_at               timestamptz,
    -- Safe mode: this ledger may not know who owns what. Nothing is deleted until an operator ends it.
    safe_mode_since          timestamptz,
    safe_mode_reason         text CHECK (safe_mode_reason IN ('older', 'second')),
    safe_mode_evidence       text,
    CHECK ((safe_mode_since IS NULL) = (safe_mode_reason IS NULL))
);
INSERT INTO installation (id) VALUES (left(md5(gen_random_uuid()::text), 8));

-- Every mark that this ledger has told Neon, or was about to.
CREATE TABLE marks (
    counter                  bigint PRIMARY KEY,
    nonce                    text NOT NULL,
    written_at               timestamptz NOT NULL DEFAULT now()
);

-- One row per process, changed every few seconds: a claim names the process's proof, which no older ledger has.
CREATE TABLE proofs (
    replica                  uuid PRIMARY KEY,
    nonce                    uuid NOT NULL,
    -- A statement may be under way with the one before.
    previous                 uuid NOT NULL,
    renewed_at               timestamptz NOT NULL DEFAULT now()
);
CREATE VIEW valid_proofs AS
    SELECT p.replica, n.nonce FROM installation AS i, proofs AS p, LATERAL (VALUES (p.nonce), (p.previous)) AS n (nonce) WHERE i.hands_out;

ALTER TABLE databases
    ADD COLUMN withheld_reason text,
    DROP CONSTRAINT databases_origin_check,
    -- 'copied': belongs to the installation from which this ledger was copied; the engine does not touch it.
    ADD CONSTRAINT databases_origin_check CHECK (origin IN ('pool', 'simulated', 'copied')),
    ADD CHECK ((state = 'withheld') <= (withheld_reason IS NOT NULL));
CREATE INDEX databases_withheld ON databases (state_since DESC, id DESC) WHERE state = 'withheld';

-- When the engine itself looked into a project that no row knows: activity after that is its own.
ALTER TABLE findings ADD COLUMN probed_at timestamptz;
ALTER TABLE findings DROP CONSTRAINT findings_resolution_check,
    ADD CONSTRAINT findings_resolution_check
        CHECK (resolution IN ('deleted', 'replaced', 'adopted', 'recovered', 'reapplied', 'accepted', 'taken_back', 'gone'));
-- Of the projects of a sweep, those that bear the id of another installation.
ALTER TABLE sweeps ADD COLUMN others bigint NOT NULL DEFAULT 0;

-- As before, and: what is not claimed may be withheld, and that ends with an owner or in a release. A deleted one goes back to its owner alone.
CREATE OR REPLACE FUNCTION check_state_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (CASE OLD.state
        WHEN 'requested'  THEN NEW.state IN ('creating', 'verifying', 'withheld', 'failed')
        WHEN 'creating'   THEN NEW.state IN ('verifying', 'withheld', 'failed')
        WHEN 'verifying'  THEN NEW.state IN ('available', 'withheld', 'failed')
        WHEN 'available'  THEN NEW.state IN ('claimed', 'withheld', 'releasing')
        WHEN 'withheld'   THEN NEW.state IN ('claimed', 'releasing')
        WHEN 'claimed'    THEN NEW.state = 'releasing'
        WHEN 'releasing'  THEN NEW.state = 'deleted'
        WHEN 'failed'     THEN NEW.state = 'releasing'
        WHEN 'deleted'    THEN NEW.state = 'claimed' AND NEW.owner_id = OLD.owner_id
    END) THEN
        RAISE EXCEPTION 'a database cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    NEW.state_since := now();
    -- Neon is told whose it is, in the project's name, with the quota: one call.
    IF NEW.state = 'claimed' AND NEW.origin = 'pool' THEN
        NEW.wanted_revision := greatest(NEW.wanted_revision, OLD.wanted_revision + 1);
    END IF;
    RETURN NEW;
END $$;

-- Fit for a name on Neon, and the one place that makes it.
CREATE FUNCTION project_name(database_id uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'flotilla-' || id || '-' || database_id FROM installation
$$;

-- Whose a project is by its name: 'ours', 'mark' (ours, no database), 'unsigned' (as older versions named them), 'other' (another installation's), 'stray'.
CREATE FUNCTION name_belongs_to(name text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN name ~ ('^flotilla-' || id || '-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-o[A-Za-z0-9_-]+)?$') THEN 'ours'
        WHEN name ~ ('^flotilla-mark-' || id || '-') THEN 'mark'
        WHEN name ~ '^flotilla-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-o[A-Za-z0-9_-]+)?$' THEN 'unsigned'
        WHEN name ~ '^flotilla-(mark-)?[0-9a-f]{8}-' THEN 'other'
        ELSE 'stray' END
    FROM installation
$$;
