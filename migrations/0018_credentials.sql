-- Who sees credentials, and whether Neon still has them.

-- A fourth scope: see the credentials of any claimed database. No other scope includes it.
ALTER TABLE api_tokens DROP CONSTRAINT api_tokens_scopes_check;
ALTER TABLE api_tokens ADD CONSTRAINT api_tokens_scopes_check CHECK (scopes <@ ARRAY['claim', 'read', 'manage', 'reveal']);

-- When each actor last had credentials disclosed on request, newest last: as many as the limit within its window, so that one statement on one row
-- counts and decides. Nothing else writes here.
CREATE TABLE disclosure_limits (
    -- An operator's e-mail or a token's name, and by which way they came: one may be called as the other.
    via                      text NOT NULL,
    actor                    text NOT NULL,
    disclosed_at             timestamptz[] NOT NULL,
    PRIMARY KEY (via, actor)
);

ALTER TABLE databases
    -- When Neon last confirmed the sealed password; NULL until it was asked, and then the check before the pool is what is known.
    ADD COLUMN credentials_verified_at   timestamptz,
    -- When it was noticed that the password had been changed on Neon, past Flotilla; NULL after a rotation by Flotilla.
    ADD COLUMN credentials_changed_at    timestamptz,
    -- A wish for a new password, and that Neon is being asked for it: from then on a password on Neon that differs from the sealed one is the new one,
    -- whose answer was lost.
    ADD COLUMN password_reset_wanted_at  timestamptz,
    ADD COLUMN password_reset_asked_at   timestamptz;

-- Until now the credentials of a database that nobody had claimed could be revealed, and whoever claimed it next was given the same password.
-- Such databases are replaced: from the pool they are released, on their way to it they are set aside.
WITH revealed AS (
       SELECT d.id, d.pool_id, d.state FROM databases AS d
       WHERE d.state IN ('available', 'verifying') AND EXISTS (SELECT FROM events AS e WHERE e.database_id = d.id AND e.kind = 'database.revealed')
       FOR NO KEY UPDATE OF d),
     retired AS (
       UPDATE databases AS d
       SET state = CASE r.state WHEN 'available' THEN 'releasing' ELSE 'failed' END::database_state,
           releasing_at = CASE r.state WHEN 'available' THEN now() END, wanted_endpoint = NULL, attempts = 0, next_attempt_at = now(),
           lease_until = NULL, leased_by = NULL,
           last_error = CASE r.state WHEN 'verifying' THEN 'Its connection string was revealed before anybody had claimed it.' END,
           last_error_at = CASE r.state WHEN 'verifying' THEN now() END
       FROM revealed AS r WHERE d.id = r.id
       RETURNING d.id, d.pool_id, r.state AS before, d.state AS after)
INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after)
SELECT CASE after WHEN 'releasing' THEN 'database.released' ELSE 'database.failed' END, id, pool_id, 'migration', 'cli',
       'Its connection string was revealed before anybody had claimed it, so it is replaced.',
       jsonb_build_object('state', before), jsonb_build_object('state', after)
FROM retired;
