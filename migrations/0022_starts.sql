-- A ledger that is restored in its own place, to a moment after the newest mark, knows every mark and every proof. So what was unclaimed when a process
-- starts is looked at on Neon before it is handed out, unless the process before it has stopped in order, or another one goes on.

ALTER TABLE installation
    -- What stands in the pool up to this place in the queue was unclaimed at a start, and nobody has looked at it on Neon since. Whatever is found to be
    -- unclaimed there goes behind it.
    ADD COLUMN doubtful_up_to bigint NOT NULL DEFAULT 0,
    -- The last process has stopped in order: nothing was handed out since.
    ADD COLUMN stopped_at timestamptz,
    -- When this ledger was given its id by `flotilla ledger new-identity`.
    ADD COLUMN id_given_at timestamptz;

-- Whether a process may hand out, as the ledger has it: where so, one row, with the place in the queue behind which it may. `last_claim` is what the process
-- has served last: a ledger without it is another one. The view `valid_proofs` is for processes of the version before.
CREATE FUNCTION may_hand_out(replica uuid, nonce uuid, last_claim uuid) RETURNS TABLE (behind bigint) LANGUAGE sql STABLE AS $$
    SELECT i.doubtful_up_to FROM installation AS i, proofs AS p
    WHERE p.replica = $1 AND $2 IN (p.nonce, p.previous) AND i.hands_out AND i.stopped_at IS NULL
      AND ($3 IS NULL OR EXISTS (SELECT FROM claims WHERE id = $3 AND status = 'served'))
$$;
