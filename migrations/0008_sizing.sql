-- The pool sizes itself: demand by the hour, policies and their decisions, the breaker's evidence, and changing templates.

-- What each pool was asked for and what it had left, hour by hour: small enough to keep for a year, so that rates and simulations are cheap.
-- The newest row of a pool is unfinished; it is written again until its hour is over.
CREATE TABLE pool_hours (
    pool_id                  integer NOT NULL REFERENCES pools (id),
    hour                     timestamptz NOT NULL CHECK (extract(epoch FROM hour)::bigint % 3600 = 0),
    claims_warm              integer NOT NULL,
    claims_cold              integer NOT NULL,
    created                  integer NOT NULL,
    failed                   integer NOT NULL,
    -- NULL where nothing sampled the pool in that hour.
    min_available            integer,
    PRIMARY KEY (pool_id, hour)
);

-- How a pool finds its target. Without a row here the target is what an operator has set.
CREATE TABLE pool_policies (
    pool_id                  integer PRIMARY KEY REFERENCES pools (id),
    cover_hours              double precision NOT NULL CHECK (cover_hours > 0 AND cover_hours <= 720),
    rate                     text NOT NULL CHECK (rate IN ('current', 'p95', 'worst')),
    floor                    integer NOT NULL CHECK (floor >= 0),
    ceiling                  integer NOT NULL CHECK (ceiling <= 100000),
    largest_step             integer NOT NULL CHECK (largest_step >= 1),
    -- No decrease sooner than this after the last change of the target.
    decrease_after_minutes   integer NOT NULL CHECK (decrease_after_minutes BETWEEN 0 AND 43200),
    set_at                   timestamptz NOT NULL DEFAULT now(),
    set_by                   text NOT NULL,
    CHECK (floor <= ceiling)
);

-- Peaks that are known beforehand, in UTC: every week on some days between two times of the day, or once between two moments.
CREATE TABLE pool_schedules (
    id                       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_id                  integer NOT NULL REFERENCES pools (id),
    label                    text NOT NULL CHECK (length(label) BETWEEN 1 AND 100),
    -- Bit 0 is Monday. An end that is not after the start is on the next day.
    weekdays                 integer CHECK (weekdays BETWEEN 1 AND 127),
    start_minute             integer CHECK (start_minute BETWEEN 0 AND 1439),
    end_minute               integer CHECK (end_minute BETWEEN 0 AND 1439),
    starts_at                timestamptz,
    ends_at                  timestamptz CHECK (ends_at > starts_at),
    -- What it asks for: so many databases at least, or so many times the rate.
    at_least                 integer CHECK (at_least BETWEEN 1 AND 100000),
    factor                   double precision CHECK (factor > 0 AND factor <= 100),
    CHECK (num_nonnulls(weekdays, start_minute, end_minute) = 3 AND num_nonnulls(starts_at, ends_at) = 0
           OR num_nonnulls(weekdays, start_minute, end_minute) = 0 AND num_nonnulls(starts_at, ends_at) = 2),
    CHECK (num_nonnulls(at_least, factor) = 1)
);
CREATE INDEX pool_schedules_by_pool ON pool_schedules (pool_id, id);

-- Every change of a target by its policy, and every time it was held back, with what it was decided from.
CREATE TABLE sizing_decisions (
    id                       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_id                  integer NOT NULL REFERENCES pools (id),
    at                       timestamptz NOT NULL DEFAULT now(),
    -- As long as the same is decided again, only this moves.
    last_checked_at          timestamptz NOT NULL DEFAULT now(),
    before                   integer NOT NULL,
    -- What the policy asks for between floor and ceiling; `after` may be less far away: the largest step, the wait before a decrease.
    wanted                   integer NOT NULL,
    after                    integer NOT NULL,
    reason                   text NOT NULL,
    inputs                   jsonb NOT NULL
);
CREATE INDEX sizing_decisions_by_pool ON sizing_decisions (pool_id, id DESC);

-- Each time a pool's breaker opened: why, since when, until when, and the last failures as evidence.
CREATE TABLE breaker_trips (
    id                       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pool_id                  integer NOT NULL REFERENCES pools (id),
    opened_at                timestamptz NOT NULL DEFAULT now(),
    -- When one database is tried again.
    until                    timestamptz NOT NULL,
    closed_at                timestamptz,
    closed_by                text CHECK (closed_by IN ('probe', 'operator')),
    failures                 integer NOT NULL,
    -- Newest last: [{at, error, database_id, project_name, project_id, request_id}].
    evidence                 jsonb NOT NULL
);
CREATE UNIQUE INDEX breaker_trips_one_open ON breaker_trips (pool_id) WHERE closed_at IS NULL;
CREATE INDEX breaker_trips_by_pool ON breaker_trips (pool_id, id DESC);

ALTER TABLE pools
    -- The failures in a row, as in `breaker_trips.evidence`; emptied by a success.
    ADD COLUMN creation_evidence jsonb NOT NULL DEFAULT '[]',
    -- Raised with every change of what new databases are made of, and the revision that all unclaimed ones have reached.
    ADD COLUMN template_revision integer NOT NULL DEFAULT 1,
    ADD COLUMN rolled_revision integer NOT NULL DEFAULT 1,
    ADD COLUMN template_changed_at timestamptz,
    -- Databases above the target while old ones are replaced and the floor leaves no room for taking them out first.
    ADD COLUMN surge integer NOT NULL DEFAULT 0 CHECK (surge BETWEEN 0 AND 100);

ALTER TABLE databases
    ADD COLUMN template_revision integer NOT NULL DEFAULT 1,
    -- The plan whose quotas it was born with. NULL for those made before this was recorded: then it is the pool's.
    ADD COLUMN birth_plan text REFERENCES plans (name);

UPDATE databases AS d SET birth_plan = p.birth_plan FROM pools AS p
    WHERE p.id = d.pool_id AND d.state IN ('requested', 'creating', 'verifying', 'available');

-- A claim for the pool's own plan trusts that the database was born with it. While a template with another plan rolls through the pool that does not
-- hold for each of them; those are marked here, so that the claim's statement needs to know nothing of templates.
CREATE FUNCTION quotas_differ_from_birth() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.wanted_revision := OLD.wanted_revision + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER databases_claimed_with_other_plan BEFORE UPDATE OF state ON databases
    FOR EACH ROW WHEN (OLD.state = 'available' AND NEW.state = 'claimed' AND NEW.plan <> OLD.birth_plan AND NEW.wanted_revision = OLD.wanted_revision)
    EXECUTE FUNCTION quotas_differ_from_birth();
