-- Whether a process may change anything on Neon: it has seen there that this ledger is current, and no other one is suspected to run beside it; `nonce` is
-- its newest.
CREATE FUNCTION may_change_neon(replica uuid, nonce uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT hands_out AND EXISTS (SELECT FROM proofs AS p WHERE p.replica = $1 AND $2 IN (p.nonce, p.previous)) FROM installation
$$;
DROP FUNCTION is_proven(uuid, uuid);
