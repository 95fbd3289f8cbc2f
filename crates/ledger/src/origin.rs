//! Whose a row is: this installation's, or that of which this ledger is a copy.

use sqlx::PgConnection;
use uuid::Uuid;

use super::LedgerError;

/// # Errors
/// `Conflict` for a database that belongs to the installation from which this ledger was copied; `what` is to be done there.
pub(super) async fn refuse_copied(db: &mut PgConnection, id: Uuid, what: &str) -> Result<(), LedgerError> {
    let is_copied = sqlx::query_scalar!(r#"SELECT origin = 'copied' AS "is_copied!" FROM databases WHERE id = $1"#, id)
        .fetch_optional(db)
        .await?;
    match is_copied {
        Some(true) => Err(LedgerError::Conflict(format!(
            "This database belongs to the installation from which this ledger was copied. {what} there."
        ))),
        _ => Ok(()),
    }
}
