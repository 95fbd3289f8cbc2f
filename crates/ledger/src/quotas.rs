//! The five limits: what is wanted.

use std::collections::HashMap;

use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    By, Ledger, LedgerError, NewEvent,
    events::insert_event,
    origin::refuse_copied,
    plans::record_overrides,
    quota_events::{QUOTA_DECISIONS, QUOTA_EVENTS, refuse_forgotten},
};
use crate::state::State;
use fleet_types::{DatabaseState, Quota, QuotaChange, Time, limit_name, limit_text};

/// Why Neon's quota becomes the wanted one, for the history.
const NEWER_ON_NEON: &str = "Neon's quota was taken: this ledger's was older.";

/// How a change of a quota is meant.
#[derive(Clone, Copy, Debug, Default)]
pub struct QuotaIntent {
    /// The revision at which the quota was read; whoever says it is refused if a limit that they mean was changed since.
    pub read_at: Option<i64>,
    /// Until when, `Some(None)` for good. With `None` a limit that changes does so for good, and one that stays keeps the end that it has.
    pub until: Option<Option<Time>>,
    /// It raises a used-up limit for a while, within the cap of the plan.
    pub is_relief: bool,
}

impl Ledger {
    /// Writes down what all limits shall be, with the event: whoever has seen them all decides, also where this ledger may have forgotten some. The engine
    /// takes it to Neon.
    ///
    /// # Errors
    /// As [`Ledger::change_quota`].
    pub async fn set_quota(&self, id: Uuid, quota: &Quota, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        refuse_copied(&mut tx, id, "Change its quota").await?;
        change_in(&mut tx, id, &QuotaChange::to(quota), QuotaIntent::default(), by).await?;
        Ok(tx.commit().await?)
    }

    /// Writes down what some limits shall be. Of a claimed database that is an override of its plan, for good or until a moment; what the plan says anyway
    /// is none.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the database is in no state to have its quota changed, when its other limits may be newer on Neon, or with who has changed
    /// it meanwhile; `Invalid` for a limit below 1, or an end that is over.
    pub async fn change_quota(
        &self,
        id: Uuid,
        change: &QuotaChange,
        intent: QuotaIntent,
        by: &By,
    ) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        refuse_copied(&mut tx, id, "Change its quota").await?;
        refuse_forgotten(&mut tx, id).await?;
        change_in(&mut tx, id, change, intent, by).await?;
        Ok(tx.commit().await?)
    }

    /// Whether the quota of this database may have been changed after this ledger's time: the ledger was found to be old, and since then nobody has said what
    /// it shall be, nor has a sweep seen that it is still the same. Then Neon's is the newer one.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn may_have_forgotten_quota(&self, id: Uuid) -> Result<bool, LedgerError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT may_have_forgotten_quota($1, $2) AS "may!""#,
            id,
            &QUOTA_DECISIONS.map(String::from)[..]
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// Makes the quota that Neon has the wanted one of a database that is still held with this one. `false` when somebody has changed it meanwhile.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_quota_of_neon(
        &self,
        id: Uuid,
        ours: &Quota,
        on_neon: &Quota,
        by: &By,
    ) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let row = locked(&mut tx, id).await?;
        if row.state != DatabaseState::Claimed || row.quota != *ours {
            return Ok(false);
        }
        take_from_neon(&mut tx, id, on_neon, by).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Neon was seen to have this quota. Where it is the one that is wanted here, it was not changed after this ledger's time.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn agree_on_quota(&self, id: Uuid, on_neon: &Quota) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE databases AS d SET quota_agreed_at = now()
             WHERE id = $1 AND state = 'claimed' AND may_have_forgotten_quota(id, $2) AND has_quota(d, $3)",
            id,
            &QUOTA_DECISIONS.map(String::from)[..],
            json!(on_neon)
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}

/// What the row says, which is locked until the transaction ends.
struct Row {
    pool_id: i32,
    state: DatabaseState,
    quota: Quota,
}

async fn locked(db: &mut PgConnection, id: Uuid) -> Result<Row, LedgerError> {
    let row = sqlx::query!(
        r#"SELECT pool_id, state AS "state: State", quota_logical_size_bytes, quota_active_seconds, quota_compute_seconds,
                  quota_written_bytes, quota_transfer_bytes FROM databases WHERE id = $1 FOR NO KEY UPDATE"#,
        id
    )
    .fetch_optional(db)
    .await?
    .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
    let quota = Quota {
        logical_size_bytes: row.quota_logical_size_bytes,
        active_time_seconds: row.quota_active_seconds,
        compute_time_seconds: row.quota_compute_seconds,
        written_data_bytes: row.quota_written_bytes,
        data_transfer_bytes: row.quota_transfer_bytes,
    };
    Ok(Row { pool_id: row.pool_id, state: row.state.0, quota })
}

/// Makes what Neon has the wanted quota of a claimed database, if it differs, with an event that says so; where the plan says something else, it is an
/// override.
pub(super) async fn take_from_neon(
    db: &mut PgConnection,
    id: Uuid,
    on_neon: &Quota,
    by: &By,
) -> Result<(), LedgerError> {
    let by = By { reason: Some(NEWER_ON_NEON.to_owned()), ..by.clone() };
    change_in(db, id, &QuotaChange::to(on_neon), QuotaIntent::default(), &by).await
}

/// [`Ledger::change_quota`] as a part of something larger.
pub(super) async fn change_in(
    tx: &mut PgConnection,
    id: Uuid,
    change: &QuotaChange,
    intent: QuotaIntent,
    by: &By,
) -> Result<(), LedgerError> {
    let until = intent.until.flatten();
    let row = locked(tx, id).await?;
    require_changeable(row.state, until.is_some(), is_over(tx, until).await?)?;
    let before = row.quota;
    let quota = change.applied_to(before);
    check(&quota)?;
    let differ = changed_limits(&before, &quota);
    let meant = if intent.until.is_some() { change.named() } else { differ.clone() };
    let ends = ends(tx, id, &meant).await?;
    // Meant as it stands, and until now only so because the database has not followed its plan yet.
    let kept = not_told(tx, id, &meant).await?;
    if before == quota && kept.is_empty() && ends.values().all(|end| *end == until) {
        return Ok(());
    }
    if let Some(revision) = intent.read_at {
        refuse_if_never_read(tx, id, revision).await?;
        refuse_if_changed_since(tx, id, revision, &meant).await?;
    }
    write(tx, id, &quota).await?;
    record_overrides(tx, id, &meant, until, intent.is_relief, by).await?;
    let (mut before, mut after) = changed(&before, &quota);
    for limit in meant.iter().filter(|limit| differ.contains(limit) || ends.contains_key(*limit)) {
        tell_end((&mut before, &mut after), limit, ends.get(limit).copied().flatten(), until);
    }
    for limit in kept.iter().filter(|limit| !differ.contains(limit)) {
        before[end_of(limit)] = Value::Null;
        after[end_of(limit)] = json!(end_in_words(until));
    }
    let event = NewEvent {
        kind: "database.quota",
        database_id: Some(id),
        pool_id: Some(row.pool_id),
        before: Some(before),
        after: Some(after),
    };
    Ok(insert_event(&mut *tx, &event, by).await?)
}

async fn write(tx: &mut PgConnection, id: Uuid, quota: &Quota) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE databases SET quota_logical_size_bytes = $2, quota_active_seconds = $3, quota_compute_seconds = $4, quota_written_bytes = $5,
                quota_transfer_bytes = $6, wanted_revision = wanted_revision + 1, attempts = 0, next_attempt_at = now(), last_error = NULL
         WHERE id = $1",
        id,
        quota.logical_size_bytes,
        quota.active_time_seconds,
        quota.compute_time_seconds,
        quota.written_data_bytes,
        quota.data_transfer_bytes,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// By PostgreSQL's clock.
async fn is_over(db: &mut PgConnection, until: Option<Time>) -> Result<bool, sqlx::Error> {
    let Some(until) = until else { return Ok(false) };
    sqlx::query_scalar!(r#"SELECT $1 <= now() AS "is_over!""#, until).fetch_one(db).await
}

/// When the overrides of these limits end by themselves; without those that there are not.
async fn ends(
    tx: &mut PgConnection,
    id: Uuid,
    limits: &[String],
) -> Result<HashMap<String, Option<Time>>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT field, until FROM database_overrides WHERE database_id = $1 AND field = ANY ($2)",
        id,
        limits
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.field, row.until)).collect())
}

/// Of these limits of a claimed database, those that differ from its plan though no override says so.
async fn not_told(tx: &mut PgConnection, id: Uuid, limits: &[String]) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT f.field AS "field!" FROM databases AS d JOIN plans AS p ON p.name = d.plan CROSS JOIN unnest($2::text[]) AS f (field)
           WHERE d.id = $1 AND d.state = 'claimed' AND database_setting(d, f.field) IS DISTINCT FROM plan_setting(p, f.field)
             AND NOT EXISTS (SELECT FROM database_overrides AS o WHERE o.database_id = d.id AND o.field = f.field)"#,
        id,
        limits
    )
    .fetch_all(tx)
    .await
}

/// An end is one of an override, and to come.
fn require_changeable(state: DatabaseState, has_end: bool, is_over: bool) -> Result<(), LedgerError> {
    let wrong = |message: &str| Err(LedgerError::Invalid { field: "until", message: message.to_owned() });
    match state {
        DatabaseState::Available | DatabaseState::Claimed if is_over => wrong("Name a moment to come."),
        DatabaseState::Available if has_end => wrong("Only a claimed database has a plan to go back to: leave it out."),
        DatabaseState::Available | DatabaseState::Claimed => Ok(()),
        other => {
            Err(LedgerError::Conflict(format!("The quota of a database that is {} cannot be changed.", other.as_str())))
        }
    }
}

fn check(quota: &Quota) -> Result<(), LedgerError> {
    if quota.limits().into_iter().filter_map(|(_, limit)| limit).any(|limit| limit < 1) {
        return Err(LedgerError::Invalid {
            field: "quota",
            message: String::from("A limit must be at least 1. Leave it out for no limit."),
        });
    }
    Ok(())
}

/// The names of the limits that differ.
fn changed_limits(before: &Quota, after: &Quota) -> Vec<String> {
    let pairs = before.limits().into_iter().zip(after.limits());
    pairs.filter(|((_, old), (_, new))| old != new).map(|((name, _), _)| name.to_owned()).collect()
}

/// `Conflict` for a revision that the quota has not reached: whoever sends it has not read this quota.
async fn refuse_if_never_read(tx: &mut PgConnection, id: Uuid, revision: i64) -> Result<(), LedgerError> {
    let latest = sqlx::query_scalar!(
        r#"SELECT coalesce(max(id), 0) AS "latest!" FROM events WHERE database_id = $1 AND kind = ANY($2)"#,
        id,
        &QUOTA_EVENTS.map(String::from)[..]
    )
    .fetch_one(&mut *tx)
    .await?;
    if revision <= latest {
        return Ok(());
    }
    Err(LedgerError::Conflict(format!(
        "The quota of this database has no revision {revision}; its latest is {latest}. Nothing was saved. Read the quota as it is now, then save again."
    )))
}

/// `Conflict`, saying who changed which of these limits, when, and how, after this revision. The row is locked, so nothing follows unseen.
async fn refuse_if_changed_since(
    tx: &mut PgConnection,
    id: Uuid,
    revision: i64,
    limits: &[String],
) -> Result<(), LedgerError> {
    let fields: Vec<String> = limits.iter().flat_map(|limit| [limit.clone(), end_of(limit)]).collect();
    let change = sqlx::query!(
        "SELECT at, kind, actor, via, before, after FROM events
         WHERE database_id = $1 AND id > $2 AND kind = ANY($3) AND (kind NOT IN ('database.quota', 'database.plan') OR after ?| $4)
         ORDER BY id DESC LIMIT 1",
        id,
        revision,
        &QUOTA_EVENTS.map(String::from)[..],
        &fields
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(change) = change else { return Ok(()) };
    let what = match change.kind.as_str() {
        "database.claimed" => String::from("The database was claimed, and its quota became that of the owner's plan,"),
        "database.template" => String::from("The quota was set by the pool's template"),
        "database.given_back" | "database.taken_back" => String::from("The database was given back to its owner"),
        _ => in_words(limits, change.before.as_ref(), change.after.as_ref()),
    };
    Err(LedgerError::Conflict(format!(
        "{what} by {} ({}) at {}, after you read it. Nothing was saved. Look at the quota as it is now, then save again.",
        change.actor,
        change.via,
        moment(change.at)
    )))
}

/// `Storage was changed from 512 MiB to 1 GiB`, of each of these limits that the event is about.
fn in_words(limits: &[String], before: Option<&Value>, after: Option<&Value>) -> String {
    let side = |side: Option<&Value>, name: &str| {
        let limit = side.and_then(|side| side.get(name)).and_then(Value::as_number);
        limit_text(name, limit.map(|limit| limit.as_i64().unwrap_or_default()))
    };
    let changes: Vec<String> = limits
        .iter()
        .filter(|name| after.is_some_and(|after| after.get(name.as_str()).is_some()))
        .map(|name| format!("{} was changed from {} to {}", label(name), side(before, name), side(after, name)))
        .collect();
    if changes.is_empty() {
        return String::from("The end of an override was changed");
    }
    changes.join(" and ")
}

/// When the override of this limit ended by itself, and when it does now, if that differs.
fn tell_end((before, after): (&mut Value, &mut Value), limit: &str, ended: Option<Time>, ends: Option<Time>) {
    if ended != ends {
        before[end_of(limit)] = json!(ended.map(moment));
        after[end_of(limit)] = json!(end_in_words(ends));
    }
}

fn end_in_words(end: Option<Time>) -> String {
    end.map_or_else(|| String::from("for good"), moment)
}

/// Under which an event tells the end of a limit's override.
fn end_of(limit: &str) -> String {
    format!("{limit}_until")
}

fn label(limit: &str) -> String {
    match limit_name(limit) {
        "storage" => String::from("The storage quota"),
        other => format!("The quota of {other}"),
    }
}

fn moment(at: Time) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Only the limits that differ, before and after; unlimited is written out.
fn changed(before: &Quota, after: &Quota) -> (Value, Value) {
    let written = |limit: Option<i64>| limit.map_or_else(|| json!("unlimited"), |limit| json!(limit));
    let mut sides = (serde_json::Map::new(), serde_json::Map::new());
    for ((name, old), (_, new)) in before.limits().into_iter().zip(after.limits()) {
        if old != new {
            sides.0.insert(name.to_owned(), written(old));
            sides.1.insert(name.to_owned(), written(new));
        }
    }
    (Value::Object(sides.0), Value::Object(sides.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let before = Quota { logical_size_bytes: Some(1), active_time_seconds: Some(2), ..Quota::default() };
        let after = Quota { logical_size_bytes: None, ..before };
        assert_eq!(
            changed(&before, &after),
            (json!({ "logical_size_bytes": 1 }), json!({ "logical_size_bytes": "unlimited" }))
        );
    }

    #[test]
    fn a_change_is_told_in_the_units_of_people() {
        let limits = ["logical_size_bytes", "compute_time_seconds", "written_data_bytes"].map(String::from);
        let (before, after) = (
            json!({ "logical_size_bytes": 536_870_912, "compute_time_seconds": 3_600 }),
            json!({ "logical_size_bytes": 1_073_741_824, "compute_time_seconds": "unlimited" }),
        );
        assert_eq!(
            in_words(&limits, Some(&before), Some(&after)),
            "The storage quota was changed from 512 MiB to 1 GiB and The quota of compute time was changed from 1 h to unlimited"
        );
    }
}
