-- Whose a project is, by its name. One with this installation's id that is none of the names which it gives was renamed by somebody: it is ours and unsigned, so
-- that a person decides about it; until now it counted as another installation's, which nobody here looks after.
CREATE OR REPLACE FUNCTION name_belongs_to(name text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN name ~ ('^flotilla-' || id || '-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-o[A-Za-z0-9_-]+)?$') THEN 'ours'
        WHEN name ~ ('^flotilla-mark-' || id || '-') THEN 'mark'
        WHEN name ~ '^flotilla-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-o[A-Za-z0-9_-]+)?$' THEN 'unsigned'
        WHEN name ~ ('^flotilla-' || id || '-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}') THEN 'unsigned'
        WHEN name ~ '^flotilla-(mark-)?[0-9a-f]{8}-' THEN 'other'
        ELSE 'stray' END
    FROM installation
$$;
