-- Keys of the management API. Revoked ones stay, so that a configured key stays revoked across restarts.
CREATE TABLE api_keys (
    id         bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000001) PRIMARY KEY,
    key        text NOT NULL UNIQUE,
    name       text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('personal', 'organization')),
    -- The only project that it opens; all if absent.
    project_id text,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
