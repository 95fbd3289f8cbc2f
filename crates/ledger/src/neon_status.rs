//! Whether Neon answers, as the replicas that call it see it.

use super::{Ledger, LedgerError};
use fleet_types::Time;

impl Ledger {
    /// Writes down how the last calls went. The newer news wins, whichever replica brings it.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_neon_status(
        &self,
        last_ok_at: Option<Time>,
        failing: Option<(Time, &str)>,
    ) -> Result<(), LedgerError> {
        let (failing_since, error) = failing.unzip();
        sqlx::query!(
            "UPDATE neon_status
             SET last_ok_at = greatest(last_ok_at, $1),
                 failing_since = CASE WHEN $2::timestamptz IS NULL THEN NULL ELSE coalesce(failing_since, $2) END,
                 last_error_at = CASE WHEN $2::timestamptz IS NULL THEN last_error_at ELSE now() END,
                 last_error = coalesce($3, last_error)",
            last_ok_at,
            failing_since,
            error
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}
