//! The doctor's side of the ledger: what it compares with Neon's list of projects, and what it found.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::{Ledger, LedgerError};
use fleet_types::{Check, Examination, Time};

/// Runs among which the last verdict of a check is looked for: four days of hourly ones.
const RUNS_READ: i64 = 100;

/// A project as a list of Neon names it.
pub struct ListedName {
    pub project_id: String,
    pub name: String,
}

/// A project of ours that should not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    pub project_id: String,
    pub name: String,
    /// `orphan`: no row knows it. `twin`: its row has another project. `zombie`: its row says that it was deleted.
    pub kind: String,
}

impl Ledger {
    /// PostgreSQL's clock.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn clock(&self) -> Result<Time, LedgerError> {
        Ok(sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&self.db).await?)
    }

    /// Those of these projects that are ours and should not be on Neon. What was deleted after `deleted_before` may still be in its list, and a name that is
    /// being created or adopted is known before its project is.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn strays(&self, listed: &[ListedName], deleted_before: Time) -> Result<Vec<Stray>, LedgerError> {
        let ids: Vec<String> = listed.iter().map(|project| project.project_id.clone()).collect();
        let names: Vec<String> = listed.iter().map(|project| project.name.clone()).collect();
        let strays = sqlx::query_as!(
            Stray,
            r#"SELECT project_id AS "project_id!", name AS "name!", kind AS "kind!" FROM (
                 SELECT l.project_id, l.name, CASE
                   WHEN belongs_elsewhere(coalesce(by_id.origin, by_name.origin), l.name) THEN NULL
                   WHEN by_id.state = 'deleted' THEN CASE WHEN by_id.deleted_at < $3 THEN 'zombie' END
                   WHEN by_id.id IS NOT NULL THEN NULL
                   WHEN by_name.id IS NULL THEN CASE WHEN name_belongs_to(l.name) IN ('ours', 'unsigned') THEN 'orphan' END
                   WHEN by_name.neon_project_id IS NOT NULL THEN 'twin'
                   WHEN by_name.state = 'deleted' AND by_name.deleted_at < $3 THEN 'zombie'
                 END AS kind
                 FROM unnest($1::text[], $2::text[]) AS l (project_id, name)
                 LEFT JOIN databases AS by_id ON by_id.neon_project_id = l.project_id
                 LEFT JOIN databases AS by_name ON by_name.neon_project_name = regexp_replace(l.name, '-o[A-Za-z0-9_-]+$', '')) AS judged
               WHERE kind IS NOT NULL"#,
            &ids,
            &names,
            deleted_before
        )
        .fetch_all(&self.db)
        .await?;
        Ok(strays)
    }

    /// Living databases with their projects, behind `after` in the order of their ids, that have been in their state since before `since`.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn living_since(&self, since: Time, after: Uuid, limit: i64) -> Result<Vec<(Uuid, String)>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT id, neon_project_id AS "project_id!" FROM databases
               WHERE id > $1 AND state IN ('verifying', 'available', 'claimed') AND origin <> 'copied' AND state_since < $2 AND neon_project_id IS NOT NULL ORDER BY id LIMIT $3"#,
            after,
            since,
            limit
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.project_id)).collect())
    }

    /// Whether the row still has this project and still lives.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn still_lives(&self, id: Uuid, project_id: &str) -> Result<bool, LedgerError> {
        let lives = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM databases WHERE id = $1 AND neon_project_id = $2 AND state IN ('verifying', 'available', 'claimed')) AS "lives!""#,
            id,
            project_id
        )
        .fetch_one(&self.db)
        .await?;
        Ok(lives)
    }

    /// Remembers what was found, and forgets what is older than 90 days. A check that is broken, or that could not be checked, carries on since when it
    /// has been; the answer says so too.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_examination(&self, found: Examination, with_neon: bool) -> Result<Examination, LedgerError> {
        let mut found = found;
        let known = self.violated_since().await?;
        for check in &mut found.checks {
            check.violated_since = since(check, &known);
        }
        let checks = serde_json::to_value(&found.checks).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        found.finished_at = sqlx::query_scalar!(
            "INSERT INTO doctor_runs (started_at, actor, with_neon, checks) VALUES ($1, $2, $3, $4) RETURNING finished_at",
            found.started_at,
            found.by,
            with_neon,
            checks
        )
        .fetch_one(&self.db)
        .await?;
        sqlx::query!("DELETE FROM doctor_runs WHERE finished_at < now() - interval '90 days'")
            .execute(&self.db)
            .await?;
        Ok(found)
    }

    /// The last run, with the last verdict of every check, whichever run gave it. `None` before the first.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn last_examination(&self) -> Result<Option<Examination>, LedgerError> {
        let last = sqlx::query!("SELECT started_at, finished_at, actor FROM doctor_runs ORDER BY id DESC LIMIT 1")
            .fetch_optional(&self.db)
            .await?;
        let Some(last) = last else { return Ok(None) };
        let checks = sqlx::query_scalar!(
            r#"SELECT check_found AS "check!" FROM (
                 SELECT DISTINCT ON (check_found ->> 'name') check_found, position
                 FROM (SELECT id, checks FROM doctor_runs ORDER BY id DESC LIMIT $1) AS runs,
                      jsonb_array_elements(runs.checks) WITH ORDINALITY AS found (check_found, position)
                 ORDER BY check_found ->> 'name', runs.id DESC) AS newest
               ORDER BY position"#,
            RUNS_READ
        )
        .fetch_all(&self.db)
        .await?;
        // A check of a later version may have more to say than this one can read.
        let checks = checks.into_iter().filter_map(|check: Value| serde_json::from_value(check).ok()).collect();
        Ok(Some(Examination { started_at: last.started_at, finished_at: last.finished_at, by: last.actor, checks }))
    }

    /// Whether the ledger has not been checked for an hour, and whether Neon has not been compared for a day. The comparison reads the same list as a sweep,
    /// so it waits for one that is under way, and for the one that a start brings with it.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn examination_is_due(&self, up_for: Duration) -> Result<(bool, bool), LedgerError> {
        let due = sqlx::query!(
            r#"SELECT coalesce(max(finished_at) < now() - interval '1 hour', true) AS "ledger!",
                      coalesce(max(finished_at) FILTER (WHERE with_neon) < now() - interval '1 day', true)
                        AND EXISTS (SELECT FROM sweeps WHERE started_at > now() - make_interval(secs => $2))
                        AND NOT EXISTS (SELECT FROM sweeps WHERE finished_at IS NULL) AS "neon!"
               FROM (SELECT finished_at, with_neon FROM doctor_runs ORDER BY id DESC LIMIT $1) AS runs"#,
            RUNS_READ,
            up_for.as_secs_f64()
        )
        .fetch_one(&self.db)
        .await?;
        Ok((due.ledger, due.neon))
    }

    /// Checks whose last conclusive verdict was a violation, and since when.
    async fn violated_since(&self) -> Result<Vec<(String, Time)>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT name AS "name!", since AS "since!" FROM (
                 SELECT DISTINCT ON (check_found ->> 'name') check_found ->> 'name' AS name, (check_found ->> 'violated_since')::timestamptz AS since
                 FROM (SELECT id, checks FROM doctor_runs ORDER BY id DESC LIMIT $1) AS runs, jsonb_array_elements(runs.checks) AS found (check_found)
                 WHERE check_found ->> 'verdict' <> 'unknown'
                 ORDER BY 1, runs.id DESC) AS newest
               WHERE since IS NOT NULL"#,
            RUNS_READ
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows.into_iter().map(|row| (row.name, row.since)).collect())
    }
}

fn since(check: &Check, known: &[(String, Time)]) -> Option<Time> {
    use fleet_types::CheckVerdict::{Holds, Unknown, Violated};
    let before = known.iter().find(|(name, _)| *name == check.name).map(|(_, since)| *since);
    match check.verdict {
        Holds => None,
        Unknown => before,
        Violated => before.or(Some(check.checked_at)),
    }
}
