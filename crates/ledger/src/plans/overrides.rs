//! Overrides: where a claimed database differs from its plan, for a reason, for good or until a moment. An edited quota is one, and so is a relief.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Followed,
    ending::{Ending, end},
    follow, lock_members,
};
use crate::{By, Ledger, LedgerError, origin::refuse_copied, quota_events::refuse_forgotten};
use fleet_types::{Override, Problem, Quota, StatusLevel, Time, grouped};

/// Overrides that should have ended and are counted; there may be more.
const HELD_COUNTED: i64 = 1_000;
/// Overrides that are ended at a time.
const ENDED_AT_ONCE: i64 = 100;

/// Writes down that these settings of a claimed database, as they stand in its row now, are meant: an override where they differ from the plan, none where
/// they do not. The row is locked.
pub async fn record(
    db: &mut PgConnection,
    id: Uuid,
    fields: &[String],
    until: Option<Time>,
    is_relief: bool,
    by: &By,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH meant AS (
           SELECT d.id, f.field, database_setting(d, f.field) AS own, plan_setting(p.plan, f.field) AS of_plan
           FROM databases AS d JOIN followed_plans AS p ON p.id = d.id CROSS JOIN unnest($2::text[]) AS f (field)
           WHERE d.id = $1),
         back AS (
           DELETE FROM database_overrides AS o USING meant AS m
           WHERE o.database_id = m.id AND o.field = m.field AND m.own IS NOT DISTINCT FROM m.of_plan)
         INSERT INTO database_overrides (database_id, field, value, until, is_relief, actor, via, reason)
         SELECT id, field, own, $3, $4, $5, $6, $7 FROM meant WHERE own IS DISTINCT FROM of_plan
         ON CONFLICT (database_id, field) DO UPDATE SET value = EXCLUDED.value, set_at = now(), until = EXCLUDED.until, is_relief = EXCLUDED.is_relief,
           actor = EXCLUDED.actor, via = EXCLUDED.via, reason = EXCLUDED.reason",
        id,
        fields,
        until,
        is_relief,
        by.actor,
        by.via.as_str(),
        by.reason
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes down that a claimed database keeps the limits that stand in its row, also where its plan says something else by now: what no override tells of
/// becomes one, for good. The row is locked.
pub async fn keep_as_overrides(db: &mut PgConnection, id: Uuid, by: &By) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO database_overrides (database_id, field, value, actor, via, reason)
         SELECT d.id, f.field, database_setting(d, f.field), $3, $4, $5
         FROM databases AS d JOIN followed_plans AS p ON p.id = d.id CROSS JOIN unnest($2::text[]) AS f (field)
         WHERE d.id = $1 AND database_setting(d, f.field) IS DISTINCT FROM plan_setting(p.plan, f.field)
         ON CONFLICT (database_id, field) DO NOTHING",
        id,
        &Quota::default().limits().map(|(name, _)| String::from(name))[..],
        by.actor,
        by.via.as_str(),
        by.reason
    )
    .execute(db)
    .await?;
    Ok(())
}

impl Ledger {
    /// Where a database differs from its plan.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub(crate) async fn overrides(&self, id: Uuid) -> Result<Vec<Override>, LedgerError> {
        Ok(sqlx::query_as!(
            Override,
            r#"SELECT o.field, o.value, o.set_at, o.until, o.actor, o.via, o.reason, plan_setting(p.plan, o.field) AS plan_value
               FROM database_overrides AS o JOIN followed_plans AS p ON p.id = o.database_id
               WHERE o.database_id = $1 ORDER BY o.field"#,
            id
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// Ends an override: the database goes back to its plan.
    ///
    /// # Errors
    /// `NotFound` when the database does not differ there; `Conflict` when it belongs to another installation.
    pub async fn end_override(&self, id: Uuid, field: &str, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        refuse_copied(&mut tx, id, "End its override").await?;
        lock_members(&mut tx, &[id]).await?;
        refuse_forgotten(&mut tx, id).await?;
        let reason =
            by.reason.clone().unwrap_or_else(|| format!("The override of {} was ended.", field.replace('_', " ")));
        let by = By { reason: Some(reason), ..by.clone() };
        if end(&mut tx, &[id], Ending::Field(field), &by).await? == 0 {
            let message = format!("An override of {field} of the database {id}");
            return Err(LedgerError::NotFound(message));
        }
        follow(&mut tx, &[id], false, &by).await?;
        Ok(tx.commit().await?)
    }

    /// Overrides whose time is over end, and their databases go back to their plans. Those of databases that nobody holds any more just go. Not in safe mode,
    /// and not what was set before this ledger was found to be old: its end may have been moved since.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn end_due_overrides(&self, by: &By) -> Result<Followed, LedgerError> {
        let mut tx = self.db.begin().await?;
        let ids = sqlx::query_scalar!(
            "SELECT id FROM databases WHERE id IN (
               SELECT o.database_id FROM database_overrides AS o JOIN databases AS d ON d.id = o.database_id
               WHERE o.until <= now() AND (d.state <> 'claimed' OR NOT is_from_before(o.set_at)) ORDER BY o.until LIMIT $1)
               AND (SELECT safe_mode_since IS NULL FROM installation)
             ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
            ENDED_AT_ONCE
        )
        .fetch_all(&mut *tx)
        .await?;
        if ids.is_empty() {
            return Ok(Followed::default());
        }
        let by = By { reason: Some(String::from("The time of an override is over.")), ..by.clone() };
        end(&mut tx, &ids, Ending::Due, &by).await?;
        let followed = follow(&mut tx, &ids, false, &by).await?;
        tx.commit().await?;
        Ok(followed)
    }

    /// Overrides that should have ended and wait for a person, for the list of what is wrong.
    pub(crate) async fn held_overrides(&self) -> Result<Option<Problem>, LedgerError> {
        let held = sqlx::query!(
            r#"SELECT count(*) AS "count!", min(until) AS since, (array_agg(id ORDER BY until))[1] AS id FROM (
                 SELECT d.id, o.until FROM database_overrides AS o JOIN databases AS d ON d.id = o.database_id
                 WHERE o.until <= now() AND d.state = 'claimed' AND d.origin <> 'copied' AND is_from_before(o.set_at) ORDER BY o.until LIMIT $1) AS held"#,
            HELD_COUNTED
        )
        .fetch_one(&self.db)
        .await?;
        let Some(id) = held.id else { return Ok(None) };
        let what = match held.count {
            1 => String::from("1 override holds on, although its time is over"),
            count => format!("{} overrides hold on, although their time is over", grouped(count)),
        };
        Ok(Some(Problem {
            level: StatusLevel::Warning,
            text: format!(
                "{what}: this ledger was found to be old, and may have forgotten that somebody has prolonged it."
            ),
            since: held.since,
            doing: String::from(
                "Nobody's quota is lowered by itself. The link leads to the database of the oldest: end the override there (Back to the plan), or give it another end. Both are refused until it is known which quota Neon has: until a sweep has seen the same there, `flotilla ledger repair --apply` has taken Neon's, or somebody has decided where it has drifted.",
            ),
            href: format!("/databases/{id}"),
        }))
    }
}
