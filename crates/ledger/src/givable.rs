//! Whether a database can be given back to an owner: it is theirs, or nobody's, and nobody deletes it at this moment.

use sqlx::PgConnection;
use uuid::Uuid;

use super::{By, LedgerError, origin::refuse_copied};
use crate::state::State;
use fleet_types::DatabaseState;

/// What a row was before it is given back.
pub(super) struct Givable {
    pub pool_id: i32,
    pub state: DatabaseState,
}

/// Nobody else acts on it from here on.
///
/// # Errors
/// `Conflict` with why it is not to be given to this owner.
pub(super) async fn lock_givable(
    db: &mut PgConnection,
    id: Uuid,
    owner_id: &str,
    project_is_told: bool,
) -> Result<Givable, LedgerError> {
    refuse_copied(db, id, "Give it back").await?;
    let row = sqlx::query!(
        r#"SELECT pool_id, state AS "state: State", owner_id, coalesce(lease_until > now(), false) AS "is_leased!",
                  sealed_credentials IS NOT NULL AND neon_project_id IS NOT NULL AS "has_credentials!"
           FROM databases WHERE id = $1 FOR NO KEY UPDATE"#,
        id
    )
    .fetch_optional(db)
    .await?
    .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
    let state = row.state.0;
    let refusal = match (state, row.owner_id) {
        (_, Some(held)) if held != owner_id => {
            format!("In this ledger it is {held}'s ({}). It goes to nobody else.", state.as_str())
        }
        (DatabaseState::Releasing, _) if row.is_leased => String::from(
            "The engine is about to delete it. Look in five minutes whether its project still lives on Neon, then try again.",
        ),
        (DatabaseState::Withheld | DatabaseState::Releasing | DatabaseState::Deleted, _) => {
            if project_is_told || row.has_credentials {
                return Ok(Givable { pool_id: row.pool_id, state });
            }
            String::from("Its credentials were erased at this moment. Try again.")
        }
        (state, _) => format!(
            "It is {} in this ledger; only what is withheld, being released or deleted can be given back.",
            state.as_str()
        ),
    };
    Err(LedgerError::Conflict(refusal))
}

/// What was to be decided about its project is decided. Whoever deletes it marks the finding first, and one of the two waits for the other.
///
/// # Errors
/// `Conflict` while Neon is being told to delete it.
pub(super) async fn end_findings(db: &mut PgConnection, id: Uuid, by: &By) -> Result<(), LedgerError> {
    sqlx::query!(
        "UPDATE findings AS f
         SET status = 'resolved', resolved_at = now(), resolution = 'taken_back', recoverable_until = NULL, lease_until = NULL, leased_by = NULL,
             timeline = timeline || jsonb_build_object('at', now(), 'what', 'Given back to its owner.', 'by', $2::text, 'reason', $3::text)
         FROM databases AS d
         WHERE d.id = $1 AND f.project_id = d.neon_project_id AND f.kind IN ('zombie', 'orphan', 'twin') AND f.status NOT IN ('resolved', 'acting')",
        id,
        by.actor,
        by.reason
    )
    .execute(&mut *db)
    .await?;
    let is_deleting = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM findings AS f JOIN databases AS d ON f.project_id = d.neon_project_id
                          WHERE d.id = $1 AND f.kind IN ('zombie', 'orphan', 'twin') AND f.status = 'acting') AS "is_deleting!""#,
        id
    )
    .fetch_one(db)
    .await?;
    match is_deleting {
        false => Ok(()),
        true => Err(LedgerError::Conflict(String::from(
            "Neon is being told to delete its project, as somebody has decided on the screen Problems. If that was wrong, recover it there, then try again.",
        ))),
    }
}
