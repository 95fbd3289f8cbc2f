-- Disclosures in a history. Each stays an event of its own, and a client may read its claim as often as it likes: so histories find the other events without
-- passing the disclosures, and show equal ones in a row as one line.
CREATE INDEX events_by_database_changes ON events (database_id, id DESC)
    WHERE database_id IS NOT NULL AND kind <> 'database.credentials_disclosed';
-- What the fleet's history shows: what people and programs did, and what the engine decided.
CREATE INDEX events_of_fleet ON events (id)
    WHERE (via <> 'engine' OR kind IN ('database.failed', 'pool.breaker', 'reconcile.brake', 'finding.delete')) AND kind <> 'database.credentials_disclosed';

-- These events as lines of a history. Disclosures that differ in nothing but time and request are one line as long as nothing else happened in between:
-- the latest of them, with their number and the time of the first.
CREATE FUNCTION history(ids bigint[])
RETURNS TABLE (id bigint, at timestamptz, first_at timestamptz, times bigint, is_disclosure boolean, kind text, database_id uuid, pool_id integer, actor text,
               via text, reason text, before jsonb, after jsonb, request_id text)
LANGUAGE sql STABLE AS $$
    WITH listed AS (
        SELECT e.*, e.kind = 'database.credentials_disclosed' AS is_disclosure FROM events AS e WHERE e.id = ANY (ids)),
    placed AS (
        SELECT l.*, count(*) FILTER (WHERE NOT l.is_disclosure) OVER (ORDER BY l.id DESC) AS changes_since FROM listed AS l)
    SELECT max(p.id), max(p.at), min(p.at), count(*), p.is_disclosure, p.kind, p.database_id, p.pool_id, p.actor, p.via, p.reason, p.before, p.after,
           (array_agg(p.request_id ORDER BY p.id DESC))[1]
    FROM placed AS p
    GROUP BY CASE WHEN NOT p.is_disclosure THEN p.id END, p.changes_since, p.is_disclosure, p.kind, p.database_id, p.pool_id, p.actor, p.via, p.reason,
             p.before, p.after
$$;
