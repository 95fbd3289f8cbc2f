//! How many projects an organisation may have. Whoever counts holds its lock, so that two do not take the last place.

use sqlx::{AssertSqlSafe, Postgres, Transaction};

use crate::model::{Organization, Refusal};

/// 422 with Neon's code where it is full.
pub(super) async fn must_have_room(
    transaction: &mut Transaction<'_, Postgres>,
    organization: &Organization,
    deleted_count: bool,
) -> Result<(), Refusal> {
    match organization.projects_limit {
        Some(limit) if !has_room(transaction, organization, deleted_count).await? => Err(Refusal::ProjectsLimit(limit)),
        _ => Ok(()),
    }
}

/// Whether an organisation may have another project. Whoever asks next waits until the transaction has ended.
pub(super) async fn has_room(
    transaction: &mut Transaction<'_, Postgres>,
    organization: &Organization,
    deleted_count: bool,
) -> sqlx::Result<bool> {
    let Some(limit) = organization.projects_limit else { return Ok(true) };
    lock_organization(transaction, &organization.id).await?;
    // A condition of its own for live ones, which an index serves.
    let counted = if deleted_count { "purged_at IS NULL" } else { "deleted_at IS NULL" };
    let query = format!("SELECT count(*) FROM projects WHERE org_id = $1 AND {counted}");
    let count: i64 =
        sqlx::query_scalar(AssertSqlSafe(query)).bind(&organization.id).fetch_one(&mut **transaction).await?;
    Ok(count < limit)
}

pub(super) async fn lock_organization(transaction: &mut Transaction<'_, Postgres>, id: &str) -> sqlx::Result<()> {
    sqlx::query("SELECT FROM organizations WHERE id = $1 FOR UPDATE").bind(id).execute(&mut **transaction).await?;
    Ok(())
}
