-- What belongs to another installation: that from which this ledger was copied, or one whose id a project's name bears. Nothing is found about it and nothing
-- done to it here, whatever state its row is in. `origin` is the row's, where there is one.
CREATE FUNCTION belongs_elsewhere(origin text, project_name text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce($1 = 'copied', false) OR coalesce(name_belongs_to($2) = 'other', false)
$$;

-- A copy that was given its id by an earlier version: its deleted rows were left as if they were its own, and may have been given back since.
UPDATE databases AS d SET origin = 'copied'
FROM installation AS i
WHERE d.origin = 'pool' AND d.requested_at < i.id_given_at AND NOT starts_with(d.neon_project_name, 'flotilla-' || i.id || '-');

DELETE FROM findings AS f
WHERE EXISTS (SELECT FROM installation WHERE id_given_at IS NOT NULL)
  AND belongs_elsewhere((SELECT origin FROM databases WHERE id = f.database_id), f.project_name);
