-- Who may do what: operators with their sessions, and tokens for programs. Secrets are kept as hashes only.

CREATE TABLE operators (
    id                       uuid PRIMARY KEY,
    email                    text NOT NULL UNIQUE CHECK (email = lower(email)),
    name                     text NOT NULL,
    role                     text NOT NULL CHECK (role IN ('viewer', 'support', 'operator', 'admin')),
    -- argon2id, in PHC form; NULL for those who sign in by link only.
    password_hash            text,
    disabled_at              timestamptz,
    created_at               timestamptz NOT NULL DEFAULT now(),
    last_signed_in_at        timestamptz
);

CREATE TABLE sessions (
    -- SHA-256 of the cookie's 256-bit value.
    token_hash               bytea PRIMARY KEY,
    operator_id              uuid NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
    created_at               timestamptz NOT NULL DEFAULT now(),
    last_seen_at             timestamptz NOT NULL DEFAULT now(),
    user_agent               text
);
CREATE INDEX sessions_by_operator ON sessions (operator_id);

-- One-time sign-in links: the first operator, and the demonstration's.
CREATE TABLE sign_in_links (
    token_hash               bytea PRIMARY KEY,
    operator_id              uuid NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
    expires_at               timestamptz NOT NULL,
    used_at                  timestamptz
);

-- Failed sign-ins, for throttling by account and by address.
CREATE TABLE sign_in_failures (
    at                       timestamptz NOT NULL DEFAULT now(),
    email                    text NOT NULL,
    address                  text NOT NULL
);
CREATE INDEX sign_in_failures_by_time ON sign_in_failures (at);

CREATE TABLE api_tokens (
    id                       uuid PRIMARY KEY,
    name                     text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 100),
    -- The visible beginning, to recognise it by; and SHA-256 of the whole.
    prefix                   text NOT NULL,
    token_hash               bytea NOT NULL UNIQUE,
    scopes                   text[] NOT NULL CHECK (scopes <@ ARRAY['claim', 'read', 'manage']),
    created_at               timestamptz NOT NULL DEFAULT now(),
    expires_at               timestamptz,
    last_used_at             timestamptz,
    revoked_at               timestamptz
);
