-- Since when a database has been seen to be blocked, whatever the reason; NULL where it is not, or where nobody looked when it began.
ALTER TABLE databases ADD COLUMN blocked_since timestamptz;

-- Afterwards, because `block_reason` is generated after the triggers that run before a write. Blocks begin and end seldom: the second version of
-- the row is cheaper than the expression twice.
CREATE FUNCTION write_blocked_since() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE databases SET blocked_since = CASE WHEN NEW.block_reason IS NOT NULL THEN now() END WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER databases_blocked_insert AFTER INSERT ON databases FOR EACH ROW
    WHEN (NEW.block_reason IS NOT NULL AND NEW.blocked_since IS NULL) EXECUTE FUNCTION write_blocked_since();
CREATE TRIGGER databases_blocked_update AFTER UPDATE ON databases FOR EACH ROW
    WHEN ((OLD.block_reason IS NULL) <> (NEW.block_reason IS NULL)) EXECUTE FUNCTION write_blocked_since();
