-- Nothing read it: a quota that differs from the ledger's is a finding, with Neon's list as evidence. Keeping it made the first sweep write every row.
ALTER TABLE databases DROP COLUMN observed_quota;
