-- The API budget: one account of calls to Neon for all replicas, and what they called.

-- A token bucket each for the two counts that Neon keeps of an account's calls. `full_at` is the moment at which the bucket
-- will be full again (the generic cell rate algorithm needs no more); every call that is granted moves it on. All on
-- PostgreSQL's clock. Little room is used per page, so that its many updates stay on the page.
CREATE TABLE neon_budget (
    bucket                   text PRIMARY KEY CHECK (bucket IN ('account', 'consumption')),
    full_at                  timestamptz NOT NULL DEFAULT now(),
    -- Neon asked for fewer calls: nobody calls before this.
    paused_until             timestamptz,
    paused_since             timestamptz,
    pause_reason             text,
    -- Pauses that Neon did not put a time to grow with each refusal that no success came between.
    refusals_in_a_row        integer NOT NULL DEFAULT 0,
    -- The end of the pause before this one: only a call that was sent since shows that calls go through again.
    resumed_at               timestamptz
) WITH (fillfactor = 20);
INSERT INTO neon_budget (bucket) VALUES ('account'), ('consumption');

-- What each replica called, by the minute in which it told so.
CREATE TABLE neon_calls (
    minute                   timestamptz NOT NULL,
    replica                  uuid NOT NULL,
    class                    text NOT NULL,
    -- Method and template: 'GET /projects/{project_id}'.
    route                    text NOT NULL,
    -- An HTTP status, or why there is none: 'no_answer', 'unreachable', 'garbled', 'not_sent'.
    status                   text NOT NULL,
    calls                    bigint NOT NULL,
    -- How many took at most 10, 25, 50, 100, 250, 500 ms, 1, 2.5, 5, 10, 30 s, and longer.
    times                    bigint[] NOT NULL,
    PRIMARY KEY (minute, replica, class, route, status)
);

-- How each replica stands, told every few seconds: calls of its last 60 seconds, who waits, which breakers are open.
CREATE TABLE neon_replicas (
    replica                  uuid PRIMARY KEY,
    told_at                  timestamptz NOT NULL,
    state                    jsonb NOT NULL
);
