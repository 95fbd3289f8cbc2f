-- What the text filter and the look-up search in, apart from the databases themselves: a sweep writes those rows, and each version of one would go into
-- the index of trigrams anew, which costs a third of writing it.
CREATE TABLE database_search (
    database_id              uuid PRIMARY KEY REFERENCES databases (id) ON DELETE CASCADE,
    -- Lower case: owner (e-mail, id, organisation), database, project, endpoint.
    text                     text NOT NULL
);
INSERT INTO database_search (database_id, text) SELECT id, search_text FROM databases;
CREATE INDEX database_search_trigrams ON database_search USING gin (text gin_trgm_ops);
ALTER TABLE databases DROP COLUMN search_text;

CREATE FUNCTION search_text_of(d databases, o owners) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT lower(concat_ws(' ', o.email, o.id, o.organisation, d.id, d.neon_project_id, d.neon_endpoint_id))
$$;

-- The text follows whoever changes what it is made of.
CREATE FUNCTION write_search_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO database_search (database_id, text)
    SELECT NEW.id, search_text_of(NEW, o)
    FROM (SELECT) AS one LEFT JOIN owners AS o ON o.id = NEW.owner_id
    ON CONFLICT (database_id) DO UPDATE SET text = excluded.text;
    RETURN NULL;
END $$;
CREATE TRIGGER databases_search_insert AFTER INSERT ON databases FOR EACH ROW EXECUTE FUNCTION write_search_text();
CREATE TRIGGER databases_search_update AFTER UPDATE OF owner_id, neon_project_id, neon_endpoint_id ON databases FOR EACH ROW
    WHEN ((OLD.owner_id, OLD.neon_project_id, OLD.neon_endpoint_id) IS DISTINCT FROM (NEW.owner_id, NEW.neon_project_id, NEW.neon_endpoint_id))
    EXECUTE FUNCTION write_search_text();

CREATE FUNCTION write_search_texts_of_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE database_search AS s
    SET text = search_text_of(d, NEW)
    FROM databases AS d WHERE d.owner_id = NEW.id AND s.database_id = d.id;
    RETURN NULL;
END $$;
CREATE TRIGGER owners_search AFTER UPDATE OF email, organisation ON owners FOR EACH ROW
    WHEN ((OLD.email, OLD.organisation) IS DISTINCT FROM (NEW.email, NEW.organisation))
    EXECUTE FUNCTION write_search_texts_of_owner();
