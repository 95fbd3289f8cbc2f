//! Changing a plan. A preview is the change itself, taken back: so it says what the change does, and nothing else.

use serde_json::{Value, json};

use super::{effect, follow::Whose, not_found, plan_in, refusal, tell, write_version};
use crate::{By, Ledger, LedgerError, Via, pool_events};
use fleet_types::{Effect, PlanChange, PlanChanged, PlanTerms, TermChange};

/// PostgreSQL's code for a statement that took too long.
const CANCELLED: &str = "57014";

/// How a change of a plan is meant.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanIntent {
    /// The version that was read; whoever says it is refused if the plan was changed since.
    pub read_at: Option<i32>,
    /// Only say what it would do.
    pub dry_run: bool,
    /// Although it blocks databases at once.
    pub anyway: bool,
}

impl Ledger {
    /// Changes a plan, and begins to take the change to its members. What changes nothing makes no version.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`; `Conflict` when it was changed meanwhile, or would block databases at once and is not meant to.
    pub async fn change_plan(
        &self,
        name: &str,
        change: &PlanChange,
        intent: PlanIntent,
        by: &By,
    ) -> Result<PlanChanged, LedgerError> {
        let mut tx = self.db.begin().await?;
        sqlx::query_scalar!("SELECT name FROM plans WHERE name = $1 FOR NO KEY UPDATE", name)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| not_found(name))?;
        let before = plan_in(&mut tx, name).await?;
        if intent.read_at.is_some_and(|version| version != before.version) {
            return Err(changed_meanwhile(&mut tx, name).await?);
        }
        let terms = change.applied_to(&before.terms);
        terms.check().map_err(refusal)?;
        let changes = before.terms.differences(&terms);
        let (version, for_members) = (before.version + 1, before.terms.gives_otherwise_than(&terms));
        if !changes.is_empty() {
            write(&mut tx, name, version, &terms, for_members, by).await?;
            let (old, new) = sides(name, &changes);
            tell(&mut tx, "plan.changed", old, new, by).await?;
        }
        let effect = match for_members {
            true => take_to_members(&mut tx, name, version, by).await?,
            false => Effect::default(),
        };
        let plan = plan_in(&mut tx, name).await?;
        if effect.blocked > 0 && !intent.anyway && !intent.dry_run {
            return Err(LedgerError::Conflict(format!(
                "This would block {} of the plan's databases at once by what they have used. Nothing was saved. Look at them with dry_run (--dry-run), \
                 then send it with anyway (--anyway) if that is meant.",
                effect.blocked
            )));
        }
        match intent.dry_run {
            true => tx.rollback().await?,
            false => tx.commit().await?,
        }
        Ok(PlanChanged { dry_run: intent.dry_run, plan, changes, effect })
    }
}

/// Begins the roll-out, and says what it will do. That reads every member: 300,000 in a second or two, where PostgreSQL has them in memory. A command may take
/// longer than a request, which ends before.
async fn take_to_members(
    tx: &mut sqlx::PgTransaction<'_>,
    name: &str,
    version: i32,
    by: &By,
) -> Result<Effect, LedgerError> {
    if by.via == Via::Cli {
        sqlx::query!("SET LOCAL statement_timeout = '10min'").execute(&mut **tx).await?;
    }
    let took_too_long = |error: sqlx::Error| match error.as_database_error().and_then(|inner| inner.code()).as_deref() {
        Some(CANCELLED) => LedgerError::Conflict(format!(
            "Nothing was saved: the plan has so many databases that it takes longer than a request may to say what the change does to them. Change it by command, which may take ten minutes: flotilla plan change {name}."
        )),
        _ => error.into(),
    };
    begin_roll_out(tx, name, version, by).await.map_err(took_too_long)?;
    effect(tx, &Whose::Plan(name)).await.map_err(took_too_long)
}

async fn write(
    db: &mut sqlx::PgConnection,
    name: &str,
    version: i32,
    terms: &PlanTerms,
    for_members: bool,
    by: &By,
) -> Result<(), sqlx::Error> {
    let quota = &terms.quota;
    sqlx::query!(
        "UPDATE plans SET label = $2, quota_logical_size_bytes = $3, quota_active_seconds = $4, quota_compute_seconds = $5, quota_written_bytes = $6,
                quota_transfer_bytes = $7, min_cu = $8, max_cu = $9, suspend_timeout_seconds = $10, history_retention_seconds = $11, relief_percent = $12,
                version = $13, members_version = CASE WHEN $14 THEN $13 ELSE members_version END, changed_at = now()
         WHERE name = $1",
        name,
        terms.label,
        quota.logical_size_bytes,
        quota.active_time_seconds,
        quota.compute_time_seconds,
        quota.written_data_bytes,
        quota.data_transfer_bytes,
        terms.min_cu,
        terms.max_cu,
        terms.suspend_timeout_seconds,
        terms.history_retention_seconds,
        terms.relief_percent,
        version,
        for_members
    )
    .execute(&mut *db)
    .await?;
    write_version(db, name, version, terms, by).await
}

/// Members follow by a roll-out, which takes over from one that is under way. What is unclaimed and was born with the plan follows by its pool's template.
async fn begin_roll_out(
    tx: &mut sqlx::PgTransaction<'_>,
    name: &str,
    version: i32,
    by: &By,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE plan_roll_outs SET ended_at = now(), outcome = 'superseded' WHERE plan = $1 AND ended_at IS NULL",
        name
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "INSERT INTO plan_roll_outs (plan, version, members)
         SELECT $1, $2, count(*) FROM databases WHERE plan = $1 AND plan_version < $2 AND state = 'claimed' AND origin <> 'copied'",
        name,
        version
    )
    .execute(&mut **tx)
    .await?;
    let changed = sqlx::query!(
        "UPDATE pools SET template_revision = template_revision + 1, template_changed_at = now() WHERE birth_plan = $1
         RETURNING id, template_revision",
        name
    )
    .fetch_all(&mut **tx)
    .await?;
    for pool in changed {
        let before = json!({ "template": pool.template_revision - 1 });
        let after = json!({ "template": pool.template_revision, "birth_plan": format!("{name}, version {version}") });
        pool_events::tell(tx, "pool.template", pool.id, before, after, by).await?;
    }
    Ok(())
}

fn sides(name: &str, changes: &[TermChange]) -> (Value, Value) {
    let written = |field: &str, value: &Value| match value {
        Value::Null if field.ends_with("_bytes") || field.ends_with("time_seconds") => json!("unlimited"),
        Value::Null => json!("not set"),
        value => value.clone(),
    };
    let mut sides = (json!({ "plan": name }), json!({ "plan": name }));
    for TermChange { field, before, after } in changes {
        sides.0[field] = written(field, before);
        sides.1[field] = written(field, after);
    }
    sides
}

async fn changed_meanwhile(db: &mut sqlx::PgConnection, name: &str) -> Result<LedgerError, sqlx::Error> {
    let last = sqlx::query!(
        "SELECT version, at, actor, via FROM plan_versions WHERE plan = $1 ORDER BY version DESC LIMIT 1",
        name
    )
    .fetch_optional(db)
    .await?;
    let who = last.map_or_else(String::new, |last| {
        let at = last.at.format("%Y-%m-%d %H:%M:%S UTC");
        format!(" by {} ({}) at {at}, to version {}", last.actor, last.via, last.version)
    });
    Ok(LedgerError::Conflict(format!(
        "The plan was changed{who}, and that is not the version that you have read. Nothing was saved. Read it as it is now, then send the change again."
    )))
}
