//! Detection: what a page of Neon's list shows that should not be so, and what a whole list did not show.

use serde_json::Value;
use uuid::Uuid;

use super::{FindingRules, SweepRef};
use crate::{Ledger, LedgerError};

/// A project as a list shows it.
pub struct PageProject {
    pub id: String,
    pub name: String,
    /// Its other fields, as evidence; `synthetic_size_bytes` and `quota` (as [`Quota`](fleet_types::Quota) is written, left out where it is not known) are understood.
    pub fields: Value,
}

/// Of the projects of a page, those that are ours, and those of other installations.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageOwners {
    pub ours: i64,
    pub others: i64,
}

/// More than so many stuck creations are one problem, not many.
const STUCK_AT_MOST: i64 = 1_000;

impl Ledger {
    /// Compares a page with the ledger and writes down what does not fit. Another installation's projects are counted and not judged.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn detect_findings(
        &self,
        by: SweepRef,
        page: &[PageProject],
        rules: &FindingRules,
    ) -> Result<PageOwners, LedgerError> {
        let ids: Vec<String> = page.iter().map(|project| project.id.clone()).collect();
        let names: Vec<String> = page.iter().map(|project| project.name.clone()).collect();
        let fields: Vec<Value> = page.iter().map(|project| project.fields.clone()).collect();
        self.note_agreed_quotas(by, &ids, &fields).await?;
        let owners = sqlx::query_as!(
            PageOwners,
            r#"WITH listed AS (
                 SELECT DISTINCT ON (project_id) * FROM unnest($1::text[], $2::text[], $3::jsonb[]) AS l (project_id, name, fields) ORDER BY project_id),
               judged AS (
                 -- `known` has the project; if none does, `named` has asked for one of this name.
                 SELECT l.*, coalesce(known.id, named.id) AS database_id, belongs.whose,
                        CASE WHEN belongs.whose = 'other' THEN NULL
                             WHEN known.id IS NOT NULL THEN finding_by_id(known, l.fields, $5)
                             WHEN named.id IS NOT NULL THEN finding_by_name(named, $5, $6)
                             WHEN belongs.whose IN ('ours', 'unsigned') THEN 'orphan'
                             WHEN belongs.whose = 'stray' THEN 'stray' END AS kind,
                        CASE WHEN known.id IS NOT NULL THEN ledger_evidence(known)
                             WHEN named.id IS NOT NULL THEN ledger_evidence(named) END AS ledger
                 FROM listed AS l LEFT JOIN databases AS known ON known.neon_project_id = l.project_id
                 LEFT JOIN databases AS named ON named.neon_project_name = regexp_replace(l.name, '-o[A-Za-z0-9_-]+$', '') AND known.id IS NULL,
                 LATERAL (SELECT CASE WHEN belongs_elsewhere(coalesce(known.origin, named.origin), l.name) THEN 'other'
                                       WHEN known.id IS NULL AND named.id IS NULL THEN name_belongs_to(l.name) END AS whose) AS belongs),
               wrong AS (
                 -- What was mended while this sweep read its pages may still stand on an older page.
                 SELECT * FROM judged
                 WHERE kind IS NOT NULL AND NOT EXISTS (SELECT FROM findings AS e WHERE e.subject = judged.project_id AND e.resolved_at >= $5)),
               reapplied AS (
                 SELECT w.database_id, count(*) AS times FROM wrong AS w JOIN findings AS e USING (database_id)
                 WHERE w.kind = 'drifted' AND e.kind = 'drifted' AND e.resolution = 'reapplied' AND e.resolved_at > now() - make_interval(secs => $7)
                 GROUP BY w.database_id),
               told AS (
                 INSERT INTO findings AS f (kind, subject, project_id, project_name, database_id, first_sweep, last_sweep, evidence, synthetic_size_bytes, earlier)
                 SELECT w.kind, w.project_id, w.project_id, w.name, w.database_id, $4, $4, jsonb_build_object('neon', w.fields, 'ledger', w.ledger),
                        (w.fields ->> 'synthetic_size_bytes')::bigint, coalesce(r.times, 0)
                 FROM wrong AS w LEFT JOIN reapplied AS r ON w.kind = 'drifted' AND r.database_id = w.database_id
                 ON CONFLICT (kind, subject) WHERE status <> 'resolved' DO UPDATE
                 SET last_seen_at = now(), last_sweep = EXCLUDED.last_sweep, project_name = EXCLUDED.project_name, database_id = EXCLUDED.database_id,
                     evidence = EXCLUDED.evidence, synthetic_size_bytes = EXCLUDED.synthetic_size_bytes)
               SELECT count(*) FILTER (WHERE whose IS NULL OR whose IN ('ours', 'unsigned')) AS "ours!", count(*) FILTER (WHERE whose = 'other') AS "others!" FROM judged"#,
            &ids,
            &names,
            &fields,
            by.sweep,
            by.started_at,
            rules.stuck_after,
            rules.drift_memory,
        )
        .fetch_one(&self.db)
        .await?;
        Ok(owners)
    }

    /// Of a ledger that was found to be old: whose quota Neon has as it is here. What is locked is noted by the next sweep.
    async fn note_agreed_quotas(&self, by: SweepRef, ids: &[String], fields: &[Value]) -> Result<(), LedgerError> {
        sqlx::query!(
            "WITH agreed AS (
               SELECT d.id FROM installation AS i, unnest($1::text[], $2::jsonb[]) AS l (project_id, fields) JOIN databases AS d ON d.neon_project_id = l.project_id
               WHERE $3 > i.forgot_until AND d.state = 'claimed' AND d.origin <> 'copied' AND d.claimed_at <= i.forgot_until
                 AND coalesce(d.quota_agreed_at, '-infinity') <= i.forgot_until AND has_quota(d, l.fields -> 'quota')
               FOR NO KEY UPDATE OF d SKIP LOCKED)
             UPDATE databases AS d SET quota_agreed_at = $3 FROM agreed WHERE d.id = agreed.id",
            ids,
            fields,
            by.started_at
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// The next `limit` databases behind `after` whose project must be in a list that was begun at `by.started_at`, in the order of their ids.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn living_behind(
        &self,
        after: Uuid,
        by: SweepRef,
        limit: i64,
    ) -> Result<Vec<(Uuid, String)>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT id, neon_project_id AS "project_id!" FROM databases
               WHERE id > $1 AND state IN ('verifying', 'available', 'withheld', 'claimed') AND neon_project_id IS NOT NULL AND origin <> 'copied' AND state_since < $2 ORDER BY id LIMIT $3"#,
            after,
            by.started_at,
            limit
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.project_id)).collect())
    }

    /// Writes down that a whole list did not show the projects of these databases.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_ghosts(&self, by: SweepRef, ids: &[Uuid]) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO findings (kind, subject, project_id, project_name, database_id, first_sweep, last_sweep, evidence, synthetic_size_bytes)
             SELECT 'ghost', neon_project_id, neon_project_id, neon_project_name, id, $1, $1,
                    jsonb_build_object('ledger', jsonb_build_object('state', state, 'since', state_since, 'project_id', neon_project_id,
                      'last_active_at', last_active_at, 'observed_at', observed_at)), synthetic_size_bytes
             FROM databases WHERE id = ANY ($3) AND state IN ('verifying', 'available', 'withheld', 'claimed') AND state_since < $2
             ON CONFLICT (kind, subject) WHERE status <> 'resolved' DO UPDATE
             SET last_seen_at = now(), last_sweep = EXCLUDED.last_sweep, evidence = EXCLUDED.evidence, synthetic_size_bytes = EXCLUDED.synthetic_size_bytes",
            by.sweep,
            by.started_at,
            ids
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Puts available databases that a list did not show behind all others of their pool, so that they are claimed last while nobody knows whether they exist.
    /// One at a time: whoever claims meanwhile must find all others free. What is not trusted yet is not claimed in any case.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn put_behind(&self, ids: &[Uuid]) -> Result<(), LedgerError> {
        for id in ids {
            sqlx::query!(
                "UPDATE databases SET available_order = nextval('available_order')
                 WHERE id = (SELECT id FROM databases WHERE id = $1 AND state = 'available'
                               AND available_order > (SELECT doubtful_up_to FROM installation) FOR NO KEY UPDATE SKIP LOCKED)",
                id
            )
            .execute(&self.db)
            .await?;
        }
        Ok(())
    }

    /// Writes down which creations take too long though their pool may create.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_stuck(&self, by: SweepRef, rules: &FindingRules) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO findings (kind, subject, project_id, project_name, database_id, first_sweep, last_sweep, evidence)
             SELECT 'half-born', d.id::text, d.neon_project_id, d.neon_project_name, d.id, $1, $1,
                    jsonb_build_object('ledger', jsonb_build_object('state', d.state, 'since', d.state_since, 'project_id', d.neon_project_id,
                      'attempts', d.attempts, 'last_error', d.last_error))
             FROM databases AS d JOIN pools AS p ON p.id = d.pool_id
             WHERE d.state IN ('creating', 'verifying') AND d.state_since < now() - make_interval(secs => $2)
               AND (p.breaker_until IS NULL OR p.breaker_until < now())
               AND NOT EXISTS (SELECT FROM findings AS f
                 WHERE f.database_id = d.id AND f.kind = 'half-born' AND f.status <> 'resolved' AND f.subject <> d.id::text)
             LIMIT $3
             ON CONFLICT (kind, subject) WHERE status <> 'resolved' DO UPDATE
             SET last_seen_at = now(), last_sweep = EXCLUDED.last_sweep, evidence = EXCLUDED.evidence, project_id = EXCLUDED.project_id",
            by.sweep,
            rules.stuck_after,
            STUCK_AT_MOST
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}
