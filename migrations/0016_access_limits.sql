-- Attempts to sign in that count as failed, by what they are counted for: 'account ada@company.example', 'address 203.0.113.5', 'device <hash>'.
-- A row is forgotten when the sign-in succeeds, or 15 minutes after the last attempt.
CREATE TABLE sign_in_attempts (
    subject                  text PRIMARY KEY,
    failures                 integer NOT NULL,
    last_at                  timestamptz NOT NULL,
    -- The next attempt is looked at from then on; earlier ones are refused and not counted.
    next_at                  timestamptz NOT NULL
);
CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (last_at);
DROP TABLE sign_in_failures;

-- Browsers in which an operator has signed in before, by the SHA-256 of their device cookie. Strangers who guess at the account do not slow them down.
CREATE TABLE sign_in_devices (
    token_hash               bytea PRIMARY KEY,
    operator_id              uuid NOT NULL REFERENCES operators (id) ON DELETE CASCADE,
    signed_in_at             timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sign_in_devices_by_operator ON sign_in_devices (operator_id, signed_in_at);

-- What was asked for without the role or scope that it takes, counted by the minute: somebody who asks in a loop must not push everything else out of
-- the history.
CREATE TABLE denials (
    minute                   timestamptz NOT NULL,
    actor                    text NOT NULL,
    via                      text NOT NULL,
    -- A server function or a route, as '/rpc/suspend' or 'POST /api/v1/claims'.
    action                   text NOT NULL,
    -- What was missing, as 'role operator' or 'scope manage'.
    missing                  text NOT NULL,
    times                    bigint NOT NULL,
    last_at                  timestamptz NOT NULL,
    -- Of the last of them.
    request_id               text,
    PRIMARY KEY (minute, actor, via, action)
);
