-- Kept, and not handed out by itself: somebody may have used it, or nobody can tell. An operator releases it, or a repair gives it back to its owner.
-- A value of its own migration: PostgreSQL does not let a new one be used in the transaction that adds it.
ALTER TYPE database_state ADD VALUE IF NOT EXISTS 'withheld' AFTER 'available';
