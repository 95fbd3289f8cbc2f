//! A new id, for a copy of a ledger that is to live beside the original.

use serde_json::json;

use super::{By, Ledger, LedgerError, installation::tell};

/// Which ledger it is, and what a new id would abandon.
#[derive(Clone, Debug)]
pub struct Whereabouts {
    pub installation: String,
    pub database: String,
    /// Address and port of its PostgreSQL, as that sees itself.
    pub server: String,
    /// Databases that somebody holds.
    pub claimed: i64,
}

impl Ledger {
    /// # Errors
    /// PostgreSQL's.
    pub async fn whereabouts(&self) -> Result<Whereabouts, LedgerError> {
        Ok(sqlx::query_as!(
            Whereabouts,
            r#"SELECT i.id AS installation, current_database()::text AS "database!",
                      coalesce(host(inet_server_addr()) || ':' || inet_server_port(), 'a socket of this machine') AS "server!",
                      (SELECT count(*) FROM databases WHERE state = 'claimed' AND origin = 'pool') AS "claimed!"
               FROM installation AS i"#
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// Makes this ledger an installation of its own: a copy that is to live beside the original. All databases that it has, whatever their state, belong
    /// to the original, and are not touched any more, and what was found to be wrong is the original's to know: the caller says how many claimed ones these are. Returns the new id. One that has databases under an id that it was given
    /// like this is no copy, unless the caller says that it was copied `again`.
    ///
    /// # Errors
    /// `Conflict` while a process of this ledger is running, be it in safe mode, as production is when a copy has started; when there are not as many
    /// claimed databases; when databases of its own would be abandoned.
    pub async fn new_identity(&self, abandon: i64, again: bool, by: &By) -> Result<String, LedgerError> {
        self.refuse_if_in_use(abandon, again).await?;
        sqlx::query!("UPDATE installation SET safe_mode_since = now(), safe_mode_reason = 'second', hands_out = false")
            .execute(&self.db)
            .await?;
        self.withhold_all(by).await?;
        let mut tx = self.db.begin().await?;
        // Every row and every finding, of a fleet of any size, once.
        sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
        // What was deleted, too: the original may have it back by now.
        sqlx::query!("UPDATE databases SET origin = 'copied' WHERE origin = 'pool'").execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM findings").execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM brakes WHERE lifted_at IS NULL").execute(&mut *tx).await?;
        sqlx::query!("DELETE FROM marks").execute(&mut *tx).await?;
        let row = sqlx::query!(
            r#"WITH old AS (SELECT id FROM installation)
               UPDATE installation
               SET id = left(md5(gen_random_uuid()::text), 8), mark_project_id = NULL, mark_made_at = NULL, mark_confirmed_at = NULL, mark_place = ledger_place(), mark_incarnation = ledger_incarnation(),
                   mark_due_at = now(), id_given_at = now(),
                   hands_out = true, settles_at = NULL, safe_mode_since = NULL, safe_mode_reason = NULL, safe_mode_evidence = NULL
               RETURNING id, (SELECT id FROM old) AS "was!""#
        )
        .fetch_one(&mut *tx)
        .await?;
        tell(&mut tx, "installation.new_identity", json!({ "id": row.id, "was": row.was, "abandoned": abandon }), by)
            .await?;
        tx.commit().await?;
        Ok(row.id)
    }

    async fn refuse_if_in_use(&self, abandon: i64, again: bool) -> Result<(), LedgerError> {
        if !self.signs_of_life().await?.is_over {
            return Err(LedgerError::Conflict(String::from(
                "Nothing was changed: a process of this ledger is running. If this is the ledger that was there first, it needs no new id, whatever its pages say: its copy does. If it is the copy, stop its servers too, wait ten seconds, and run this again.",
            )));
        }
        let own = self.databases_under_given_id().await?;
        if own > 0 && !again {
            return Err(LedgerError::Conflict(format!(
                "Nothing was changed: this ledger has an id of its own already, and {own} databases under it, which nobody would look after any more. Add --again only if it was copied from the installation with that id."
            )));
        }
        let claimed = self.whereabouts().await?.claimed;
        if claimed != abandon {
            return Err(LedgerError::Conflict(format!(
                "Nothing was changed: owners hold {claimed} databases of this ledger, and no way leads back to them from a new id. If it is a copy, so that the original goes on looking after them, say so: --abandon {claimed}."
            )));
        }
        Ok(())
    }

    async fn databases_under_given_id(&self) -> Result<i64, LedgerError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM databases AS d, installation AS i
               WHERE i.id_given_at IS NOT NULL AND d.origin = 'pool' AND d.state <> 'deleted'"#
        )
        .fetch_one(&self.db)
        .await?)
    }
}
