-- Whose claim it is. A client is a program of the platform, such as the signup service; its token may be replaced, and it stays the same client.
ALTER TABLE api_tokens
    ADD COLUMN client              text CHECK (length(client) BETWEEN 1 AND 100),
    -- The pools out of which it may claim; NULL: all.
    ADD COLUMN pools               text[] CHECK (cardinality(pools) BETWEEN 1 AND 100),
    -- NULL: no limit of its own.
    ADD COLUMN calls_per_minute    integer CHECK (calls_per_minute BETWEEN 1 AND 1000000),
    -- After a replacement the secret before it is accepted for a while, so that the client can be set up anew without a pause.
    ADD COLUMN replaced_at         timestamptz,
    ADD COLUMN previous_token_hash bytea UNIQUE,
    ADD COLUMN previous_until      timestamptz;
UPDATE api_tokens SET client = name;
ALTER TABLE api_tokens ALTER COLUMN client SET NOT NULL;

-- A token bucket for each token that has a limit. It need not survive a crash: then it is full again.
CREATE UNLOGGED TABLE token_buckets (
    token_id                 uuid PRIMARY KEY REFERENCES api_tokens (id) ON DELETE CASCADE,
    level                    double precision NOT NULL,
    at                       timestamptz NOT NULL
);

-- Claims from before have no client: their connection is told to nobody who repeats them.
ALTER TABLE claims ADD COLUMN client text CHECK (length(client) BETWEEN 1 AND 100);
ALTER TABLE claims DROP CONSTRAINT claims_idempotency_key_key;
CREATE UNIQUE INDEX claims_one_per_client_and_key ON claims (client, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- OpenID Connect allows a `sub` of 255 characters.
ALTER TABLE owners DROP CONSTRAINT owners_id_check, ADD CONSTRAINT owners_id_check CHECK (length(id) BETWEEN 1 AND 255);
-- An address with a space at its end cannot be typed to confirm a release.
UPDATE owners SET email = btrim(email, E' \t\r\n') WHERE email <> btrim(email, E' \t\r\n') AND length(btrim(email, E' \t\r\n')) >= 3;
