//! Whether what stands in the pool may be handed out: it works, and nobody has used it. What may not is withheld, and the pool replaces it.

use serde_json::json;
use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event, proofs::MAY_HAVE_BEEN_CLAIMED};
use fleet_types::Time;

/// A project of a list, as far as it tells whether somebody uses it.
pub struct ShownName {
    pub project_id: String,
    pub name: String,
    pub last_active_at: Option<Time>,
}

/// A database that will soon be handed out.
#[derive(Clone, Debug)]
pub struct Lookable {
    pub id: Uuid,
    pub project_id: String,
    pub endpoint_id: String,
}

impl Ledger {
    /// Withholds available databases that a list shows to have been used: active more than `settles_seconds` after they were proven to be new, which the
    /// engine then looks into, or under a name that says whose they are, which is for a person; so is what was active and is doubted since a start. Answers
    /// how many.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn withhold_used(&self, listed: &[ShownName], settles_seconds: f64, by: &By) -> Result<u64, LedgerError> {
        let ids: Vec<String> = listed.iter().map(|project| project.project_id.clone()).collect();
        let names: Vec<String> = listed.iter().map(|project| project.name.clone()).collect();
        let active: Vec<Option<Time>> = listed.iter().map(|project| project.last_active_at).collect();
        let done = sqlx::query!(
            "WITH used AS (
               SELECT d.id, l.name = d.neon_project_name AND NOT is_doubtful AS awaits_look,
                      CASE WHEN l.name <> d.neon_project_name THEN 'Its name on Neon says that somebody holds it.'
                           WHEN is_doubtful THEN $8
                           ELSE 'It was active on Neon while nobody had claimed it. The engine looks into it.' END AS reason
               FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS l (project_id, name, last_active_at)
               JOIN databases AS d ON d.neon_project_id = l.project_id
               CROSS JOIN LATERAL (SELECT d.available_order <= doubtful_up_to AS is_doubtful FROM installation) AS i
               WHERE d.state = 'available' AND d.origin = 'pool'
                 AND (l.name <> d.neon_project_name OR l.last_active_at > coalesce(d.proven_new_at, d.available_at) + make_interval(secs => $4))
               FOR NO KEY UPDATE OF d SKIP LOCKED),
             withheld AS (
               UPDATE databases AS d
               SET state = 'withheld', withheld_reason = used.reason, awaits_look = used.awaits_look, wanted_endpoint = NULL, lease_until = NULL,
                   leased_by = NULL, attempts = 0, next_attempt_at = now()
               FROM used WHERE d.id = used.id RETURNING d.id, d.pool_id, used.reason)
             INSERT INTO events (kind, database_id, pool_id, actor, via, before, after, request_id)
             SELECT 'database.withheld', id, pool_id, $5, $6, '{\"state\": \"available\"}',
                    jsonb_build_object('state', 'withheld', 'why', reason), $7
             FROM withheld",
            &ids,
            &names,
            &active as &[Option<Time>],
            settles_seconds,
            by.actor,
            by.via.as_str(),
            by.request_id,
            MAY_HAVE_BEEN_CLAIMED,
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }

    /// Of every pool, those that will be handed out next.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn queue_head(&self, per_pool: i64, limit: i64) -> Result<Vec<Lookable>, LedgerError> {
        Ok(sqlx::query_as!(
            Lookable,
            r#"SELECT n.id AS "id!", n.neon_project_id AS "project_id!", n.neon_endpoint_id AS "endpoint_id!"
               FROM pools AS p, LATERAL (
                 SELECT id, neon_project_id, neon_endpoint_id FROM databases
                 WHERE pool_id = p.id AND state = 'available' AND origin = 'pool' AND neon_endpoint_id IS NOT NULL
                 ORDER BY available_order LIMIT $1) AS n
               ORDER BY p.id LIMIT $2"#,
            per_pool,
            limit
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// Those behind `after` in whatever pool, in the order of their ids.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn pool_behind(&self, after: Uuid, limit: i64) -> Result<Vec<Lookable>, LedgerError> {
        Ok(sqlx::query_as!(
            Lookable,
            r#"SELECT id, neon_project_id AS "project_id!", neon_endpoint_id AS "endpoint_id!" FROM databases
               WHERE id > $1 AND state = 'available' AND origin = 'pool' AND neon_endpoint_id IS NOT NULL ORDER BY id LIMIT $2"#,
            after,
            limit
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// Withholds this database if it is available. `false` when it is not any more.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn withhold(&self, id: Uuid, why: &str, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let row = sqlx::query!(
            "UPDATE databases SET state = 'withheld', withheld_reason = $2, wanted_endpoint = NULL, lease_until = NULL, leased_by = NULL
             WHERE id = $1 AND state = 'available' RETURNING pool_id",
            id,
            why
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let event = NewEvent {
            kind: "database.withheld",
            database_id: Some(id),
            pool_id: Some(row.pool_id),
            before: Some(json!({ "state": "available" })),
            after: Some(json!({ "state": "withheld", "why": why })),
        };
        insert_event(&mut *tx, &event, by).await?;
        tx.commit().await?;
        Ok(true)
    }
}
