-- What `flotilla doctor` found, each time it looked: by hand, from the console, or as a duty.
CREATE TABLE doctor_runs (
    id                       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at               timestamptz NOT NULL,
    finished_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- An operator's e-mail, 'command line', or 'doctor' for the duty.
    actor                    text NOT NULL,
    -- Whether Neon's list of projects was compared too.
    with_neon                boolean NOT NULL,
    -- One object per check: name, statement, verdict ('holds', 'violated', 'unknown'), evidence, note, checked_at, violated_since.
    checks                   jsonb NOT NULL
);
