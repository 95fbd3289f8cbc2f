-- What a claim writes, without Flotilla: the owner, the claim, the database, the event, and through triggers the deltas of the roll-up
-- and the text that is searched.
-- Each client starts its scan behind the database that it took last, as Flotilla does.
\set n random(1, 9000000000000000000)
WITH picked AS (
    SELECT id, available_order FROM databases
    WHERE pool_id = :pool AND state = 'available' AND available_order > :mark
    ORDER BY available_order LIMIT 1 FOR UPDATE SKIP LOCKED),
owner AS (
    INSERT INTO owners (id, email, plan) VALUES ('pgbench-' || :n, 'pgbench-' || :n || '@mail.example', 'free')),
claim AS (
    INSERT INTO claims (id, pool_id, owner_id, database_id, status, kind, request_hash, served_at)
    SELECT gen_random_uuid(), :pool, 'pgbench-' || :n, picked.id, 'served', 'warm', '', now() FROM picked
    RETURNING id, requested_at, served_at),
taken AS (
    UPDATE databases AS d
    SET state = 'claimed', owner_id = 'pgbench-' || :n, plan = 'free', claimed_at = now()
    FROM picked WHERE d.id = picked.id
    RETURNING d.id, d.pool_id, d.available_order, d.region_id, d.neon_project_id, d.sealed_credentials),
told AS (
    INSERT INTO events (kind, database_id, pool_id, actor, via, before, after)
    SELECT 'database.claimed', id, pool_id, 'pgbench', 'api', '{"state": "available"}',
           jsonb_build_object('state', 'claimed', 'owner', 'pgbench-' || :n, 'plan', 'free')
    FROM taken)
SELECT taken.available_order AS mark, taken.id, taken.region_id, taken.neon_project_id, taken.sealed_credentials, claim.requested_at, claim.served_at
FROM taken, claim \gset
