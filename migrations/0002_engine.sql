-- What the engine remembers of itself.

-- One row per duty: the lease that lets a duty run in one replica at a time, and how its last run went.
CREATE TABLE duties (
    name                     text PRIMARY KEY,
    lease_until              timestamptz,
    leased_by                uuid,
    last_started_at          timestamptz,
    last_finished_at         timestamptz,
    last_outcome             text CHECK (last_outcome IN ('idle', 'done', 'partial', 'failed')),
    last_report              jsonb,
    failures_in_a_row        integer NOT NULL DEFAULT 0
);

-- Runs that did something or failed; idle runs only touch `duties`.
CREATE TABLE duty_runs (
    id                       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    duty                     text NOT NULL,
    started_at               timestamptz NOT NULL,
    finished_at              timestamptz NOT NULL,
    outcome                  text NOT NULL CHECK (outcome IN ('done', 'partial', 'failed')),
    report                   jsonb NOT NULL
);
CREATE INDEX duty_runs_by_duty ON duty_runs (duty, id DESC);

-- Whether Neon answers, as the replicas that call it see it.
CREATE TABLE neon_status (
    singleton                boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    last_ok_at               timestamptz,
    failing_since            timestamptz,
    last_error_at            timestamptz,
    last_error               text
);
INSERT INTO neon_status DEFAULT VALUES;

-- The pools over time: the charts, and later the forecasts.
CREATE TABLE pool_samples (
    pool_id                  integer NOT NULL REFERENCES pools (id),
    at                       timestamptz NOT NULL,
    available                integer NOT NULL,
    in_flight                integer NOT NULL,
    target                   integer NOT NULL,
    waiting                  integer NOT NULL,
    -- Since the sample before.
    claims_warm              integer NOT NULL,
    claims_cold              integer NOT NULL,
    created                  integer NOT NULL,
    failed                   integer NOT NULL,
    PRIMARY KEY (pool_id, at)
);

-- The fleet over time.
CREATE TABLE fleet_samples (
    at                       timestamptz PRIMARY KEY,
    claimed                  bigint NOT NULL,
    available                bigint NOT NULL,
    active                   bigint NOT NULL,
    storage_bytes            bigint NOT NULL
);

-- How long claims took, measured at the server after the commit: counts per bucket, per replica and interval.
-- Bucket i counts durations below 2^i / 4 milliseconds (0.25, 0.5, 1, 2, … ms); the last is open.
CREATE TABLE claim_timings (
    at                       timestamptz NOT NULL,
    replica                  uuid NOT NULL,
    buckets                  bigint[] NOT NULL,
    PRIMARY KEY (at, replica)
);
