-- Sweeps: readings of Neon's whole list of projects, page by page.
CREATE TABLE sweeps (
    id                       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    replica                  uuid NOT NULL,
    started_at               timestamptz NOT NULL DEFAULT now(),
    finished_at              timestamptz,
    pages                    integer NOT NULL DEFAULT 0,
    -- Projects on the pages so far, rows of ours that had changed, and projects that Neon could not read in time.
    projects                 bigint NOT NULL DEFAULT 0,
    changed                  bigint NOT NULL DEFAULT 0,
    unavailable              bigint NOT NULL DEFAULT 0,
    -- How many projects the last complete sweep found: the measure of progress.
    expected                 bigint,
    -- Every page was answered and none was partial: only then what was not seen was not there.
    is_complete              boolean NOT NULL DEFAULT false,
    -- Why it was given up before its end.
    broke_off                text,
    CHECK (is_complete <= (finished_at IS NOT NULL AND broke_off IS NULL AND unavailable = 0))
);
CREATE INDEX sweeps_complete ON sweeps (id DESC) WHERE is_complete;
CREATE INDEX sweeps_open ON sweeps (id) WHERE finished_at IS NULL;
