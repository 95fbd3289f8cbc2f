-- Findings: what a comparison of Neon's whole list with the ledger has shown to be wrong, and what is done about it.

-- When Neon last confirmed the wanted quota: a quota seen before that proves nothing.
ALTER TABLE databases ADD COLUMN applied_at timestamptz;

-- Of the projects of a sweep, those that are named by us or known to the ledger; and when the sweep was compared with the ledger.
ALTER TABLE sweeps ADD COLUMN ours bigint NOT NULL DEFAULT 0, ADD COLUMN concluded_at timestamptz;
CREATE INDEX sweeps_concluded ON sweeps (id DESC) WHERE concluded_at IS NOT NULL;

CREATE TABLE findings (
    id                       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind                     text NOT NULL CHECK (kind IN ('orphan', 'twin', 'zombie', 'half-born', 'ghost', 'stray', 'drifted')),
    -- `suspected` → `quarantined` (confirmed, waits until it is due) → `acting` → `resolved`; or `needs_operator`, or `ignored`.
    status                   text NOT NULL DEFAULT 'suspected'
                             CHECK (status IN ('suspected', 'quarantined', 'acting', 'needs_operator', 'ignored', 'resolved')),
    -- What it is about: the project's id on Neon, or the database's id where no project is known.
    subject                  text NOT NULL,
    project_id               text,
    project_name             text,
    database_id              uuid REFERENCES databases (id),
    first_seen_at            timestamptz NOT NULL DEFAULT now(),
    last_seen_at             timestamptz NOT NULL DEFAULT now(),
    -- The sweeps in which it was seen first and last; `sightings` counts complete ones only.
    first_sweep              bigint NOT NULL,
    last_sweep               bigint NOT NULL,
    sightings                integer NOT NULL DEFAULT 0,
    -- How often the same was mended shortly before: a quota that is changed again and again.
    earlier                  integer NOT NULL DEFAULT 0,
    -- `neon`: the project's fields in the list; `ledger`: what the ledger has instead.
    evidence                 jsonb NOT NULL,
    -- What was done and decided: [{at, what, by, reason}], oldest first.
    timeline                 jsonb NOT NULL DEFAULT '[]',
    -- Data and history as billed; NULL where the list does not tell it.
    size_bytes               bigint,

    -- The engine's hold on it, and when it acts. `allowed_at`: an operator has said that it may, whatever the brake counts.
    action_due_at            timestamptz,
    allowed_at               timestamptz,
    attempts                 integer NOT NULL DEFAULT 0,
    last_error               text,
    last_error_at            timestamptz,
    acted_at                 timestamptz,
    lease_until              timestamptz,
    leased_by                uuid,

    -- Until when Neon can bring the project back.
    recoverable_until        timestamptz,
    resolved_at              timestamptz,
    resolution               text CHECK (resolution IN ('deleted', 'replaced', 'adopted', 'recovered', 'reapplied', 'accepted', 'gone')),
    -- Who decided last, and why.
    decided_by               text,
    reason                   text CHECK (length(reason) <= 1000),
    CHECK ((status = 'resolved') = (resolved_at IS NOT NULL AND resolution IS NOT NULL)),
    CHECK ((status = 'quarantined') <= (action_due_at IS NOT NULL))
);
-- One open finding of a kind about one thing.
CREATE UNIQUE INDEX findings_open ON findings (kind, subject) WHERE status <> 'resolved';
CREATE INDEX findings_due ON findings (action_due_at) WHERE status IN ('quarantined', 'acting');
CREATE INDEX findings_acted ON findings (acted_at) WHERE acted_at IS NOT NULL;
CREATE INDEX findings_by_database ON findings (database_id, id DESC) WHERE database_id IS NOT NULL;
CREATE INDEX findings_by_subject ON findings (subject);
-- The screen: open ones of one kind and status, newest first, and those that were resolved.
CREATE INDEX findings_listed ON findings (kind, status, id DESC);
CREATE INDEX findings_by_status ON findings (status, id DESC);

-- The brake: too much looked wrong at once, so nothing is done about findings until an operator has looked. One row each time; open while not lifted.
CREATE TABLE brakes (
    id                       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    set_at                   timestamptz NOT NULL DEFAULT now(),
    -- How many findings were due in this pass, and how many may be.
    due                      bigint NOT NULL,
    cap                      bigint NOT NULL,
    -- How many of each kind: {"orphan": 12}.
    kinds                    jsonb NOT NULL,
    lifted_at                timestamptz,
    lifted_by                text,
    lift_reason              text
);
CREATE UNIQUE INDEX brakes_one_open ON brakes ((true)) WHERE lifted_at IS NULL;
