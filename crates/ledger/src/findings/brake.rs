//! The brake: when more findings are due in one pass than the cap allows, nothing is done about any until an operator has looked.

use serde_json::{Value, json};

use super::FindingRules;
use crate::{By, Ledger, LedgerError, NewEvent, events::insert_event};
use fleet_types::{Brake, FindingKind, Time};

impl Ledger {
    /// The brake that is on.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn brake(&self) -> Result<Option<Brake>, LedgerError> {
        let row = sqlx::query!("SELECT set_at, due, cap, kinds FROM brakes WHERE lifted_at IS NULL")
            .fetch_optional(&self.db)
            .await?;
        Ok(row.map(|row| brake(row.set_at, row.due, row.cap, &row.kinds)))
    }

    /// Lifts the brake: what is due now may be acted on, whatever its number.
    ///
    /// # Errors
    /// `Conflict` when it is not on.
    pub async fn lift_brake(&self, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let lifted = sqlx::query!(
            "UPDATE brakes SET lifted_at = now(), lifted_by = $1, lift_reason = $2 WHERE lifted_at IS NULL",
            by.actor,
            by.reason
        )
        .execute(&mut *tx)
        .await?;
        if lifted.rows_affected() == 0 {
            return Err(LedgerError::Conflict(String::from("The brake is not on.")));
        }
        sqlx::query!("UPDATE findings SET allowed_at = now() WHERE status = 'quarantined' AND action_due_at <= now()")
            .execute(&mut *tx)
            .await?;
        tell(&mut tx, "reconcile.brake_lifted", json!({ "brake": "lifted" }), by).await?;
        Ok(tx.commit().await?)
    }
}

/// Sets the brake if more is due in this pass (what has been acted on since the last complete sweep included) than the cap allows. Returns it if it was
/// set just now. Due is what is due at the beginning of the transaction.
pub(super) async fn brake_if_too_many(
    tx: &mut sqlx::PgConnection,
    rules: &FindingRules,
    by: &By,
) -> Result<Option<Brake>, LedgerError> {
    let row = sqlx::query!(
        r#"WITH latest AS (SELECT id, concluded_at FROM sweeps WHERE concluded_at IS NOT NULL ORDER BY id DESC LIMIT 1),
           pass AS (
             SELECT kind, count(*) AS n FROM (
               SELECT f.kind FROM findings AS f, latest
               WHERE f.status = 'quarantined' AND f.action_due_at <= now() AND f.last_sweep >= latest.id AND f.allowed_at IS NULL
               UNION ALL
               SELECT f.kind FROM findings AS f, latest
               WHERE f.acted_at >= latest.concluded_at AND f.status <> 'quarantined' AND f.allowed_at IS NULL) AS counted
             GROUP BY kind),
           measure AS (
             SELECT coalesce(sum(n), 0)::bigint AS due, coalesce(jsonb_object_agg(kind, n), '{}') AS kinds,
                    greatest($1::bigint, (SELECT coalesce(sum(count), 0)::float8 * $2 FROM fleet_counts WHERE state NOT IN ('deleted', 'failed'))::bigint) AS cap
             FROM pass)
           INSERT INTO brakes (due, cap, kinds) SELECT due, cap, kinds FROM measure WHERE due > cap
           ON CONFLICT ((true)) WHERE lifted_at IS NULL DO NOTHING
           RETURNING set_at, due, cap, kinds"#,
        rules.cap_least,
        rules.cap_share
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let after = json!({ "brake": "on", "due": row.due, "cap": row.cap, "kinds": row.kinds });
    tell(tx, "reconcile.brake", after, by).await?;
    Ok(Some(brake(row.set_at, row.due, row.cap, &row.kinds)))
}

async fn tell(db: &mut sqlx::PgConnection, kind: &str, after: Value, by: &By) -> Result<(), LedgerError> {
    let event = NewEvent { kind, database_id: None, pool_id: None, before: None, after: Some(after) };
    Ok(insert_event(db, &event, by).await?)
}

fn brake(set_at: Time, due: i64, cap: i64, kinds: &Value) -> Brake {
    let count = |kind: FindingKind| kinds.get(kind.as_str()).and_then(Value::as_i64).unwrap_or(0);
    let kinds = FindingKind::ALL.into_iter().map(|kind| (kind, count(kind))).filter(|(_, count)| *count > 0).collect();
    Brake { set_at, due, cap, kinds }
}
