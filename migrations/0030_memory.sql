-- What a ledger that was found to be old may have forgotten, and whether a process has seen that it is current: each rule in one place.

-- Whether this ledger may have handed out a project made at this time without knowing it any more; NULL: nobody knows when it was made.
CREATE FUNCTION may_have_forgotten(made_at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce($1 <= forgot_until + interval '1 minute', forgot_until IS NOT NULL) FROM installation
$$;

-- Whether Neon's quota of a database may be newer than this ledger's: nobody has decided about it, by an event of these kinds, since the ledger was found to be old.
CREATE FUNCTION may_have_forgotten_quota(database uuid, decisions text[]) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(forgot_until > coalesce((SELECT max(at) FROM events WHERE database_id = $1 AND kind = ANY($2)), '-infinity'), false)
    FROM installation
$$;

-- Whether something was done before this ledger was found to be old, and so may have been undone since.
CREATE FUNCTION is_from_before(done_at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce($1 <= forgot_until, false) FROM installation
$$;

-- Whether a process has seen on Neon that this ledger is current; `nonce` is its newest.
CREATE FUNCTION is_proven(replica uuid, nonce uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM proofs AS p WHERE p.replica = $1 AND $2 IN (p.nonce, p.previous))
$$;

-- Whether the name of a project says that somebody holds it.
CREATE FUNCTION names_owner(project_name text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT $1 ~ '-o[A-Za-z0-9_-]+$'
$$;
