//! Which installation this is, and whether its ledger is the one that knows: the mark on Neon, safe mode.
//!
//! A mark counts as ours when this ledger has written it down, whichever process told Neon. So a ledger that was restored does not know the marks written
//! after its backup, and two ledgers with one id do not know each other's. See `migrations/0021_installation.sql` and `docs/decisions/`; `proofs.rs` has the
//! proofs of the processes.

use serde_json::json;
use sqlx::PgTransaction;
use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event, plans::stop_all_roll_outs};
use fleet_types::{Doubt, SafeMode, SafeModeReason};

/// Rows that are withheld by one statement.
const BATCH: i64 = 5_000;
/// Marks that are remembered: a day of them at least.
const MARKS_KEPT: i64 = 20_000;

/// This installation, and what is to be known before its mark is looked at.
#[derive(Clone, Debug)]
pub struct Installation {
    pub id: String,
    pub mark_project_id: Option<String>,
    /// The ledger is where it was when Neon last had its mark.
    pub is_in_its_place: bool,
    /// It is the ledger that it was then, neither restored nor failed over since.
    pub is_same_incarnation: bool,
    /// Neon has had a mark of this ledger.
    pub was_marked: bool,
    pub in_safe_mode: bool,
    /// The last process has stopped in order: nothing was handed out since.
    pub is_stopped: bool,
    /// Neon had not confirmed a mark for so long when a process of this ledger was last alive.
    pub unconfirmed_seconds: f64,
}

impl Ledger {
    /// # Errors
    /// PostgreSQL's.
    pub async fn installation(&self) -> Result<Installation, LedgerError> {
        Ok(sqlx::query_as!(
            Installation,
            r#"SELECT id, mark_project_id, coalesce(mark_place = ledger_place(), false) AS "is_in_its_place!",
                      coalesce(mark_incarnation = ledger_incarnation(), mark_place = ledger_place(), false) AS "is_same_incarnation!",
                      mark_confirmed_at IS NOT NULL AS "was_marked!", safe_mode_since IS NOT NULL AS "in_safe_mode!",
                      stopped_at IS NOT NULL AS "is_stopped!",
                      coalesce(extract(epoch FROM (SELECT max(renewed_at) FROM proofs) - mark_confirmed_at), 0)::float8 AS "unconfirmed_seconds!"
               FROM installation"#
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// Whether it has databases of its own, which somebody may have claimed since.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn has_databases(&self) -> Result<bool, LedgerError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM databases WHERE state IN ('available', 'claimed') AND origin = 'pool') AS "has!""#
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// Whether this ledger has written this mark.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn knows_mark(&self, counter: i64, nonce: &str) -> Result<bool, LedgerError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM marks WHERE counter = $1 AND nonce = $2) AS "known!""#,
            counter,
            nonce
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// Takes the turn to renew the mark, if it is due; for `seconds` nobody else has it. After an event that the mark may not cover it is due `early` seconds
    /// before. Events bear the time at which their transaction began, so that a slow one is covered by a second mark.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_mark_turn(&self, seconds: f64, early: f64) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE installation SET mark_due_at = now() + make_interval(secs => $1)
             WHERE mark_due_at <= now() + make_interval(secs => CASE
               WHEN (SELECT at FROM events ORDER BY id DESC LIMIT 1) > mark_confirmed_at - interval '10 seconds' THEN $2 ELSE 0.0::float8 END)",
            seconds,
            early
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Whether Neon may be asked to make the mark's project: seldom, so that lists that do not show it cost a few projects and not one a minute.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn may_make_mark(&self) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE installation SET mark_made_at = now() WHERE mark_made_at IS NULL OR mark_made_at < now() - interval '10 minutes'"
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes down the mark that Neon is to be told next, above `seen`, which Neon has now.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn next_mark(&self, seen: i64) -> Result<(i64, String), LedgerError> {
        let nonce = Uuid::new_v4().simple().to_string()[..12].to_owned();
        // A copy from before this moment, in which everything had stopped in order, will not know the mark; this ledger is not stopped any more. The first
        // mark is this ledger's, here and now, though the process may end before it learns that Neon has it.
        let counter = sqlx::query_scalar!(
            "WITH begun AS (
               UPDATE installation
               SET stopped_at = NULL, mark_place = coalesce(mark_place, ledger_place()),
                   mark_incarnation = CASE WHEN mark_place IS NULL THEN ledger_incarnation() ELSE mark_incarnation END
               WHERE stopped_at IS NOT NULL OR mark_place IS NULL)
             INSERT INTO marks (counter, nonce) SELECT greatest($1, (SELECT coalesce(max(counter), 0) FROM marks)) + 1, $2 RETURNING counter",
            seen,
            nonce
        )
        .fetch_one(&self.db)
        .await?;
        // Neon may refuse marks for long, and still has the one that was seen.
        sqlx::query!("DELETE FROM marks WHERE counter < least($1::bigint, $2)", seen, counter - MARKS_KEPT)
            .execute(&self.db)
            .await?;
        Ok((counter, nonce))
    }

    /// Neon has the newest mark.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_mark(&self, project_id: &str) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE installation SET mark_project_id = $1, mark_confirmed_at = now(), mark_place = CASE WHEN hands_out THEN ledger_place() ELSE mark_place END,
                    mark_incarnation = CASE WHEN hands_out THEN ledger_incarnation() ELSE mark_incarnation END",
            project_id
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// The ledger is in another place than before: nothing is handed out until nobody else has written the mark for so long.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn wait_after_move(&self, settle_seconds: f64) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE installation SET hands_out = false, settles_at = now() + make_interval(secs => $1), mark_due_at = now() WHERE hands_out",
            settle_seconds
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Our mark still stands on Neon: if that has been so for long enough, nobody else writes it, and something may be handed out again. What was
    /// withheld stays so. Answers whether it begins now.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn settle(&self) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE installation SET hands_out = true, settles_at = NULL, mark_place = ledger_place(), mark_incarnation = ledger_incarnation(),
                    safe_mode_reason = CASE WHEN safe_mode_since IS NOT NULL THEN 'older' END
             WHERE NOT hands_out AND settles_at <= now()"
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// This ledger may not know who owns what: nothing is handed out until `settle_seconds` have passed without another sign, nothing is deleted until an
    /// operator ends it, what is not claimed is withheld for good, and every project that no row knows by now, and every
    /// roll-out of a plan, is for a person.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn enter_safe_mode(&self, evidence: &str, settle_seconds: f64, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let was =
            sqlx::query!("SELECT safe_mode_since, CASE WHEN safe_mode_since IS NOT NULL THEN safe_mode_evidence END AS safe_mode_evidence FROM installation FOR NO KEY UPDATE")
                .fetch_one(&mut *tx)
                .await?;
        let row = sqlx::query!(
            r#"UPDATE installation
               SET hands_out = false, settles_at = now() + make_interval(secs => $1), mark_due_at = now(), forgot_until = now(),
                   -- Who reads a foreign mark again, after Neon had a new one of ours, is not alone.
                   safe_mode_reason = CASE WHEN mark_confirmed_at > safe_mode_since THEN 'second' ELSE coalesce(safe_mode_reason, 'older') END,
                   -- A safe mode that had settled begins anew: what was made since is withheld too.
                   safe_mode_since = CASE WHEN hands_out THEN now() ELSE coalesce(safe_mode_since, now()) END, safe_mode_evidence = $2
               RETURNING safe_mode_reason AS "reason!", safe_mode_since = now() AS "begins!""#,
            settle_seconds,
            evidence
        )
        .fetch_one(&mut *tx)
        .await?;
        // What waits for its deletion may have been handed out after this ledger's time.
        sqlx::query!(
            "UPDATE findings SET status = 'needs_operator', timeline = timeline || jsonb_build_object('at', now(), 'what', $1::text)
             WHERE status = 'quarantined' AND kind IN ('orphan', 'twin')",
            Doubt::Forgotten.sentence()
        )
        .execute(&mut *tx)
        .await?;
        if row.begins {
            stop_all_roll_outs(&mut tx, by).await?;
        }
        if was.safe_mode_since.is_none() {
            drop_requests(&mut tx, by).await?;
            let after = json!({ "safe_mode": row.reason, "evidence": evidence });
            tell(&mut tx, "installation.safe_mode", after, by).await?;
        }
        tx.commit().await?;
        if was.safe_mode_evidence.as_deref() != Some(evidence) {
            tracing::error!(
                evidence,
                "safe mode: this ledger may not know who owns what; nothing is deleted, and nothing that was available is handed out"
            );
        }
        self.withhold_all(by).await
    }

    /// Withholds what was on its way to the pool, or in it, when safe mode began, and keeps what was about to be looked into: it may have been proven to be
    /// new, and handed out, after this ledger's time.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn withhold_all(&self, by: &By) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE databases AS d
             SET awaits_look = false, withheld_reason = 'Unclaimed in a ledger that may be older than what happened to it.', lease_until = NULL, leased_by = NULL
             FROM installation AS i WHERE d.awaits_look AND d.requested_at < i.safe_mode_since"
        )
        .execute(&self.db)
        .await?;
        loop {
            let done = sqlx::query!(
                "WITH due AS (
                   SELECT d.id, d.state AS was FROM databases AS d, installation AS i
                   WHERE d.state IN ('requested', 'creating', 'verifying', 'available') AND d.requested_at < i.safe_mode_since
                   ORDER BY d.id LIMIT $1 FOR NO KEY UPDATE OF d),
                 withheld AS (
                   UPDATE databases AS d
                   SET state = 'withheld', withheld_reason = 'Unclaimed in a ledger that may be older than what happened to it.', wanted_endpoint = NULL,
                       lease_until = NULL, leased_by = NULL
                   FROM due WHERE d.id = due.id RETURNING d.id, d.pool_id, due.was)
                 INSERT INTO events (kind, database_id, pool_id, actor, via, before, after, request_id)
                 SELECT 'database.withheld', id, pool_id, $2, $3, jsonb_build_object('state', was), '{\"state\": \"withheld\"}', $4 FROM withheld",
                BATCH,
                by.actor,
                by.via.as_str(),
                by.request_id,
            )
            .execute(&self.db)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(());
            }
        }
    }

    /// A project with this installation's id that no row knows, made after the newest row was: nothing is made that the ledger does not know by name, so
    /// this ledger has forgotten it. One that an operator has decided about does not count.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn newer_than_the_ledger(&self, by: super::SweepRef) -> Result<Option<String>, LedgerError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT f.project_name AS "name!" FROM findings AS f, installation AS i
               WHERE f.kind = 'orphan' AND f.status IN ('suspected', 'quarantined', 'needs_operator') AND f.last_sweep = $1 AND i.safe_mode_since IS NULL
                 AND f.decided_by IS NULL AND name_belongs_to(f.project_name) = 'ours'
                 AND (f.evidence #>> '{neon,created_at}')::timestamptz > (SELECT max(requested_at) + interval '1 minute' FROM databases)
               ORDER BY f.id LIMIT 1"#,
            by.sweep
        )
        .fetch_optional(&self.db)
        .await?)
    }

    /// Why nothing is deleted, if so; for the pages.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn safe_mode(&self) -> Result<Option<SafeMode>, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT safe_mode_since AS "since!", safe_mode_reason AS "reason!", coalesce(safe_mode_evidence, '') AS "evidence!", hands_out,
                      (SELECT coalesce(sum(count), 0)::bigint FROM fleet_counts WHERE state = 'withheld') AS "withheld!"
               FROM installation WHERE safe_mode_since IS NOT NULL"#
        )
        .fetch_optional(&self.db)
        .await?;
        Ok(row.map(|row| SafeMode {
            since: row.since,
            reason: if row.reason == "second" { SafeModeReason::Second } else { SafeModeReason::Older },
            evidence: row.evidence,
            hands_out: row.hands_out,
            withheld: row.withheld,
        }))
    }

    /// An operator has looked: deletions go on, and databases are handed out again. What is withheld stays so.
    ///
    /// # Errors
    /// `Conflict` when there is none, or while a second ledger writes the mark.
    pub async fn end_safe_mode(&self, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE installation SET safe_mode_since = NULL, safe_mode_reason = NULL, safe_mode_evidence = NULL WHERE safe_mode_since IS NOT NULL AND hands_out"
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            let is_on = sqlx::query_scalar!(r#"SELECT safe_mode_since IS NOT NULL AS "is_on!" FROM installation"#)
                .fetch_one(&mut *tx)
                .await?;
            return Err(LedgerError::Conflict(String::from(match is_on {
                true => {
                    "Safe mode goes on: it is not settled yet whether a second ledger is running. Try again in two minutes; the screen Problems says how it stands."
                }
                false => "There is no safe mode to be ended.",
            })));
        }
        tell(&mut tx, "installation.safe_mode_ended", json!({ "safe_mode": null }), by).await?;
        Ok(tx.commit().await?)
    }
}

/// What was asked for once in the ledger's time, and may have been done and undone since: a compute is not stopped or set, nor a password replaced, nor
/// the history cut, a second time. A new password that Neon was asked for is written down all the same, because nobody else knows it.
async fn drop_requests(tx: &mut PgTransaction<'_>, by: &By) -> Result<(), LedgerError> {
    sqlx::query!(
        "WITH dropped AS (
           UPDATE databases AS d
           SET wanted_endpoint = NULL, password_reset_wanted_at = CASE WHEN d.password_reset_asked_at IS NOT NULL THEN d.password_reset_wanted_at END,
               compute_revision = least(d.compute_revision, d.applied_revision), retention_revision = least(d.retention_revision, d.applied_revision)
           FROM (SELECT id, wanted_endpoint, password_reset_wanted_at IS NOT NULL AND password_reset_asked_at IS NULL AS was_to_rotate,
                        CASE WHEN compute_revision > applied_revision THEN suspend_timeout_seconds END AS was_to_suspend_after,
                        CASE WHEN retention_revision > applied_revision THEN history_retention_seconds END AS was_to_keep
                 FROM databases WHERE state = 'claimed' AND (wanted_revision <> applied_revision OR wanted_endpoint IS NOT NULL)
                 FOR NO KEY UPDATE) AS was
           WHERE d.id = was.id AND (was.wanted_endpoint IS NOT NULL OR was.was_to_rotate OR was.was_to_suspend_after IS NOT NULL OR was.was_to_keep IS NOT NULL)
           RETURNING d.id, d.pool_id, was.wanted_endpoint, was.was_to_rotate, was.was_to_suspend_after, was.was_to_keep)
         INSERT INTO events (kind, database_id, pool_id, actor, via, reason, before, request_id)
         SELECT 'database.request_dropped', id, pool_id, $1, $2, 'It was asked for before this ledger was found to be old.',
                jsonb_strip_nulls(jsonb_build_object('endpoint', wanted_endpoint, 'password', CASE WHEN was_to_rotate THEN 'rotate' END,
                                                  'suspend_timeout_seconds', was_to_suspend_after, 'history_retention_seconds', was_to_keep)), $3
         FROM dropped",
        by.actor,
        by.via.as_str(),
        by.request_id
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn tell(
    db: &mut sqlx::PgConnection,
    kind: &str,
    after: serde_json::Value,
    by: &By,
) -> Result<(), LedgerError> {
    let event = NewEvent { kind, database_id: None, pool_id: None, before: None, after: Some(after) };
    Ok(insert_event(db, &event, by).await?)
}
