-- Whom a changed plan has not reached: the first of them is the one of the oldest version.
CREATE INDEX databases_by_plan ON databases (plan, plan_version, id) WHERE state = 'claimed' AND origin <> 'copied';
-- Who has a plan.
CREATE INDEX owners_by_plan ON owners (plan);
