-- Usage: what each database consumed, by day, and when Neon's history of consumption was last asked about it.

-- The history answers for 100 databases a call and allows a few dozen calls a minute, so it is asked in tiers: soon about those that were active
-- since (the hot ones), within a day about all others.
ALTER TABLE databases
    -- When the figures `used_*` were last read, from whatever source: their "as of".
    ADD COLUMN usage_observed_at timestamptz,
    -- When the history was last asked and answered to its end, and what it then surely held: Neon may take an hour until an activity shows.
    ADD COLUMN usage_asked_at    timestamptz,
    ADD COLUMN usage_settled_to  timestamptz,
    -- Not asked before. Back-off is data: longer where the last answer brought nothing new, longest after a refusal.
    ADD COLUMN usage_rests_until timestamptz NOT NULL DEFAULT now(),
    -- When it is asked although nothing happened. Scattered over hours, so that the fleet does not come all at once.
    ADD COLUMN usage_due_at      timestamptz NOT NULL DEFAULT now();
-- A new project has nothing to tell in its first hour.
ALTER TABLE databases ALTER COLUMN usage_due_at SET DEFAULT now() + interval '1 hour';

-- The two work lists: taking the first hundred of either reads a hundred entries, however large the fleet. The third tells how old the oldest answer is.
CREATE INDEX databases_usage_hot ON databases (usage_rests_until) WHERE state IN ('available', 'claimed') AND last_active_at > usage_settled_to;
CREATE INDEX databases_usage_due ON databases (usage_due_at) WHERE state IN ('available', 'claimed');
CREATE INDEX databases_usage_asked ON databases (usage_asked_at) WHERE state IN ('available', 'claimed');

-- A total of a billing period, from what is known and what was just told. Within a period totals only grow, and the sources lag differently and
-- may each know only a part: the greater one is nearer to the truth. A newer period replaces, an older one says nothing new.
-- (Sources may name the start of the same period differently, by hours; periods are a month long.)
CREATE FUNCTION period_total(known bigint, known_start timestamptz, told bigint, told_start timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN told_start > known_start + interval '1 day' THEN coalesce(told, 0)
                WHEN told_start < known_start - interval '1 day' THEN known
                ELSE greatest(known, told) END
$$;

-- One row for each database and day (in UTC) on which something was used: a day without a row used nothing, its size is that of the day before.
-- NULL is a figure that no source has told. No foreign key to `databases`: making or dropping a partition would have to lock that table, and with
-- it every claim; and what a deleted database used stays part of the history.
CREATE TABLE usage_days (
    database_id              uuid NOT NULL,
    day                      date NOT NULL,
    active_seconds           bigint,
    -- CU-seconds.
    compute_seconds          bigint,
    written_bytes            bigint,
    transfer_bytes           bigint,
    -- Of the branches at the end of the day or when last observed.
    size_bytes               bigint,
    observed_at              timestamptz NOT NULL,
    PRIMARY KEY (database_id, day)
) PARTITION BY RANGE (day);

-- Makes the partitions from three months back to two ahead and drops those that are wholly older than the retention. Safe to call at any time and
-- from several replicas: one works, the others leave. Nothing but `usage_days` is ever locked. A new partition is attached, which lets readers and
-- writers go on; an old one is dropped if nobody holds the table for two seconds, else the next time. Returns how many it made or dropped.
CREATE FUNCTION keep_usage_partitions(retention_months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC');
    month date;
    part text;
    changed integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('keep_usage_partitions')) THEN
        RETURN 0;
    END IF;
    PERFORM set_config('lock_timeout', '2s', true);
    FOR month IN SELECT generate_series(this_month - interval '3 months', this_month + interval '2 months', interval '1 month')::date LOOP
        part := 'usage_days_' || to_char(month, 'YYYY_MM');
        IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE usage_days INCLUDING ALL)', part);
            EXECUTE format('ALTER TABLE usage_days ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, month, (month + interval '1 month')::date);
            changed := changed + 1;
        END IF;
    END LOOP;
    FOR part IN
        SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'usage_days'::regclass
          AND c.relname < 'usage_days_' || to_char(this_month - make_interval(months => retention_months), 'YYYY_MM')
    LOOP
        BEGIN
            EXECUTE format('DROP TABLE %I', part);
            changed := changed + 1;
        EXCEPTION WHEN lock_not_available THEN
            RAISE LOG 'the partition % is in use; it is dropped the next time', part;
        END;
    END LOOP;
    RETURN changed;
END $$;
SELECT keep_usage_partitions(13);

-- Which of Neon's two histories of consumption it would not give, as not every plan has both. A refusal is remembered for a while, then tried again.
CREATE TABLE usage_refusals (
    source                   text PRIMARY KEY CHECK (source IN ('legacy', 'v2')),
    since                    timestamptz NOT NULL DEFAULT now(),
    until                    timestamptz NOT NULL,
    reason                   text NOT NULL
);
