//! Findings to be acted on: leased to the engine, and what came of it.

use serde_json::json;
use uuid::Uuid;

use super::{FindingRules, brake::brake_if_too_many};
use crate::{Backoff, By, Clearance, Ledger, LedgerError, NewEvent, events::insert_event};
use fleet_types::{Brake, FindingKind, Resolution, Time};

/// A finding to be acted on, leased to the caller.
#[derive(Clone, Debug)]
pub struct DueFinding {
    pub id: i64,
    pub lease: Uuid,
    pub kind: FindingKind,
    pub project_id: Option<String>,
    pub project_name: Option<String>,
    pub database_id: Option<Uuid>,
    pub attempts: i32,
    /// Neon may have been told to delete the project before; the answer was lost.
    pub was_acted_on: bool,
    /// When the engine has last looked into the project.
    pub probed_at: Option<Time>,
}

/// What there is to do.
pub enum Taken {
    Due(Vec<DueFinding>),
    /// Too much at once: the brake was set just now.
    Braked(Brake),
}

/// How a finding ended.
pub struct Mended {
    pub how: Resolution,
    /// For its timeline.
    pub what: String,
    /// Until when Neon can undo it.
    pub recoverable_until: Option<Time>,
}

impl Mended {
    pub fn new(how: Resolution, what: impl Into<String>) -> Self {
        Self { how, what: what.into(), recoverable_until: None }
    }
}

impl Ledger {
    /// Leases findings that are due and were still there in the last complete sweep, if that one is fresh, and this process is proven. Those that a process
    /// left while acting on them come again when their lease has run out. When too many are due, sets the brake instead; while it is on, none is taken.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn take_due_findings(
        &self,
        limit: i64,
        lease_seconds: f64,
        rules: &FindingRules,
        by: &By,
    ) -> Result<Taken, LedgerError> {
        let (lease, proof) = (Uuid::now_v7(), self.proof());
        // One transaction has one time: what becomes due after the count is not taken.
        let mut tx = self.db.begin().await?;
        if let Some(brake) = brake_if_too_many(&mut tx, rules, by).await? {
            tx.commit().await?;
            return Ok(Taken::Braked(brake));
        }
        let rows = sqlx::query!(
            "WITH latest AS (SELECT id, concluded_at FROM sweeps WHERE concluded_at IS NOT NULL ORDER BY id DESC LIMIT 1),
             due AS (
               SELECT f.id FROM findings AS f, latest
               WHERE (f.status = 'quarantined' AND f.last_sweep >= latest.id OR f.status = 'acting' AND f.leased_by IS NOT NULL)
                 AND f.action_due_at <= now() AND latest.concluded_at > now() - make_interval(secs => $4) AND (f.lease_until IS NULL OR f.lease_until < now())
                 AND NOT EXISTS (SELECT FROM brakes WHERE lifted_at IS NULL)
                 AND (SELECT safe_mode_since IS NULL FROM installation) AND may_change_neon($5, $6)
               ORDER BY f.action_due_at LIMIT $1 FOR NO KEY UPDATE OF f SKIP LOCKED)
             UPDATE findings AS f SET lease_until = now() + make_interval(secs => $2), leased_by = $3 FROM due WHERE f.id = due.id
             RETURNING f.id, f.kind, f.project_id, f.project_name, f.database_id, f.attempts, f.acted_at, f.probed_at",
            limit,
            lease_seconds,
            lease,
            rules.sweep_is_fresh,
            proof.replica,
            proof.nonce
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let due = rows
            .into_iter()
            .filter_map(|row| {
                Some(DueFinding {
                    id: row.id,
                    lease,
                    kind: FindingKind::parse(&row.kind)?,
                    project_id: row.project_id,
                    project_name: row.project_name,
                    database_id: row.database_id,
                    attempts: row.attempts,
                    was_acted_on: row.acted_at.is_some(),
                    probed_at: row.probed_at,
                })
            })
            .collect();
        Ok(Taken::Due(due))
    }

    /// The last look before a project is deleted: marks the finding as being acted on unless a row of the ledger knows the project by now, or is about to adopt
    /// it by its name. `false` then, and when the lease was lost. A person has given the clearance; the engine by itself has none.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn mark_deleting(
        &self,
        due: &DueFinding,
        clearance: Option<Clearance>,
        by: &By,
    ) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE findings AS f
             SET status = 'acting', acted_at = now(), attempts = attempts + 1,
                 timeline = timeline || jsonb_build_object('at', now(), 'what', 'Neon was told to delete the project.')
             WHERE id = $1 AND leased_by = $2 AND status <> 'resolved' AND (SELECT safe_mode_since IS NULL FROM installation) AND NOT belongs_elsewhere(NULL, f.project_name) AND NOT EXISTS (
               SELECT FROM databases AS d WHERE (d.state <> 'deleted' OR d.origin = 'copied')
                 AND (d.neon_project_id = f.project_id OR d.neon_project_name = regexp_replace(f.project_name, '-o[A-Za-z0-9_-]+$', '') AND d.neon_project_id IS NULL))",
            due.id,
            due.lease
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let mut event = event_of(due, "finding.delete");
        if clearance == Some(Clearance::Anyway)
            && let Some(after) = &mut event.after
        {
            after["anyway"] = json!(true);
        }
        insert_event(&mut *tx, &event, by).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// How many more projects that no row knows may be deleted by the engine itself within these 24 hours.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn deletions_left(&self, rules: &FindingRules) -> Result<i64, LedgerError> {
        let done = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM findings
               WHERE acted_at > now() - interval '24 hours' AND kind IN ('orphan', 'twin') AND allowed_at IS NULL"#
        )
        .fetch_one(&self.db)
        .await?;
        Ok(rules.cap_day - done)
    }

    /// The engine is about to look into the project: activity from now on may be its own.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn note_probe(&self, due: &DueFinding) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE findings SET probed_at = now(), timeline = timeline || jsonb_build_object('at', now(), 'what', 'The engine looks into it.')
             WHERE id = $1 AND leased_by = $2",
            due.id,
            due.lease
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// It is over. `false` when the lease was lost.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn resolve_finding(&self, due: &DueFinding, mended: &Mended, by: &By) -> Result<bool, LedgerError> {
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE findings
             SET status = 'resolved', resolved_at = now(), resolution = $3, acted_at = CASE WHEN $3 = 'gone' THEN acted_at ELSE coalesce(acted_at, now()) END, recoverable_until = $4, lease_until = NULL, leased_by = NULL, last_error = NULL,
                 timeline = timeline || jsonb_build_object('at', now(), 'what', $5::text, 'by', $6::text, 'reason', $7::text)
             WHERE id = $1 AND leased_by = $2",
            due.id,
            due.lease,
            mended.how.as_str(),
            mended.recoverable_until,
            mended.what,
            by.actor,
            by.reason
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        // The event of a deletion was written before Neon was told.
        if !matches!(mended.how, Resolution::Gone | Resolution::Deleted) {
            let kind = format!("finding.{}", mended.how.as_str());
            insert_event(&mut *tx, &event_of(due, &kind), by).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Something was done that the next complete sweep will show. The lease ends here.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn await_effect(&self, due: &DueFinding, what: &str) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE findings
             SET status = 'acting', acted_at = now(), attempts = attempts + 1, lease_until = NULL, leased_by = NULL,
                 timeline = timeline || jsonb_build_object('at', now(), 'what', $3::text)
             WHERE id = $1 AND leased_by = $2",
            due.id,
            due.lease,
            what
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Not possible now: tried again later.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn postpone_finding(&self, due: &DueFinding, error: &str, backoff: Backoff) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE findings
             SET status = 'quarantined', lease_until = NULL, leased_by = NULL, last_error = $3, last_error_at = now(), attempts = attempts + $4::boolean::integer,
                 action_due_at = now() + make_interval(secs => least($6::float8, $5::float8 * CASE WHEN $4 THEN 2 ^ least(attempts, 20) ELSE 1 END) * (0.5 + random()))
             WHERE id = $1 AND leased_by = $2",
            due.id,
            due.lease,
            error,
            backoff.counts,
            backoff.base_seconds,
            backoff.cap_seconds
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Nothing may be done by itself: a person decides.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn hand_over_finding(
        &self,
        due: &DueFinding,
        why: &str,
        recoverable_until: Option<Time>,
    ) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE findings
             SET status = 'needs_operator', lease_until = NULL, leased_by = NULL, recoverable_until = $4,
                 timeline = timeline || jsonb_build_object('at', now(), 'what', $3::text)
             WHERE id = $1 AND leased_by = $2",
            due.id,
            due.lease,
            why,
            recoverable_until
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}

/// About the database if there is one; the finding itself stands in `after`.
fn event_of<'a>(due: &DueFinding, kind: &'a str) -> NewEvent<'a> {
    NewEvent {
        kind,
        database_id: due.database_id,
        pool_id: None,
        before: None,
        after: Some(json!({
            "finding": due.id, "kind": due.kind.as_str(), "neon_project_id": due.project_id, "neon_project_name": due.project_name,
        })),
    }
}
