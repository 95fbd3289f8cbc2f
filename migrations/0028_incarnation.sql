-- Which incarnation of the ledger Neon's mark was last confirmed for: its place, the table itself (a restored dump has another one), and PostgreSQL's
-- timeline (a recovery to a point in time begins a new one, and so does a failover). After a start that follows no stop, another incarnation means
-- that the last claims before it may be missing.
CREATE FUNCTION ledger_incarnation() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    timeline text := 'unknown';
BEGIN
    BEGIN
        timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    EXCEPTION WHEN OTHERS THEN
        -- Some hosts keep it to themselves; the rest remains.
    END;
    RETURN ledger_place() || '/' || 'databases'::regclass::oid || '/' || timeline;
END $$;

-- A project made until `forgot_until` that no row knows may have been handed out: the ledger had forgotten what it did until then.
ALTER TABLE installation
    ADD COLUMN mark_incarnation text,
    ADD COLUMN forgot_until timestamptz;
UPDATE installation SET forgot_until = now() WHERE safe_mode_since IS NOT NULL;
