//! The five limits: what is wanted.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event};
use crate::types::{DatabaseState, Quota};

impl Ledger {
    /// Writes down what the limits shall be, with the event. The engine takes it to Neon.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when the database is in no state to have its quota changed, `Invalid` for a limit below 1.
    pub async fn set_quota(&self, id: Uuid, quota: &Quota, by: &By) -> Result<(), LedgerError> {
        self.change_quota(id, |_| *quota, by).await
    }

    /// [`Ledger::set_quota`], from the limits as they are: nobody changes them in between.
    ///
    /// # Errors
    /// As [`Ledger::set_quota`].
    pub async fn change_quota(
        &self,
        id: Uuid,
        change: impl FnOnce(Quota) -> Quota,
        by: &By,
    ) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let row = sqlx::query!(
            r#"SELECT pool_id, state AS "state: DatabaseState", quota_logical_size_bytes, quota_active_seconds, quota_compute_seconds,
                      quota_written_bytes, quota_transfer_bytes FROM databases WHERE id = $1 FOR NO KEY UPDATE"#,
            id
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        if !matches!(row.state, DatabaseState::Available | DatabaseState::Claimed) {
            return Err(LedgerError::Conflict(format!(
                "The quota of a database that is {} cannot be changed.",
                row.state.as_str()
            )));
        }
        let before = Quota {
            logical_size_bytes: row.quota_logical_size_bytes,
            active_time_seconds: row.quota_active_seconds,
            compute_time_seconds: row.quota_compute_seconds,
            written_data_bytes: row.quota_written_bytes,
            data_transfer_bytes: row.quota_transfer_bytes,
        };
        let quota = change(before);
        check(&quota)?;
        if before == quota {
            return Ok(());
        }
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
        .execute(&mut *tx)
        .await?;
        let (before, after) = changed(&before, &quota);
        let event = NewEvent {
            kind: "database.quota",
            database_id: Some(id),
            pool_id: Some(row.pool_id),
            before: Some(before),
            after: Some(after),
        };
        insert_event(&mut *tx, &event, by).await?;
        Ok(tx.commit().await?)
    }
}

fn check(quota: &Quota) -> Result<(), LedgerError> {
    let limits = [
        quota.logical_size_bytes,
        quota.active_time_seconds,
        quota.compute_time_seconds,
        quota.written_data_bytes,
        quota.data_transfer_bytes,
    ];
    if limits.into_iter().flatten().any(|limit| limit < 1) {
        return Err(LedgerError::Invalid {
            field: "quota",
            message: String::from("A limit must be at least 1. Leave it out for no limit."),
        });
    }
    Ok(())
}

/// Only the limits that differ, before and after; unlimited is written out.
fn changed(before: &Quota, after: &Quota) -> (Value, Value) {
    let fields = |quota: &Quota| {
        [
            ("logical_size_bytes", quota.logical_size_bytes),
            ("active_time_seconds", quota.active_time_seconds),
            ("compute_time_seconds", quota.compute_time_seconds),
            ("written_data_bytes", quota.written_data_bytes),
            ("data_transfer_bytes", quota.data_transfer_bytes),
        ]
    };
    let written = |limit: Option<i64>| limit.map_or_else(|| json!("unlimited"), |limit| json!(limit));
    let mut sides = (serde_json::Map::new(), serde_json::Map::new());
    for ((name, old), (_, new)) in fields(before).into_iter().zip(fields(after)) {
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
}
