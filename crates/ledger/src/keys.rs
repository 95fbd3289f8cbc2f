//! The keys that seal credentials: which process holds which, which one seals, and sealing anew what an earlier one sealed.
//!
//! Whatever is sealed must open in every process that runs. So a process starts only with every key that is in use, and the key that seals changes only
//! when each running process has the new one as its first. Both are decided under the lock of the row of `installation`: nobody gets in between.

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::{Ledger, LedgerError};
use fleet_types::{KeyReport, KeyStatus, KeyUse, Problem, StatusLevel, grouped};

/// How long credentials of a deleted database are kept: as long as Neon can recover it, and a day in which that is noticed.
const KEPT_DAYS: i32 = 8;
/// A process that goes on tells its keys more often than this.
const TOLD_LATELY_SECONDS: f64 = 10.0;
/// Holders that have told nothing for so long are forgotten.
const FORGOTTEN_AFTER_HOURS: i32 = 24;
/// Keys that are told of.
const KEYS: i64 = 100;

/// A key that is in use and that a process lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingKey {
    pub id: String,
    /// Databases whose credentials are sealed with it; 0: another process is about to seal with it.
    pub sealed: i64,
}

/// Whether a process may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It seals with this key for now.
    SealsWith(String),
    Missing(Vec<MissingKey>),
}

/// What a process holds.
pub struct HeldKeys<'a> {
    pub replica: Uuid,
    /// Ids, the one that it shall seal with first.
    pub holds: &'a [String],
    pub seals_with: &'a str,
}

/// Where sealing anew stands.
pub struct Resealing {
    /// The key that seals.
    pub sealing_key: String,
    /// Each running process seals with it.
    pub is_settled: bool,
    /// Databases whose credentials are sealed with another key, of those that were asked for.
    pub left: i64,
}

/// Credentials as they are, and sealed anew.
pub struct Resealed {
    pub id: Uuid,
    pub was: Vec<u8>,
    pub sealed: Vec<u8>,
}

/// A row on the way through all of them.
pub struct SealedRow {
    pub id: Uuid,
    /// If it is sealed with one of the keys that were asked for.
    pub sealed: Option<Vec<u8>>,
}

impl Ledger {
    /// The keys in use that are not among these, but for those that are `lost` for good.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn missing_keys(&self, holds: &[String], lost: &[String]) -> Result<Vec<MissingKey>, LedgerError> {
        let mut tx = self.db.begin().await?;
        missing_keys(&mut tx, holds, lost).await
    }

    /// Registers the keys of a process, unless it lacks one that is in use. Answers the key that it is to seal with.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn register_keys(
        &self,
        replica: Uuid,
        holds: &[String],
        lost: &[String],
    ) -> Result<Registration, LedgerError> {
        let mut tx = self.db.begin().await?;
        lock_keys(&mut tx).await?;
        let missing = missing_keys(&mut tx, holds, lost).await?;
        if !missing.is_empty() {
            return Ok(Registration::Missing(missing));
        }
        let first = holds.first().map_or("", String::as_str);
        tell_keys(&mut tx, &HeldKeys { replica, holds, seals_with: first }).await?;
        let agreed = agree(&mut tx).await?.filter(|key| holds.contains(key));
        let seals_with = agreed.unwrap_or_else(|| first.to_owned());
        tell_keys(&mut tx, &HeldKeys { replica, holds, seals_with: &seals_with }).await?;
        tx.commit().await?;
        Ok(Registration::SealsWith(seals_with))
    }

    /// A process goes on with its keys. Answers the key that seals from now on.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn renew_keys(&self, held: &HeldKeys<'_>) -> Result<Option<String>, LedgerError> {
        let mut tx = self.db.begin().await?;
        let was_told_lately = sqlx::query_scalar!(
            r#"SELECT coalesce((SELECT told_at > now() - make_interval(secs => $2) FROM key_holders WHERE replica = $1), false) AS "was!""#,
            held.replica,
            TOLD_LATELY_SECONDS
        )
        .fetch_one(&mut *tx)
        .await?;
        tell_keys(&mut tx, held).await?;
        tx.commit().await?;
        let seen = sqlx::query!(
            r#"SELECT i.sealing_key, a.key AS "agreed?" FROM installation AS i LEFT JOIN agreed_key AS a ON true"#
        )
        .fetch_one(&self.db)
        .await?;
        // After the ledger was away, whoever comes first does not speak for the others.
        if !was_told_lately || seen.agreed.is_none() || seen.agreed == seen.sealing_key {
            return Ok(seen.sealing_key);
        }
        let mut tx = self.db.begin().await?;
        lock_keys(&mut tx).await?;
        let key = agree(&mut tx).await?;
        tx.commit().await?;
        Ok(key)
    }

    /// The key that seals; `None` before the first process has registered.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn sealing_key(&self) -> Result<Option<String>, LedgerError> {
        Ok(sqlx::query_scalar!("SELECT sealing_key FROM installation").fetch_one(&self.db).await?)
    }

    /// A process ends.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn unregister_keys(&self, replica: Uuid) -> Result<(), LedgerError> {
        sqlx::query!(
            "DELETE FROM key_holders WHERE replica = $1 OR told_at < now() - make_interval(hours => $2)",
            replica,
            FORGOTTEN_AFTER_HOURS
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Where sealing anew stands for whoever holds these keys. `None` while no key is agreed upon.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn resealing(&self, holds: &[String]) -> Result<Option<Resealing>, LedgerError> {
        Ok(sqlx::query_as!(
            Resealing,
            r#"SELECT i.sealing_key AS "sealing_key!",
                      NOT EXISTS (SELECT FROM live_key_holders WHERE seals_with <> i.sealing_key) AS "is_settled!",
                      (SELECT coalesce(sum(count), 0) FROM sealed_by_key WHERE key_id = ANY ($1) AND key_id <> i.sealing_key)::bigint AS "left!"
               FROM installation AS i WHERE i.sealing_key IS NOT NULL"#,
            holds
        )
        .fetch_optional(&self.db)
        .await?)
    }

    /// The next rows behind `after`, in the order of their ids, with what one of these keys has sealed.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn sealed_behind(&self, after: Uuid, keys: &[String], limit: i64) -> Result<Vec<SealedRow>, LedgerError> {
        Ok(sqlx::query_as!(
            SealedRow,
            "SELECT id, CASE WHEN sealing_key(sealed_credentials) = ANY ($2) THEN sealed_credentials END AS sealed
             FROM databases WHERE id > $1 ORDER BY id LIMIT $3",
            after,
            keys,
            limit
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// Puts these in the place of what was read, where that is still there and nobody is at the row. Answers how many.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_resealed(&self, rows: &[Resealed]) -> Result<u64, LedgerError> {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let was: Vec<Vec<u8>> = rows.iter().map(|row| row.was.clone()).collect();
        let sealed: Vec<Vec<u8>> = rows.iter().map(|row| row.sealed.clone()).collect();
        let done = sqlx::query!(
            "WITH anew AS (SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS a (id, was, sealed)),
                  free AS (
                    SELECT d.id FROM databases AS d JOIN anew USING (id) WHERE d.sealed_credentials = anew.was
                    ORDER BY d.id FOR NO KEY UPDATE OF d SKIP LOCKED)
             UPDATE databases AS d SET sealed_credentials = anew.sealed FROM anew JOIN free USING (id)
             WHERE d.id = anew.id AND d.sealed_credentials = anew.was",
            &ids,
            &was,
            &sealed
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }

    /// Erases the credentials of databases that were deleted so long ago that they cannot be taken back, each with its event. Those about which a finding is open are kept:
    /// somebody may have recovered them on Neon, and a person decides. Answers how many.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn erase_credentials(&self, limit: i64, by: &super::By) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            "WITH due AS (
               SELECT id FROM databases AS d
               WHERE state = 'deleted' AND sealed_credentials IS NOT NULL AND deleted_at < now() - make_interval(days => $1)
                 AND NOT EXISTS (SELECT FROM findings AS f WHERE f.database_id = d.id AND f.status NOT IN ('resolved', 'ignored'))
               ORDER BY deleted_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
             erased AS (UPDATE databases AS d SET sealed_credentials = NULL FROM due WHERE d.id = due.id RETURNING d.id, d.pool_id)
             INSERT INTO events (kind, database_id, pool_id, actor, via, request_id)
             SELECT 'database.credentials_erased', id, pool_id, $3, $4, $5 FROM erased",
            KEPT_DAYS,
            limit,
            by.actor,
            by.via.as_str(),
            by.request_id
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }

    /// What is sealed with keys that no running process holds.
    pub(super) async fn missing_key_problems(&self) -> Result<Vec<Problem>, LedgerError> {
        let report = self.key_report().await?;
        let missing = report.keys.iter().filter(|key| report.status(key) == KeyStatus::Missing);
        Ok(missing
            .map(|key| Problem {
                level: StatusLevel::Warning,
                text: format!(
                    "The credentials of {} databases are sealed with the key {}, which no running Flotilla has.",
                    grouped(key.sealed),
                    key.id
                ),
                since: None,
                doing: String::from("They cannot be opened until the key is added to FLOTILLA_PREVIOUS_SECRET_KEYS."),
                href: String::from("/engine"),
            })
            .collect())
    }

    /// Every key that is in use or held, the one that seals first.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn key_report(&self) -> Result<KeyReport, LedgerError> {
        let keys = sqlx::query_as!(
            KeyUse,
            r#"WITH known AS (
                 SELECT key_id FROM sealed_by_key UNION SELECT unnest(holds) FROM live_key_holders
                 UNION SELECT sealing_key FROM installation WHERE sealing_key IS NOT NULL)
               SELECT k.key_id AS "id!", coalesce(s.count, 0) AS "sealed!", coalesce(k.key_id = i.sealing_key, false) AS "seals!",
                      (SELECT count(*) FROM live_key_holders WHERE k.key_id = ANY (holds)) AS "held_by!",
                      (SELECT count(*) FROM live_key_holders WHERE k.key_id = holds[1]) AS "first_of!"
               FROM known AS k CROSS JOIN installation AS i LEFT JOIN sealed_by_key AS s USING (key_id)
               ORDER BY k.key_id = i.sealing_key DESC NULLS LAST, s.count DESC NULLS LAST, k.key_id LIMIT $1"#,
            KEYS
        )
        .fetch_all(&self.db)
        .await?;
        let seen = sqlx::query!(
            r#"SELECT now() AS "as_of!", (SELECT count(*) FROM live_key_holders) AS "replicas!",
                      NOT EXISTS (SELECT FROM live_key_holders WHERE seals_with IS DISTINCT FROM sealing_key) AS "is_settled!" FROM installation"#
        )
        .fetch_one(&self.db)
        .await?;
        Ok(KeyReport { keys, replicas: seen.replicas, is_settled: seen.is_settled, as_of: seen.as_of })
    }
}

/// Whoever registers, and whoever changes the key that seals, waits for its turn.
async fn lock_keys(tx: &mut Transaction<'_, Postgres>) -> Result<(), LedgerError> {
    sqlx::query!("SELECT id FROM installation FOR NO KEY UPDATE").fetch_one(&mut **tx).await?;
    Ok(())
}

/// The key that every running process has as its first seals from now on; if they differ, the one that did.
async fn agree(tx: &mut Transaction<'_, Postgres>) -> Result<Option<String>, LedgerError> {
    Ok(sqlx::query_scalar!(
        "UPDATE installation SET sealing_key = coalesce((SELECT key FROM agreed_key), sealing_key) RETURNING sealing_key"
    )
    .fetch_one(&mut **tx)
    .await?)
}

/// What seals a row is in use; so is what a running process seals with, or is about to.
async fn missing_keys(
    tx: &mut Transaction<'_, Postgres>,
    holds: &[String],
    lost: &[String],
) -> Result<Vec<MissingKey>, LedgerError> {
    Ok(sqlx::query_as!(
        MissingKey,
        r#"SELECT key_id AS "id!", sum(count)::bigint AS "sealed!" FROM (
             SELECT key_id, count FROM sealed_by_key
             UNION ALL SELECT seals_with, 0 FROM live_key_holders
             UNION ALL SELECT sealing_key, 0 FROM installation WHERE EXISTS (SELECT FROM live_key_holders)) AS in_use
           WHERE key_id <> ALL ($1) AND key_id <> ALL ($2) GROUP BY key_id ORDER BY sum(count) DESC, key_id LIMIT $3"#,
        holds,
        lost,
        KEYS
    )
    .fetch_all(&mut **tx)
    .await?)
}

async fn tell_keys(tx: &mut Transaction<'_, Postgres>, held: &HeldKeys<'_>) -> Result<(), LedgerError> {
    sqlx::query!(
        "INSERT INTO key_holders (replica, holds, seals_with) VALUES ($1, $2, $3)
         ON CONFLICT (replica) DO UPDATE SET holds = excluded.holds, seals_with = excluded.seals_with, told_at = now()",
        held.replica,
        held.holds,
        held.seals_with
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
