-- Two sizes, which Neon tells apart. The logical size is what a branch holds: the storage quota limits it, and nothing else is compared with that
-- quota. The synthetic size is what data and history of all branches of a project take, as billed: every list of projects tells it, and it is never
-- less than the logical one. NULL is not known.
--
-- The column that is renamed held whichever was told last. Both are at least the logical size of that time, so as an upper bound it stands until
-- the next sweep; of the logical size itself nothing is known.
DROP TRIGGER databases_blocked_insert ON databases;
DROP TRIGGER databases_blocked_update ON databases;
-- With their indexes.
ALTER TABLE databases DROP COLUMN storage_permille, DROP COLUMN block_reason;

ALTER TABLE databases RENAME COLUMN size_bytes TO synthetic_size_bytes;
ALTER TABLE databases
    ALTER COLUMN synthetic_size_bytes DROP NOT NULL,
    ALTER COLUMN synthetic_size_bytes DROP DEFAULT,
    ADD COLUMN logical_size_bytes bigint,
    -- When Neon last told it, and up to when it surely holds what was written: Neon measures every quarter of an hour.
    ADD COLUMN size_measured_at   timestamptz,
    ADD COLUMN size_settled_to    timestamptz,
    -- Not asked before. Back-off is data.
    ADD COLUMN size_rests_until   timestamptz NOT NULL DEFAULT now(),
    -- Since when Neon refuses to delete it, as it does while a branch is protected; NULL where it does not.
    ADD COLUMN release_refused_at timestamptz;
UPDATE databases SET synthetic_size_bytes = NULL WHERE observed_at IS NULL;

ALTER TABLE databases
    -- Storage used, in thousandths of its quota; NULL where the quota is unlimited or the logical size not known.
    ADD COLUMN storage_permille integer GENERATED ALWAYS AS
        (CASE WHEN quota_logical_size_bytes > 0 AND logical_size_bytes IS NOT NULL THEN least(logical_size_bytes::numeric * 1000 / quota_logical_size_bytes, 1000000)::integer END) STORED,
    -- Why it cannot be used as it should, as far as usage and quotas tell; NULL when nothing is known to block it.
    ADD COLUMN block_reason text GENERATED ALWAYS AS (CASE
        WHEN observed_disabled                                 THEN 'endpoint_disabled'
        WHEN used_active_seconds  >= quota_active_seconds      THEN 'active_time'
        WHEN used_compute_seconds >= quota_compute_seconds     THEN 'compute_time'
        WHEN used_written_bytes   >= quota_written_bytes       THEN 'written_data'
        WHEN used_transfer_bytes  >= quota_transfer_bytes      THEN 'data_transfer'
        WHEN logical_size_bytes   >= quota_logical_size_bytes  THEN 'storage'
        END) STORED;
-- What was blocked for its size alone is not known to be any more.
UPDATE databases SET blocked_since = NULL WHERE blocked_since IS NOT NULL AND block_reason IS NULL;

CREATE TRIGGER databases_blocked_insert AFTER INSERT ON databases FOR EACH ROW
    WHEN (NEW.block_reason IS NOT NULL AND NEW.blocked_since IS NULL) EXECUTE FUNCTION write_blocked_since();
CREATE TRIGGER databases_blocked_update AFTER UPDATE ON databases FOR EACH ROW
    WHEN ((OLD.block_reason IS NULL) <> (NEW.block_reason IS NULL)) EXECUTE FUNCTION write_blocked_since();

CREATE INDEX databases_by_storage ON databases (storage_permille DESC, id DESC) WHERE storage_permille >= 800 AND state = 'claimed';
CREATE INDEX databases_blocked ON databases (claimed_at DESC, id DESC) WHERE block_reason IS NOT NULL AND state = 'claimed';
-- The table of databases by size; those of unknown size come last.
DROP INDEX databases_by_size;
CREATE INDEX databases_by_size ON databases (coalesce(synthetic_size_bytes, -1) DESC, id DESC);
-- Whom to ask about their logical size: a synthetic size below 80 % of the quota proves that a branch is not full, and a branch that nobody has used
-- since it was measured has not grown.
CREATE VIEW databases_to_measure AS
    SELECT id, state, neon_project_id, neon_branch_id, logical_size_bytes, size_rests_until FROM databases
    WHERE state IN ('available', 'claimed') AND neon_branch_id IS NOT NULL
      AND greatest(synthetic_size_bytes, logical_size_bytes) >= quota_logical_size_bytes / 5 * 4
      AND (size_settled_to IS NULL OR last_active_at > size_settled_to);
CREATE INDEX databases_to_measure_due ON databases (size_rests_until)
    WHERE state IN ('available', 'claimed') AND neon_branch_id IS NOT NULL
      AND greatest(synthetic_size_bytes, logical_size_bytes) >= quota_logical_size_bytes / 5 * 4
      AND (size_settled_to IS NULL OR last_active_at > size_settled_to);
CREATE INDEX databases_release_refused ON databases (release_refused_at) WHERE release_refused_at IS NOT NULL AND state = 'releasing';

-- Neon's history of consumption was asked for both, by name; the logical one was kept.
ALTER TABLE usage_days RENAME COLUMN size_bytes TO logical_size_bytes;
ALTER TABLE usage_days ADD COLUMN synthetic_size_bytes bigint;
-- These come from lists.
ALTER TABLE findings RENAME COLUMN size_bytes TO synthetic_size_bytes;
ALTER TABLE fleet_samples RENAME COLUMN storage_bytes TO synthetic_size_bytes;
