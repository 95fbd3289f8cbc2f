-- What is claimed becomes a member of its owner's plan. Apart from the migration before, whose locks hold up claims: this one reads all databases and the
-- whole history, and holds only the rows that it changes.

-- An owner's plan could be changed alone until now, and their databases kept the name of the one before. Neon is told: the project's name says the plan.
UPDATE databases AS d
    SET plan = o.plan, wanted_revision = d.wanted_revision + 1, attempts = 0, next_attempt_at = now()
    FROM owners AS o WHERE o.id = d.owner_id AND d.state = 'claimed' AND d.origin <> 'copied' AND d.plan IS DISTINCT FROM o.plan;

-- Nobody's quota changes by this: what is not as the plan says is an override, until somebody ends it.
INSERT INTO database_overrides (database_id, field, value, actor, via, reason)
    SELECT d.id, f.field, database_setting(d, f.field), 'migration', 'cli', 'It differed from its plan when plans began to be followed.'
    FROM databases AS d JOIN plans AS p ON p.name = d.plan
    CROSS JOIN unnest(ARRAY['logical_size_bytes', 'active_time_seconds', 'compute_time_seconds', 'written_data_bytes', 'data_transfer_bytes']) AS f (field)
    WHERE d.state = 'claimed' AND d.origin <> 'copied' AND database_setting(d, f.field) IS DISTINCT FROM plan_setting(p, f.field);
INSERT INTO database_overrides (database_id, field, value, actor, via, reason)
    SELECT d.id, 'suspend_timeout_seconds', d.suspend_timeout_seconds, 'migration', 'cli', 'It was set by hand before plans began to be followed.'
    FROM databases AS d
    WHERE d.state = 'claimed' AND d.origin <> 'copied' AND d.id IN (SELECT database_id FROM events WHERE kind = 'database.suspend_timeout');
