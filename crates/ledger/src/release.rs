//! Releasing: giving a database up. It ends in deletion on Neon, where it can be recovered for seven days, and never in the pool.

use serde_json::json;
use uuid::Uuid;

use super::{By, Ledger, LedgerError, NewEvent, events::insert_event, origin::refuse_copied};
use crate::state::State;
use fleet_types::{DatabaseState, text};

/// A row to be deleted on Neon, leased to the caller.
#[derive(Clone, Debug)]
pub struct DueRelease {
    pub id: Uuid,
    pub lease: Uuid,
    pub pool_id: i32,
    pub project_id: Option<String>,
    pub project_name: String,
    pub attempts: i32,
    /// Of the request that gave it up.
    pub request_id: Option<String>,
    /// Nobody is known to have held it, it may have been handed out all the same, and nobody has cleared its deletion.
    pub must_be_empty: bool,
    /// Its owner had given it up before this ledger was found to be old: it may have been given back since.
    pub may_be_held_again: bool,
}

/// Why what nobody is known to hold may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clearance {
    /// Nothing was in it when it was released. It is looked into once more before it is deleted.
    LookedInto,
    /// A person said so, whatever is in it.
    Anyway,
}

/// A database that nobody is known to hold, and that may have been handed out all the same.
#[derive(Clone, Debug)]
pub struct Unheld {
    pub state: DatabaseState,
    pub project_id: String,
}

impl Ledger {
    /// What has to be looked into before it is released: it is or was in the pool, or is withheld; or it was given up as such, and is not deleted yet.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn unheld(&self, id: Uuid) -> Result<Option<Unheld>, LedgerError> {
        Ok(sqlx::query_as!(
            Unheld,
            r#"SELECT state AS "state: State", neon_project_id AS "project_id!" FROM databases
               WHERE id = $1 AND state IN ('available', 'withheld', 'releasing') AND owner_id IS NULL AND origin = 'pool' AND neon_project_id IS NOT NULL"#,
            id
        )
        .fetch_optional(&self.db)
        .await?)
    }

    /// Gives the database up; done already counts as done. Its owner may claim another at once. What nobody is known to hold is deleted only if it is empty.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` while it is still being created.
    pub async fn release(&self, id: Uuid, by: &By) -> Result<(), LedgerError> {
        self.release_cleared(id, None, false, by).await
    }

    /// [`Ledger::release`], with what is known of what is in it. What was cleared, and what goes `only_unclaimed`, is nobody's.
    ///
    /// # Errors
    /// Also `Conflict` when somebody holds it all the same.
    pub async fn release_cleared(
        &self,
        id: Uuid,
        clearance: Option<Clearance>,
        only_unclaimed: bool,
        by: &By,
    ) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        refuse_copied(&mut tx, id, "Release it").await?;
        let row = sqlx::query!(
            r#"SELECT pool_id, state AS "state: State", owner_id FROM databases WHERE id = $1 FOR NO KEY UPDATE"#,
            id
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        if row.state.0 != DatabaseState::Deleted
            && let Some(owner) = &row.owner_id
            && let Some(why) = not_unclaimed(owner, row.state.0, clearance, only_unclaimed)
        {
            return Err(LedgerError::Conflict(why));
        }
        match row.state.0 {
            DatabaseState::Releasing if clearance == Some(Clearance::Anyway) => {
                confirm_release_of_old(&mut tx, id, row.pool_id, by).await?;
                clear_deletion(&mut tx, id, row.pool_id, by).await?;
                return Ok(tx.commit().await?);
            }
            DatabaseState::Releasing if confirm_release_of_old(&mut tx, id, row.pool_id, by).await? => {
                return Ok(tx.commit().await?);
            }
            DatabaseState::Releasing | DatabaseState::Deleted => return Ok(()),
            DatabaseState::Claimed | DatabaseState::Available | DatabaseState::Withheld | DatabaseState::Failed => {}
            state => {
                return Err(LedgerError::Conflict(format!(
                    "A database that is {} cannot be released yet. Wait until it is available.",
                    state.as_str()
                )));
            }
        }
        sqlx::query!(
            "UPDATE databases SET state = 'releasing', releasing_at = now(), wanted_endpoint = NULL, attempts = 0, next_attempt_at = now(),
                    lease_until = NULL, leased_by = NULL, last_error = CASE WHEN state = 'failed' THEN last_error END, deletion_cleared = $2
             WHERE id = $1",
            id,
            // What was looked into may be filled until it is deleted, which safe mode can put off for hours: it is looked into again.
            clearance == Some(Clearance::Anyway)
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("UPDATE claims SET released_at = now() WHERE database_id = $1 AND released_at IS NULL", id)
            .execute(&mut *tx)
            .await?;
        let event = NewEvent {
            kind: "database.released",
            database_id: Some(id),
            pool_id: Some(row.pool_id),
            before: Some(json!({ "state": row.state.0.as_str(), "owner": row.owner_id })),
            after: Some(match clearance.filter(|_| row.owner_id.is_none()) {
                None => json!({ "state": "releasing", "owner": row.owner_id }),
                Some(Clearance::LookedInto) => json!({ "state": "releasing", "looked_into": "nothing is in it" }),
                Some(Clearance::Anyway) => json!({ "state": "releasing", "anyway": true }),
            }),
        };
        insert_event(&mut *tx, &event, by).await?;
        Ok(tx.commit().await?)
    }

    /// Whether `confirmation` is what must be typed to release it: the owner's e-mail address, or the database's id where it has no owner.
    ///
    /// # Errors
    /// `Invalid` when it is not, `NotFound`.
    pub async fn confirm_release(&self, id: Uuid, confirmation: &str) -> Result<(), LedgerError> {
        let email = sqlx::query_scalar!(
            r#"SELECT o.email AS "email?" FROM databases AS d LEFT JOIN owners AS o ON o.id = d.owner_id WHERE d.id = $1"#,
            id
        )
        .fetch_optional(&self.db)
        .await?
        .ok_or_else(|| LedgerError::NotFound(format!("The database {id}")))?;
        let wanted = email.unwrap_or_else(|| id.to_string());
        let wanted = text::visible(wanted.trim());
        let as_compared = |text: &str| text::composed(text).to_lowercase();
        if as_compared(&text::visible(confirmation.trim())) != as_compared(&wanted) {
            return Err(LedgerError::Invalid { field: "confirmation", message: format!("Type {wanted} to confirm.") });
        }
        Ok(())
    }

    /// Gives up what failed so many seconds ago: its evidence stands in the history, and a project that it may have would go on costing.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn release_failed(&self, seconds_ago: f64, limit: i64, by: &By) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            r#"WITH old AS (
                 SELECT id FROM databases WHERE state = 'failed' AND origin = 'pool' AND state_since < now() - make_interval(secs => $1)
                 ORDER BY state_since LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
               released AS (
                 UPDATE databases AS d SET state = 'releasing', releasing_at = now(), attempts = 0, next_attempt_at = now(), lease_until = NULL, leased_by = NULL
                 FROM old WHERE d.id = old.id RETURNING d.id, d.pool_id)
               INSERT INTO events (kind, database_id, pool_id, actor, via, before, after, request_id)
               SELECT 'database.released', id, pool_id, $3, $4, '{"state": "failed"}', '{"state": "releasing"}', $5 FROM released"#,
            seconds_ago,
            limit,
            by.actor,
            by.via.as_str(),
            by.request_id
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected())
    }

    /// Leases rows that are due.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_due_releases(
        &self,
        only: Option<Uuid>,
        limit: i64,
        lease_seconds: f64,
    ) -> Result<Vec<DueRelease>, LedgerError> {
        let (lease, proof) = (Uuid::now_v7(), self.proof());
        let rows = sqlx::query_as!(
            DueRelease,
            r#"WITH due AS (
                 SELECT id FROM databases
                 WHERE (SELECT safe_mode_since IS NULL FROM installation) AND may_change_neon($5, $6) AND state = 'releasing' AND origin <> 'copied'
                   AND CASE WHEN $1::uuid IS NULL THEN next_attempt_at <= now() ELSE id = $1 END
                   AND (lease_until IS NULL OR lease_until < now())
                 ORDER BY next_attempt_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
               UPDATE databases AS d SET lease_until = now() + make_interval(secs => $3), leased_by = $4 FROM due WHERE d.id = due.id
               RETURNING d.id, d.leased_by AS "lease!", d.pool_id, d.neon_project_id AS project_id, d.neon_project_name AS project_name, d.attempts,
                         -- What was never available was never handed out, unless this ledger is an older one: then it was withheld.
                         d.origin = 'pool' AND d.owner_id IS NULL
                           -- What was cleared before this ledger was found to be old may be held since.
                           AND NOT (d.deletion_cleared AND NOT is_from_before(d.releasing_at))
                           AND (d.available_at IS NOT NULL OR d.withheld_reason IS NOT NULL) AS "must_be_empty!",
                         d.owner_id IS NOT NULL AND is_from_before(d.releasing_at) AS "may_be_held_again!",
                         (SELECT request_id FROM events WHERE database_id = d.id AND kind = 'database.released' ORDER BY id DESC LIMIT 1) AS request_id"#,
            only,
            limit,
            lease_seconds,
            lease,
            proof.replica,
            proof.nonce,
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows)
    }

    /// Whether something may be deleted on Neon at this moment: this process is proven, and nothing says that its ledger may be old.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn may_delete(&self) -> Result<bool, LedgerError> {
        let proof = self.proof();
        Ok(sqlx::query_scalar!(
            r#"SELECT safe_mode_since IS NULL AND may_change_neon($1, $2) AS "may!" FROM installation"#,
            proof.replica,
            proof.nonce
        )
        .fetch_one(&self.db)
        .await?)
    }

    /// Whether this release is still the caller's to carry out, asked right before that.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn is_release_due(&self, row: &DueRelease) -> Result<bool, LedgerError> {
        let is_leased = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM databases WHERE id = $1 AND leased_by = $2 AND lease_until > now() AND state = 'releasing') AS "leased!""#,
            row.id,
            row.lease
        )
        .fetch_one(&self.db)
        .await?;
        Ok(is_leased && self.may_delete().await?)
    }

    /// Neon refuses to delete it, or it may hold somebody's data: it is tried again in five minutes, then ever later, at last every six hours. The first refusal is an event.
    /// `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_release_refused(&self, row: &DueRelease, error: &str, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let is_first = sqlx::query_scalar!(
            r#"UPDATE databases
               SET release_refused_at = coalesce(release_refused_at, now()), last_error = $3, last_error_at = now(), lease_until = NULL,
                   leased_by = NULL, attempts = attempts + 1,
                   next_attempt_at = now() + make_interval(secs => least(21600, 300 * 2 ^ least(attempts, 20)) * (0.5 + random()))
               WHERE id = $1 AND leased_by = $2 AND state = 'releasing'
               RETURNING release_refused_at = now() AS "is_first!""#,
            row.id,
            row.lease,
            error
        )
        .fetch_optional(&mut *tx)
        .await?;
        if is_first == Some(true) {
            let event = NewEvent {
                kind: "database.release_refused",
                database_id: Some(row.id),
                pool_id: Some(row.pool_id),
                before: None,
                after: Some(json!({ "error": error })),
            };
            insert_event(&mut *tx, &event, by).await?;
        }
        tx.commit().await?;
        Ok(is_first.is_some())
    }

    /// Neon has deleted it, or never had it. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_deleted(&self, row: &DueRelease, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE databases
             SET state = 'deleted', deleted_at = now(), recoverable_until = CASE WHEN neon_project_id IS NULL THEN NULL ELSE now() + interval '7 days' END,
                 observed_endpoint_state = NULL, lease_until = NULL, leased_by = NULL, attempts = 0, last_error = NULL, release_refused_at = NULL,
                 -- Only an owner's may be taken back; those are erased later.
                 sealed_credentials = CASE WHEN owner_id IS NOT NULL AND neon_project_id IS NOT NULL THEN sealed_credentials END
             WHERE id = $1 AND leased_by = $2 AND state = 'releasing'",
            row.id,
            row.lease
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let event = NewEvent {
            kind: "database.state",
            database_id: Some(row.id),
            pool_id: Some(row.pool_id),
            before: Some(json!({ "state": "releasing" })),
            after: Some(json!({ "state": "deleted" })),
        };
        insert_event(&mut *tx, &event, by).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// What was given up before this ledger was found to be old, and so may be held again, is given up anew. `false` where there is no such doubt.
async fn confirm_release_of_old(
    db: &mut sqlx::PgConnection,
    id: Uuid,
    pool_id: i32,
    by: &By,
) -> Result<bool, LedgerError> {
    let done = sqlx::query!(
        "UPDATE databases SET releasing_at = now(), next_attempt_at = now(), deletion_cleared = false WHERE id = $1 AND is_from_before(releasing_at)",
        id
    )
    .execute(&mut *db)
    .await?;
    if done.rows_affected() == 1 {
        let state = Some(json!({ "state": "releasing" }));
        let event = NewEvent {
            kind: "database.released",
            database_id: Some(id),
            pool_id: Some(pool_id),
            before: state.clone(),
            after: state,
        };
        insert_event(db, &event, by).await?;
    }
    Ok(done.rows_affected() == 1)
}

/// Why it is not released as one that is nobody's: it has an owner.
fn not_unclaimed(
    owner: &str,
    state: DatabaseState,
    clearance: Option<Clearance>,
    only_unclaimed: bool,
) -> Option<String> {
    let what_to_do = match clearance {
        _ if only_unclaimed => "It was to be released only if it is unclaimed.",
        Some(Clearance::Anyway) => {
            "\"anyway\" is for what nobody is known to hold: if it is theirs to give up, release it without."
        }
        Some(Clearance::LookedInto) => "It was unclaimed a moment ago: look at it again before you release it.",
        None => return None,
    };
    Some(format!("Nothing was done: it is {}, and {owner} has claimed it. {what_to_do}", state.as_str()))
}

/// A release that waits because something is in it goes on.
async fn clear_deletion(db: &mut sqlx::PgConnection, id: Uuid, pool_id: i32, by: &By) -> Result<(), LedgerError> {
    sqlx::query!("UPDATE databases SET deletion_cleared = true, next_attempt_at = now() WHERE id = $1", id)
        .execute(&mut *db)
        .await?;
    let event = NewEvent {
        kind: "database.deletion_cleared",
        database_id: Some(id),
        pool_id: Some(pool_id),
        before: None,
        after: Some(json!({ "anyway": true })),
    };
    Ok(insert_event(db, &event, by).await?)
}
