//! How overrides end: because somebody ends them, their time is over, or their plan does not let them be.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::By;

/// Which overrides end.
#[derive(Clone, Copy)]
pub enum Ending<'a> {
    /// Those of this field, because somebody ends them. The others expire by themselves.
    Field(&'a str),
    /// Those whose time is over, as far as this ledger knows: one that was set before it was found to be old may have been prolonged.
    Due,
    /// Reliefs that the plan, which may be another one by now, does not allow or does not need.
    Disallowed,
}

/// Ends overrides of databases that are locked, each with its event; so it is told also where the plan says the same by now, and nothing changes.
pub async fn end(db: &mut PgConnection, ids: &[Uuid], ending: Ending<'_>, by: &By) -> Result<u64, sqlx::Error> {
    let (kind, field, is_due) = match ending {
        Ending::Field(field) => ("database.override_ended", Some(field), false),
        Ending::Due => ("database.override_expired", None, true),
        Ending::Disallowed => ("database.override_expired", None, false),
    };
    let ended = sqlx::query!(
        r#"WITH ended AS (
             DELETE FROM database_overrides AS o USING databases AS d
             WHERE o.database_id = ANY ($1) AND d.id = o.database_id AND CASE
               WHEN $2::text IS NOT NULL THEN o.field = $2 AND d.state = 'claimed'
               WHEN $3 THEN o.until <= now() AND (d.state <> 'claimed' OR NOT is_from_before(o.set_at))
               ELSE o.is_relief AND NOT plan_allows((SELECT plan FROM followed_plans AS f WHERE f.id = d.id), o) END
             RETURNING d.id, d.pool_id, o.field, o.value, o.until, o.actor),
           told AS (
             INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after, request_id)
             SELECT $8, id, pool_id, $4, $5, $6, jsonb_strip_nulls(jsonb_build_object(
               field, coalesce(to_jsonb(value), '"unlimited"'), 'until', to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 'set_by', actor)),
               jsonb_build_object(field, 'as the plan says'), $7 FROM ended)
           SELECT count(*) AS "ended!" FROM ended"#,
        ids,
        field,
        is_due,
        by.actor,
        by.via.as_str(),
        by.reason,
        by.request_id,
        kind
    )
    .fetch_one(db)
    .await?;
    Ok(ended.ended.unsigned_abs())
}
