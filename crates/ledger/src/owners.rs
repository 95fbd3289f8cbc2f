//! Owners: the platform's users, as it names them. They come with their first claim, and change only where that is asked for.
//!
//! An owner has a plan, and all that they hold follows it: a change of it is a change of their databases, in the same transaction.

use sqlx::PgTransaction;
use uuid::Uuid;

use super::{
    By, Ledger, LedgerError,
    plans::{Whose, effect, follow, no_such_plan},
    quota_events::QUOTA_DECISIONS,
};
use fleet_types::{Effect, Owner};

/// What shall be different; what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct OwnerChange {
    pub email: Option<String>,
    /// Empty for none.
    pub organisation: Option<String>,
    /// It must exist.
    pub plan: Option<String>,
}

/// What came of a change of an owner.
#[derive(Clone, Debug)]
pub struct OwnerChanged {
    /// As they are now, or would be.
    pub owner: Owner,
    /// What another plan does to their databases; all zero without one.
    pub effect: Effect,
}

impl Ledger {
    /// Who holds this database.
    ///
    /// # Errors
    /// `NotFound` when nobody does.
    pub async fn owner_of(&self, id: Uuid) -> Result<String, LedgerError> {
        let owner = sqlx::query_scalar!("SELECT owner_id FROM databases WHERE id = $1 AND state = 'claimed'", id);
        let owner = owner.fetch_optional(&self.db).await?.flatten();
        owner.ok_or_else(|| LedgerError::NotFound(format!("An owner of the database {id}")))
    }

    /// Changes the owner, and with another plan the settings of all their databases. The events stand in the history of each database that they hold.
    /// A dry run changes nothing and says what would come of it.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when there is no such plan.
    pub async fn change_owner(
        &self,
        id: &str,
        change: &OwnerChange,
        dry_run: bool,
        by: &By,
    ) -> Result<OwnerChanged, LedgerError> {
        let mut tx = self.db.begin().await?;
        // Claims of this owner that are under way end before, or see the change.
        let before = sqlx::query_as!(
            Owner,
            "SELECT id, email, organisation, plan FROM owners WHERE id = $1 FOR NO KEY UPDATE",
            id
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The owner {id}")))?;
        let owner = changed(&before, change);
        if owner != before {
            write(&mut tx, &before, &owner, by).await?;
        }
        // Also when the owner has it already: one of their databases may not.
        let effect = match change.plan {
            Some(_) => follow_plan(&mut tx, &owner, by).await?,
            None => Effect::default(),
        };
        match dry_run {
            true => tx.rollback().await?,
            false => tx.commit().await?,
        }
        Ok(OwnerChanged { owner, effect })
    }
}

fn changed(before: &Owner, change: &OwnerChange) -> Owner {
    let OwnerChange { email, organisation, plan } = change.clone();
    Owner {
        id: before.id.clone(),
        email: email.unwrap_or_else(|| before.email.clone()),
        organisation: match organisation {
            Some(name) => Some(name).filter(|name| !name.is_empty()),
            None => before.organisation.clone(),
        },
        plan: plan.unwrap_or_else(|| before.plan.clone()),
    }
}

async fn write(tx: &mut PgTransaction<'_>, before: &Owner, owner: &Owner, by: &By) -> Result<(), LedgerError> {
    sqlx::query!(
        "UPDATE owners SET email = $2, organisation = $3, plan = $4 WHERE id = $1",
        owner.id,
        owner.email,
        owner.organisation,
        owner.plan
    )
    .execute(&mut **tx)
    .await
    .map_err(|error| match error.as_database_error().and_then(|error| error.constraint()) {
        Some("owners_plan_fkey") => no_such_plan("plan", &owner.plan),
        _ => error.into(),
    })?;
    sqlx::query!(
        "INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after, request_id)
         SELECT 'owner.changed', d.id, d.pool_id, $2, $3, $4,
                jsonb_build_object('email', $5::text, 'organisation', $6::text, 'plan', $7::text),
                jsonb_build_object('owner', o.id, 'email', o.email, 'organisation', o.organisation, 'plan', o.plan), $8
         FROM owners AS o LEFT JOIN databases AS d ON d.owner_id = o.id AND d.state = 'claimed' WHERE o.id = $1",
        owner.id,
        by.actor,
        by.via.as_str(),
        by.reason,
        before.email,
        before.organisation,
        before.plan,
        by.request_id
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What the owner holds with another plan has theirs now, and follows it. The name of each project says the plan, so Neon is told in any case. What has a
/// quota on Neon that may be newer than this ledger follows when somebody has decided about it.
async fn follow_plan(tx: &mut PgTransaction<'_>, owner: &Owner, by: &By) -> Result<Effect, LedgerError> {
    let theirs = sqlx::query!(
        r#"WITH theirs AS (SELECT id FROM databases WHERE owner_id = $1 AND state = 'claimed' AND origin <> 'copied' AND plan IS DISTINCT FROM $2
                        ORDER BY id FOR NO KEY UPDATE)
         UPDATE databases AS d SET plan = $2, plan_version = 0 FROM theirs WHERE d.id = theirs.id
         RETURNING d.id, may_have_forgotten_quota(d.id, $3) AS "has_forgotten!""#,
        owner.id,
        owner.plan,
        &QUOTA_DECISIONS.map(String::from)[..]
    )
    .fetch_all(&mut **tx)
    .await?;
    let ids: Vec<Uuid> = theirs.iter().map(|row| row.id).collect();
    let effect = effect(tx, &Whose::These(&ids)).await?;
    let ids: Vec<Uuid> = theirs.iter().filter(|row| !row.has_forgotten).map(|row| row.id).collect();
    follow(tx, &ids, true, by).await?;
    Ok(effect)
}
