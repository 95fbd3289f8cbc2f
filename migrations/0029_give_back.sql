-- As before, and: what is being given up goes back to the owner who had it, as what is deleted does. Either goes to any owner if it never had one in this
-- ledger, which may have forgotten the claim. Whether its project lives on Neon is looked at before.
CREATE OR REPLACE FUNCTION check_state_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (CASE OLD.state
        WHEN 'requested'  THEN NEW.state IN ('creating', 'verifying', 'withheld', 'failed')
        WHEN 'creating'   THEN NEW.state IN ('verifying', 'withheld', 'failed')
        WHEN 'verifying'  THEN NEW.state IN ('available', 'withheld', 'failed')
        WHEN 'available'  THEN NEW.state IN ('claimed', 'withheld', 'releasing')
        WHEN 'withheld'   THEN NEW.state IN ('claimed', 'releasing')
            OR NEW.state = 'available' AND OLD.awaits_look AND OLD.available_at IS NOT NULL
                AND NEW.proven_new_at > coalesce(OLD.proven_new_at, OLD.available_at)
                AND NOT EXISTS (SELECT FROM claims WHERE database_id = OLD.id)
        WHEN 'claimed'    THEN NEW.state = 'releasing'
        WHEN 'releasing'  THEN NEW.state = 'deleted' OR NEW.state = 'claimed' AND NEW.owner_id = coalesce(OLD.owner_id, NEW.owner_id)
        WHEN 'failed'     THEN NEW.state = 'releasing'
        WHEN 'deleted'    THEN NEW.state = 'claimed' AND NEW.owner_id = coalesce(OLD.owner_id, NEW.owner_id)
    END) THEN
        RAISE EXCEPTION 'a database cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    NEW.state_since := now();
    NEW.awaits_look := NEW.awaits_look AND NEW.state = 'withheld';
    -- Neon is told whose it is, in the project's name, with the quota: one call.
    IF NEW.state = 'claimed' AND NEW.origin = 'pool' THEN
        NEW.wanted_revision := greatest(NEW.wanted_revision, OLD.wanted_revision + 1);
    END IF;
    RETURN NEW;
END $$;
