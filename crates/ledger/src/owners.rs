//! Owners: the platform's users, as it names them. They come with their first claim, and change only where that is asked for.

use super::{By, Ledger, LedgerError};
use fleet_types::Owner;

/// What shall be different; what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct OwnerChange {
    pub email: Option<String>,
    /// Empty for none.
    pub organisation: Option<String>,
    /// Of claims to come. It must exist.
    pub plan: Option<String>,
}

impl Ledger {
    /// Changes the owner, and answers how they are now. The event stands in the history of each database that they hold.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn change_owner(&self, id: &str, change: &OwnerChange, by: &By) -> Result<Owner, LedgerError> {
        let owner = sqlx::query_as!(
            Owner,
            r#"WITH old AS (SELECT id, email, organisation, plan FROM owners WHERE id = $1 FOR NO KEY UPDATE),
               wanted AS (
                 SELECT coalesce($2, email) AS email, CASE WHEN $3::text IS NULL THEN organisation ELSE nullif($3, '') END AS organisation,
                        coalesce($4, plan) AS plan
                 FROM old),
               changed AS (
                 UPDATE owners AS o SET email = wanted.email, organisation = wanted.organisation, plan = wanted.plan FROM old, wanted
                 WHERE o.id = old.id AND (old.email, old.organisation, old.plan) IS DISTINCT FROM (wanted.email, wanted.organisation, wanted.plan)
                 RETURNING o.id),
               told AS (
                 INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, after, request_id)
                 SELECT 'owner.changed', d.id, d.pool_id, $5, $6, $7,
                        jsonb_build_object('email', old.email, 'organisation', old.organisation, 'plan', old.plan),
                        jsonb_build_object('owner', old.id, 'email', wanted.email, 'organisation', wanted.organisation, 'plan', wanted.plan), $8
                 FROM changed CROSS JOIN old CROSS JOIN wanted LEFT JOIN databases AS d ON d.owner_id = changed.id AND d.state = 'claimed')
               SELECT old.id, wanted.email AS "email!", wanted.organisation, wanted.plan AS "plan!" FROM old, wanted"#,
            id,
            change.email,
            change.organisation,
            change.plan,
            by.actor,
            by.via.as_str(),
            by.reason,
            by.request_id,
        )
        .fetch_optional(&self.db)
        .await?;
        owner.ok_or_else(|| LedgerError::NotFound(format!("The owner {id}")))
    }
}
