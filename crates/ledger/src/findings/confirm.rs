//! What a complete sweep confirms, and what it takes back. A batch of findings is one transaction, so that a fleet in which everything has come
//! apart is outcome too. What a batch confirms stands by itself; the grace before anything is done about it leaves time for the others, and
//! the brake counts whatever is due.

use sqlx::{PgConnection, Postgres, Transaction};

use super::{FindingRules, SweepRef};
use crate::{Ledger, LedgerError, quota_events::QUOTA_DECISIONS};
use fleet_types::Doubt;

/// Findings per transaction: a fraction of a second.
const BATCH: i64 = 5_000;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepOutcome {
    pub confirmed: u64,
    pub resolved: u64,
}

impl Ledger {
    /// Confirms, hands over and takes back what a sweep that has ended complete shows.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn confirm_findings(&self, by: SweepRef, rules: &FindingRules) -> Result<SweepOutcome, LedgerError> {
        let mut outcome = SweepOutcome::default();
        let mut first = 0;
        while let Some(last) = self.last_of_batch(first).await? {
            let mut tx: Transaction<'_, Postgres> = self.db.begin().await?;
            let batch = Batch { by, first, last };
            count_sweep(&mut tx, batch).await?;
            outcome.confirmed += confirm(&mut tx, batch, rules).await? + hand_over(&mut tx, batch, rules).await?;
            try_again(&mut tx, batch, rules).await?;
            outcome.resolved += take_back(&mut tx, batch).await?;
            tx.commit().await?;
            first = last + 1;
        }
        sqlx::query!("UPDATE sweeps SET concluded_at = now() WHERE id = $1", by.sweep).execute(&self.db).await?;
        Ok(outcome)
    }

    async fn last_of_batch(&self, first: i64) -> Result<Option<i64>, LedgerError> {
        let last = sqlx::query_scalar!(
            "SELECT max(id) FROM (SELECT id FROM findings WHERE id >= $1 AND status <> 'resolved' ORDER BY id LIMIT $2) AS batch",
            first,
            BATCH
        )
        .fetch_one(&self.db)
        .await?;
        Ok(last)
    }

    /// Forgets what was resolved long ago, and ignored things that have not been seen for a month.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn forget_old_findings(&self) -> Result<(), LedgerError> {
        sqlx::query!(
            "DELETE FROM findings WHERE id IN (
               SELECT id FROM findings WHERE status = 'resolved' AND resolved_at < now() - interval '90 days'
                 OR status = 'ignored' AND last_seen_at < now() - interval '30 days' LIMIT 10000)"
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }
}

/// Some findings, by their ids, and the sweep that they are held against.
#[derive(Clone, Copy)]
struct Batch {
    by: SweepRef,
    first: i64,
    last: i64,
}

async fn count_sweep(db: &mut PgConnection, batch: Batch) -> Result<(), LedgerError> {
    sqlx::query!(
        "UPDATE findings SET sightings = sightings + 1 WHERE id BETWEEN $2 AND $3 AND last_sweep = $1 AND status <> 'resolved'",
        batch.by.sweep,
        batch.first,
        batch.last
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Seen often enough: into quarantine. A ghost is asked about at once, because that only reads.
async fn confirm(db: &mut PgConnection, batch: Batch, rules: &FindingRules) -> Result<u64, LedgerError> {
    let done = sqlx::query!(
        "UPDATE findings AS f
         SET status = 'quarantined', timeline = f.timeline || jsonb_build_object('at', now(), 'what', format('Confirmed by sweep %s.', $1::bigint)),
             action_due_at = greatest(now() + make_interval(secs => $2), f.first_seen_at + make_interval(secs => CASE
               WHEN f.kind = 'drifted' THEN $3::float8
               WHEN f.kind = 'ghost' AND EXISTS (SELECT FROM databases WHERE id = f.database_id AND state IN ('claimed', 'available', 'withheld')) THEN 0
               ELSE $4::float8 END))
         WHERE f.id BETWEEN $8 AND $9 AND f.last_sweep = $1 AND f.status = 'suspected' AND f.sightings >= $5 AND f.kind <> 'stray'
           AND NOT (f.kind = 'drifted' AND (NOT $6 OR f.earlier >= $7))
           -- Neon's may be newer than this ledger (`Ledger::may_have_forgotten_quota`).
           AND NOT (f.kind = 'drifted' AND may_have_forgotten_quota(f.database_id, $10))
           -- Somebody has brought it back.
           AND f.kind <> 'zombie'
           -- Not signed by us, or signed for an owner.
           AND NOT (f.kind IN ('orphan', 'twin') AND (name_belongs_to(f.project_name) <> 'ours' OR names_owner(f.project_name)))
           -- Made when this ledger may have handed out what it has forgotten.
           AND NOT (f.kind IN ('orphan', 'twin') AND may_have_forgotten((f.evidence #>> '{neon,created_at}')::timestamptz))",
        batch.by.sweep,
        rules.grace,
        rules.drift_settles,
        rules.quarantine,
        rules.sweeps_to_confirm,
        rules.reapplies,
        rules.drift_tries,
        batch.first,
        batch.last,
        &QUOTA_DECISIONS.map(String::from)[..]
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Seen often enough, and nothing may be done by itself. A person may once the quarantine is over.
async fn hand_over(db: &mut PgConnection, batch: Batch, rules: &FindingRules) -> Result<u64, LedgerError> {
    let done = sqlx::query!(
        "UPDATE findings
         SET status = 'needs_operator', action_due_at = greatest(now() + make_interval(secs => $5), first_seen_at + make_interval(secs => $6)),
             timeline = timeline || jsonb_build_object('at', now(), 'what', format('Confirmed by sweep %s.', $1::bigint)) || CASE
               WHEN kind IN ('orphan', 'twin') AND may_have_forgotten((evidence #>> '{neon,created_at}')::timestamptz)
               THEN jsonb_build_array(jsonb_build_object('at', now(), 'what', $7::text)) ELSE '[]' END
         WHERE id BETWEEN $3 AND $4 AND last_sweep = $1 AND status = 'suspected' AND sightings >= $2",
        batch.by.sweep,
        rules.sweeps_to_confirm,
        batch.first,
        batch.last,
        rules.grace,
        rules.quarantine,
        Doubt::Forgotten.sentence()
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}

/// Something was done before this sweep began, and it is still so.
async fn try_again(db: &mut PgConnection, batch: Batch, rules: &FindingRules) -> Result<(), LedgerError> {
    sqlx::query!(
        "UPDATE findings
         SET status = CASE WHEN earlier + attempts >= $3 THEN 'needs_operator' ELSE 'quarantined' END, action_due_at = now() + make_interval(secs => $4),
             lease_until = NULL, leased_by = NULL,
             timeline = timeline || jsonb_build_object('at', now(), 'what', format('Sweep %s shows that it is still so.', $1::bigint))
         WHERE id BETWEEN $5 AND $6 AND last_sweep = $1 AND status = 'acting' AND kind IN ('drifted', 'half-born') AND acted_at < $2",
        batch.by.sweep,
        batch.by.started_at,
        rules.drift_tries,
        rules.grace,
        batch.first,
        batch.last
    )
    .execute(db)
    .await?;
    Ok(())
}

/// No longer so. A quota that was sent again counts once Neon had confirmed it before the sweep began. What is ignored stays so: one list that
/// misses it must not bring it back as something new.
async fn take_back(db: &mut PgConnection, batch: Batch) -> Result<u64, LedgerError> {
    let done = sqlx::query!(
        "UPDATE findings AS f
         SET status = 'resolved', resolved_at = now(), lease_until = NULL, leased_by = NULL,
             resolution = CASE
               WHEN f.kind IN ('orphan', 'twin', 'zombie') AND f.acted_at IS NOT NULL THEN 'deleted'
               WHEN f.status = 'acting' AND f.kind = 'drifted' THEN 'reapplied'
               WHEN f.kind IN ('orphan', 'half-born') AND EXISTS (SELECT FROM databases AS d
                 WHERE d.neon_project_name = f.project_name AND d.state IN ('creating', 'verifying', 'available', 'claimed')) THEN 'adopted'
               ELSE 'gone' END,
             recoverable_until = CASE WHEN f.kind IN ('orphan', 'twin', 'zombie') THEN f.acted_at + interval '7 days' END,
             timeline = f.timeline || jsonb_build_object('at', now(), 'what', format('Sweep %s no longer shows it.', $1::bigint))
         WHERE f.id BETWEEN $3 AND $4 AND f.last_sweep < $1 AND (f.status IN ('suspected', 'quarantined', 'needs_operator')
           OR f.status = 'acting' AND f.kind IN ('drifted', 'half-born') AND f.acted_at < $2
              AND EXISTS (SELECT FROM databases AS d WHERE d.id = f.database_id AND (f.kind = 'half-born' AND d.state NOT IN ('creating', 'verifying')
                OR d.wanted_revision = d.applied_revision AND d.applied_at < $2 OR d.state NOT IN ('available', 'claimed'))))",
        batch.by.sweep,
        batch.by.started_at,
        batch.first,
        batch.last
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
