//! The one place where a claimed database is brought to what its plan and its overrides say: the desired settings, with their event.
//!
//! Whoever calls has the rows locked, in this transaction, before: so what is read here is the latest, and overrides that are being written are waited for.

use sqlx::PgConnection;
use uuid::Uuid;

use super::ending::{Ending, end};
use crate::By;
use fleet_types::{AffectedDatabase, BlockReason, Effect};

/// Databases named in a preview.
const SAMPLE: i64 = 10;

/// How many were brought to their plan, and of how many that changed anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Followed {
    pub followed: i64,
    pub changed: i64,
}

/// The databases that a change is for.
pub enum Whose<'a> {
    Plan(&'a str),
    These(&'a [Uuid]),
}

/// Locks claimed databases, so that [`follow`] sees them as they are.
pub async fn lock_members(db: &mut PgConnection, ids: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT id FROM databases WHERE id = ANY ($1) AND state = 'claimed' ORDER BY id FOR NO KEY UPDATE",
        ids
    )
    .fetch_all(db)
    .await?;
    Ok(())
}

/// Brings these claimed databases to their plan, after the reliefs have ended that the plan does not allow. Neon is told even where nothing differs of those
/// that have another plan than before, or `always`: the name of the project says it.
pub async fn follow(db: &mut PgConnection, ids: &[Uuid], always: bool, by: &By) -> Result<Followed, sqlx::Error> {
    end(db, ids, Ending::Disallowed, by).await?;
    sqlx::query_as!(
        Followed,
        r#"WITH compared AS (
             SELECT s.*, $2 OR d.plan_version = 0 AS is_renamed, (d.min_cu, d.max_cu, d.suspend_timeout_seconds) IS DISTINCT FROM (s.min_cu, s.max_cu, s.suspend_timeout_seconds) AS compute_differs,
                    settings_in_words(d.quota_logical_size_bytes, d.quota_active_seconds, d.quota_compute_seconds, d.quota_written_bytes,
                      d.quota_transfer_bytes, d.min_cu, d.max_cu, d.suspend_timeout_seconds, d.history_retention_seconds) AS before,
                    settings_in_words(s.quota_logical_size_bytes, s.quota_active_seconds, s.quota_compute_seconds, s.quota_written_bytes,
                      s.quota_transfer_bytes, s.min_cu, s.max_cu, s.suspend_timeout_seconds, s.history_retention_seconds) AS after
             FROM member_settings AS s JOIN databases AS d ON d.id = s.id WHERE s.id = ANY ($1)),
           followed AS (
             UPDATE databases AS d
             SET quota_logical_size_bytes = c.quota_logical_size_bytes, quota_active_seconds = c.quota_active_seconds,
                 quota_compute_seconds = c.quota_compute_seconds, quota_written_bytes = c.quota_written_bytes,
                 quota_transfer_bytes = c.quota_transfer_bytes, min_cu = c.min_cu, max_cu = c.max_cu,
                 suspend_timeout_seconds = c.suspend_timeout_seconds, history_retention_seconds = c.history_retention_seconds, plan_version = c.version,
                 wanted_revision = d.wanted_revision + (c.is_renamed OR c.before <> c.after)::integer,
                 compute_revision = CASE WHEN c.compute_differs THEN d.wanted_revision + 1 ELSE d.compute_revision END,
                 retention_revision = CASE WHEN d.history_retention_seconds IS DISTINCT FROM c.history_retention_seconds
                   THEN d.wanted_revision + 1 ELSE d.retention_revision END,
                 attempts = CASE WHEN c.is_renamed OR c.before <> c.after THEN 0 ELSE d.attempts END,
                 last_error = CASE WHEN c.is_renamed OR c.before <> c.after THEN NULL ELSE d.last_error END,
                 next_attempt_at = CASE WHEN c.is_renamed OR c.before <> c.after THEN now() ELSE d.next_attempt_at END
             FROM compared AS c WHERE d.id = c.id
             RETURNING d.id, d.pool_id, c.version, c.plan, c.before, c.after),
           told AS (
             INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after, request_id)
             SELECT 'database.plan', id, pool_id, $3, $4, $5, what_differs(before, after),
                    what_differs(after, before) || jsonb_build_object('plan', format('%s, version %s', plan, version)), $6
             FROM followed WHERE before <> after)
           SELECT count(*) AS "followed!", count(*) FILTER (WHERE before <> after) AS "changed!" FROM followed"#,
        ids,
        always,
        by.actor,
        by.via.as_str(),
        by.reason,
        by.request_id
    )
    .fetch_one(db)
    .await
}

/// What [`follow`] would do to them, and whom that would block.
pub async fn effect(db: &mut PgConnection, whose: &Whose<'_>) -> Result<Effect, sqlx::Error> {
    let (plan, ids) = match whose {
        Whose::Plan(name) => (Some(*name), None),
        Whose::These(ids) => (None, Some(*ids)),
    };
    let rows = sqlx::query!(
        r#"WITH compared AS MATERIALIZED (
             SELECT s.id, s.owner_id, s.block_reason, d.block_reason AS blocked_before, s.overrides <> '{}' AS is_overridden,
                    (d.quota_logical_size_bytes, d.quota_active_seconds, d.quota_compute_seconds, d.quota_written_bytes, d.quota_transfer_bytes, d.min_cu,
                     d.max_cu, d.suspend_timeout_seconds, d.history_retention_seconds)
                    IS DISTINCT FROM (s.quota_logical_size_bytes, s.quota_active_seconds, s.quota_compute_seconds, s.quota_written_bytes,
                     s.quota_transfer_bytes, s.min_cu, s.max_cu, s.suspend_timeout_seconds, s.history_retention_seconds) AS differs
             FROM member_settings AS s JOIN databases AS d ON d.id = s.id
             WHERE ($1::text IS NULL OR s.plan = $1) AND ($2::uuid[] IS NULL OR s.id = ANY ($2))),
           counts AS (
             SELECT count(*) AS databases, count(*) FILTER (WHERE differs) AS changing, count(*) FILTER (WHERE is_overridden) AS overridden,
                    count(*) FILTER (WHERE block_reason IS NOT NULL AND blocked_before IS NULL) AS blocked,
                    count(*) FILTER (WHERE block_reason IS NULL AND blocked_before IS NOT NULL) AS freed
             FROM compared)
           SELECT c.databases AS "databases!", c.changing AS "changing!", c.overridden AS "overridden!", c.blocked AS "blocked!", c.freed AS "freed!",
                  n.id AS "id?", o.id AS "owner_id?", o.email AS "email?", n.block_reason
           FROM counts AS c
           LEFT JOIN (SELECT * FROM compared WHERE differs
                      ORDER BY (block_reason IS NOT NULL AND blocked_before IS NULL) DESC, block_reason IS NULL, id LIMIT $3) AS n ON true
           LEFT JOIN owners AS o ON o.id = n.owner_id"#,
        plan,
        ids,
        SAMPLE
    )
    .fetch_all(db)
    .await?;
    let mut effect = Effect::default();
    for row in rows {
        effect = Effect {
            databases: row.databases,
            changing: row.changing,
            overridden: row.overridden,
            blocked: row.blocked,
            freed: row.freed,
            sample: effect.sample,
        };
        if let (Some(id), Some(owner_id), Some(email)) = (row.id, row.owner_id, row.email) {
            let blocked_by = row.block_reason.as_deref().and_then(BlockReason::parse);
            effect.sample.push(AffectedDatabase { id, owner_id, email, blocked_by });
        }
    }
    Ok(effect)
}
