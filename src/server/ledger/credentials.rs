//! Sealed connection strings: handed out only after the wish to see them has been written down.

use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event};

/// Reveals by one operator within an hour.
const REVEALS_PER_HOUR: i64 = 60;

impl Ledger {
    /// The sealed connection strings of a database. The event is committed before the secret leaves.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it has none yet or this operator has revealed too many.
    pub async fn reveal(&self, id: Uuid, by: &By) -> Result<Vec<u8>, LedgerError> {
        let row = sqlx::query!("SELECT pool_id, sealed_credentials FROM databases WHERE id = $1", id)
            .fetch_optional(&self.db)
            .await?
            .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        let sealed = row
            .sealed_credentials
            .ok_or_else(|| LedgerError::Conflict(String::from("This database has no connection string yet.")))?;
        let revealed = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM (SELECT FROM events WHERE id > (SELECT coalesce(max(id), 0) - 20000 FROM events)
               AND kind = 'database.revealed' AND actor = $1 AND at > now() - interval '1 hour' LIMIT $2) AS recent"#,
            by.actor,
            REVEALS_PER_HOUR
        )
        .fetch_one(&self.db)
        .await?;
        if revealed >= REVEALS_PER_HOUR {
            return Err(LedgerError::Conflict(format!(
                "You have revealed {REVEALS_PER_HOUR} connection strings within an hour. Wait before the next."
            )));
        }
        let event = NewEvent {
            kind: "database.revealed",
            database_id: Some(id),
            pool_id: Some(row.pool_id),
            before: None,
            after: None,
        };
        insert_event(&self.db, &event, by).await?;
        Ok(sealed)
    }
}
