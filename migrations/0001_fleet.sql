-- The fleet: plans, pools, owners and databases.
--
-- A row of `databases` holds what we WANT of one Neon project (state, quota, compute settings) and what was last
-- OBSERVED of it (columns `observed_*`, with their time). Console and API write what is wanted; the engine makes Neon match.

-- Substring search over owners, projects and hosts in one index.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- A named set of limits and compute settings. NULL in a quota column means unlimited, as 0 does at Neon.
CREATE TABLE plans (
    name                     text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
    label                    text NOT NULL,
    quota_logical_size_bytes bigint CHECK (quota_logical_size_bytes > 0),
    quota_active_seconds     bigint CHECK (quota_active_seconds > 0),
    quota_compute_seconds    bigint CHECK (quota_compute_seconds > 0),
    quota_written_bytes      bigint CHECK (quota_written_bytes > 0),
    quota_transfer_bytes     bigint CHECK (quota_transfer_bytes > 0),
    created_at               timestamptz NOT NULL DEFAULT now()
);

INSERT INTO plans (name, label, quota_logical_size_bytes, quota_active_seconds, quota_compute_seconds, quota_written_bytes, quota_transfer_bytes) VALUES
    ('free',       'Free',        536870912,   360000,  180000,   5368709120,   5368709120),
    ('pro',        'Pro',       10737418240,     NULL, 1080000, 107374182400, 107374182400),
    ('business',   'Business', 107374182400,     NULL,    NULL,         NULL,         NULL);

-- Databases of one specification, kept ready and unclaimed.
CREATE TABLE pools (
    id                       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name                     text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9-]{0,31}$'),
    region_id                text NOT NULL,
    pg_version               integer NOT NULL CHECK (pg_version BETWEEN 14 AND 18),
    min_cu                   double precision NOT NULL DEFAULT 0.25 CHECK (min_cu >= 0.25),
    max_cu                   double precision NOT NULL DEFAULT 0.25,
    suspend_timeout_seconds  integer NOT NULL DEFAULT 0 CHECK (suspend_timeout_seconds BETWEEN -1 AND 604800),
    -- The quotas that a database is born with; the owner's plan replaces them when it is claimed.
    birth_plan               text NOT NULL REFERENCES plans (name),
    target                   integer NOT NULL CHECK (target BETWEEN 0 AND 100000),
    is_default               boolean NOT NULL DEFAULT false,
    paused_at                timestamptz,
    paused_reason            text,
    -- The breaker: creation failures in a row, and until when no more is created.
    creation_failures        integer NOT NULL DEFAULT 0,
    breaker_until            timestamptz,
    breaker_error            text,
    created_at               timestamptz NOT NULL DEFAULT now(),
    CHECK (max_cu >= min_cu)
);
CREATE UNIQUE INDEX pools_one_default ON pools (is_default) WHERE is_default;

-- End users of the platform, as the platform names them.
CREATE TABLE owners (
    id                       text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 200),
    email                    text NOT NULL CHECK (length(email) BETWEEN 3 AND 320),
    organisation             text CHECK (length(organisation) <= 200),
    plan                     text NOT NULL REFERENCES plans (name),
    created_at               timestamptz NOT NULL DEFAULT now()
);

CREATE TYPE database_state AS ENUM
    ('requested', 'creating', 'verifying', 'available', 'claimed', 'releasing', 'deleted', 'failed');

-- The order in which databases became available: a claim takes the lowest, and may start its scan behind the last one taken.
CREATE SEQUENCE available_order;

CREATE TABLE databases (
    id                       uuid PRIMARY KEY,
    pool_id                  integer NOT NULL REFERENCES pools (id),
    -- `requested` → `creating` → `verifying` → `available` → `claimed` → `releasing` → `deleted`; before `available` also → `failed`.
    state                    database_state NOT NULL DEFAULT 'requested',
    state_since              timestamptz NOT NULL DEFAULT now(),
    -- 'pool': made by the engine; 'simulated': made for a demonstration fleet.
    origin                   text NOT NULL DEFAULT 'pool' CHECK (origin IN ('pool', 'simulated')),
    region_id                text NOT NULL,
    pg_version               integer NOT NULL,

    -- Neon's names of it. The project name is ours, unique, and committed before Neon is asked to create anything:
    -- after a lost answer the project is found by it.
    neon_project_name        text NOT NULL UNIQUE,
    neon_project_id          text UNIQUE,
    neon_branch_id           text,
    neon_endpoint_id         text UNIQUE,
    -- Where clients connect (no secret in here), and the sealed connection strings.
    host                     text,
    database_name            text,
    role_name                text,
    sealed_credentials       bytea,

    -- Whose it is.
    owner_id                 text REFERENCES owners (id),
    plan                     text REFERENCES plans (name),
    available_order          bigint,
    requested_at             timestamptz NOT NULL DEFAULT now(),
    available_at             timestamptz,
    claimed_at               timestamptz,
    releasing_at             timestamptz,
    deleted_at               timestamptz,
    recoverable_until        timestamptz,

    -- Wanted. NULL means unlimited. Every change raises `wanted_revision`; `applied_revision` is what Neon has confirmed.
    quota_logical_size_bytes bigint CHECK (quota_logical_size_bytes > 0),
    quota_active_seconds     bigint CHECK (quota_active_seconds > 0),
    quota_compute_seconds    bigint CHECK (quota_compute_seconds > 0),
    quota_written_bytes      bigint CHECK (quota_written_bytes > 0),
    quota_transfer_bytes     bigint CHECK (quota_transfer_bytes > 0),
    min_cu                   double precision NOT NULL DEFAULT 0.25,
    max_cu                   double precision NOT NULL DEFAULT 0.25,
    suspend_timeout_seconds  integer NOT NULL DEFAULT 0,
    -- A one-off wish about the endpoint; cleared when Neon has carried it out.
    wanted_endpoint          text CHECK (wanted_endpoint IN ('suspend', 'resume')),
    wanted_revision          bigint NOT NULL DEFAULT 0,
    applied_revision         bigint NOT NULL DEFAULT 0,
    -- Compute settings go to the endpoint, quotas to the project: this says whether the endpoint must be called too.
    compute_revision         bigint NOT NULL DEFAULT 0,

    -- Observed on Neon, and when.
    observed_at              timestamptz,
    observed_endpoint_state  text CHECK (observed_endpoint_state IN ('init', 'active', 'idle')),
    observed_pending_state   text,
    observed_disabled        boolean NOT NULL DEFAULT false,
    last_active_at           timestamptz,
    size_bytes               bigint NOT NULL DEFAULT 0,
    used_active_seconds      bigint NOT NULL DEFAULT 0,
    used_compute_seconds     bigint NOT NULL DEFAULT 0,
    used_written_bytes       bigint NOT NULL DEFAULT 0,
    used_transfer_bytes      bigint NOT NULL DEFAULT 0,
    period_start             timestamptz,
    period_end               timestamptz,
    observed_quota           jsonb,
    -- Storage used, in thousandths of its quota; NULL where it is unlimited.
    storage_permille         integer GENERATED ALWAYS AS
        (CASE WHEN quota_logical_size_bytes > 0 THEN least(size_bytes::numeric * 1000 / quota_logical_size_bytes, 1000000)::integer END) STORED,
    -- Why it cannot be used as it should, as far as usage and quotas tell; NULL when nothing is known to block it.
    block_reason             text GENERATED ALWAYS AS (CASE
        WHEN observed_disabled                                 THEN 'endpoint_disabled'
        WHEN used_active_seconds  >= quota_active_seconds      THEN 'active_time'
        WHEN used_compute_seconds >= quota_compute_seconds     THEN 'compute_time'
        WHEN used_written_bytes   >= quota_written_bytes       THEN 'written_data'
        WHEN used_transfer_bytes  >= quota_transfer_bytes      THEN 'data_transfer'
        WHEN size_bytes           >= quota_logical_size_bytes  THEN 'storage'
        END) STORED,

    -- The engine's hold on the row, and its back-off. All on the database's clock.
    lease_until              timestamptz,
    leased_by                uuid,
    attempts                 integer NOT NULL DEFAULT 0,
    next_attempt_at          timestamptz NOT NULL DEFAULT now(),
    last_error               text,
    last_error_at            timestamptz,

    -- What the text filter and the look-up search in: lower case, set by the ledger.
    search_text              text NOT NULL DEFAULT '',

    CHECK ((state IN ('available', 'claimed')) <= (neon_project_id IS NOT NULL AND sealed_credentials IS NOT NULL)),
    CHECK ((state = 'available') <= (owner_id IS NULL AND available_order IS NOT NULL)),
    CHECK ((state = 'claimed') <= (owner_id IS NOT NULL AND claimed_at IS NOT NULL))
);

-- The claim takes from here.
CREATE INDEX databases_available ON databases (pool_id, available_order) WHERE state = 'available';
-- One database per owner and pool.
CREATE UNIQUE INDEX databases_one_per_owner ON databases (owner_id, pool_id) WHERE state = 'claimed';
CREATE INDEX databases_owner ON databases (owner_id) WHERE owner_id IS NOT NULL;
-- The duties' work lists.
CREATE INDEX databases_due_provision ON databases (next_attempt_at) WHERE state IN ('requested', 'creating', 'verifying');
CREATE INDEX databases_due_release ON databases (next_attempt_at) WHERE state = 'releasing';
CREATE INDEX databases_due_apply ON databases (next_attempt_at)
    WHERE state IN ('available', 'claimed') AND (wanted_revision <> applied_revision OR wanted_endpoint IS NOT NULL);
-- The table of databases: one index per order, each also behind the state filter.
CREATE INDEX databases_by_requested ON databases (requested_at DESC, id DESC);
CREATE INDEX databases_by_state_requested ON databases (state, requested_at DESC, id DESC);
CREATE INDEX databases_by_size ON databases (size_bytes DESC, id DESC);
CREATE INDEX databases_by_claimed ON databases (claimed_at DESC, id DESC) WHERE claimed_at IS NOT NULL;
CREATE INDEX databases_by_last_active ON databases (last_active_at DESC, id DESC) WHERE last_active_at IS NOT NULL;
CREATE INDEX databases_by_storage ON databases (storage_permille DESC, id DESC) WHERE storage_permille >= 800 AND state = 'claimed';
CREATE INDEX databases_blocked ON databases (claimed_at DESC, id DESC) WHERE block_reason IS NOT NULL AND state = 'claimed';
CREATE INDEX databases_search ON databases USING gin (search_text gin_trgm_ops);

-- Claims: handing an available database to an owner.
CREATE TYPE claim_status AS ENUM ('waiting', 'served', 'cancelled');

CREATE TABLE claims (
    id                       uuid PRIMARY KEY,
    pool_id                  integer NOT NULL REFERENCES pools (id),
    owner_id                 text NOT NULL REFERENCES owners (id),
    database_id              uuid UNIQUE REFERENCES databases (id),
    status                   claim_status NOT NULL,
    kind                     text NOT NULL CHECK (kind IN ('warm', 'cold')),
    idempotency_key          text UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    -- SHA-256 of the request's parameters: the same key with other parameters is refused.
    request_hash             bytea NOT NULL,
    requested_at             timestamptz NOT NULL DEFAULT now(),
    served_at                timestamptz,
    released_at              timestamptz,
    CHECK ((status = 'served') = (database_id IS NOT NULL AND served_at IS NOT NULL))
);
-- An owner has one live claim per pool: the guard that makes claiming safe to repeat.
CREATE UNIQUE INDEX claims_one_live_per_owner ON claims (owner_id, pool_id) WHERE released_at IS NULL AND status <> 'cancelled';
CREATE INDEX claims_waiting ON claims (pool_id, requested_at) WHERE status = 'waiting';
CREATE INDEX claims_by_served ON claims (served_at) WHERE served_at IS NOT NULL;
CREATE INDEX claims_by_requested ON claims (requested_at);

-- History: append-only, one line per change, written in the transaction of the change.
CREATE TABLE events (
    id                       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at                       timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Dotted: 'database.state', 'database.quota', 'database.suspend', 'pool.target', 'operator.signed_in', …
    kind                     text NOT NULL,
    database_id              uuid REFERENCES databases (id),
    pool_id                  integer REFERENCES pools (id),
    -- Who: an operator's e-mail, an API token's name, or the duty; and by which way.
    actor                    text NOT NULL,
    via                      text NOT NULL CHECK (via IN ('console', 'api', 'engine', 'cli')),
    reason                   text CHECK (length(reason) <= 1000),
    before                   jsonb,
    after                    jsonb,
    request_id               text
);
CREATE INDEX events_by_database ON events (database_id, id DESC) WHERE database_id IS NOT NULL;
CREATE INDEX events_by_pool ON events (pool_id, id DESC) WHERE pool_id IS NOT NULL;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Legal changes of state, whoever asks: above all, nothing goes back from `claimed` to `available`.
CREATE FUNCTION check_state_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (CASE OLD.state
        WHEN 'requested'  THEN NEW.state IN ('creating', 'verifying', 'failed')
        WHEN 'creating'   THEN NEW.state IN ('verifying', 'failed')
        WHEN 'verifying'  THEN NEW.state IN ('available', 'failed')
        WHEN 'available'  THEN NEW.state IN ('claimed', 'releasing')
        WHEN 'claimed'    THEN NEW.state = 'releasing'
        WHEN 'releasing'  THEN NEW.state = 'deleted'
        WHEN 'failed'     THEN NEW.state = 'releasing'
        WHEN 'deleted'    THEN NEW.state = 'claimed' AND NEW.owner_id = OLD.owner_id
    END) THEN
        RAISE EXCEPTION 'a database cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    NEW.state_since := now();
    RETURN NEW;
END $$;
CREATE TRIGGER databases_state_change BEFORE UPDATE OF state ON databases
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION check_state_change();

-- How many databases are in each state, without counting them: every change appends deltas, a duty rolls them up.
-- (One counter row per state would make all claims queue for it.)
CREATE TABLE state_counts (
    pool_id                  integer NOT NULL REFERENCES pools (id),
    state                    database_state NOT NULL,
    count                    bigint NOT NULL,
    PRIMARY KEY (pool_id, state)
);
CREATE TABLE state_deltas (
    pool_id                  integer NOT NULL,
    state                    database_state NOT NULL,
    delta                    bigint NOT NULL
);

CREATE FUNCTION count_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO state_deltas SELECT pool_id, state, count(*) FROM inserted GROUP BY 1, 2;
    RETURN NULL;
END $$;
CREATE TRIGGER databases_count_inserted AFTER INSERT ON databases
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION count_inserted();

CREATE FUNCTION count_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO state_deltas VALUES (OLD.pool_id, OLD.state, -1), (NEW.pool_id, NEW.state, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER databases_count_moved AFTER UPDATE OF state ON databases
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION count_moved();

CREATE FUNCTION count_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO state_deltas SELECT pool_id, state, -count(*) FROM removed GROUP BY 1, 2;
    RETURN NULL;
END $$;
CREATE TRIGGER databases_count_removed AFTER DELETE ON databases
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_removed();

-- The roll-up and what is not yet rolled up, in one reading.
CREATE VIEW fleet_counts AS
    SELECT pool_id, state, sum(n)::bigint AS count
    FROM (SELECT pool_id, state, count AS n FROM state_counts UNION ALL SELECT pool_id, state, delta FROM state_deltas) AS parts
    GROUP BY pool_id, state;
