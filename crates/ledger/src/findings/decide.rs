//! What an operator decides about a finding. Every decision leaves its event and a line in the finding's timeline.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::DueFinding;
use crate::{By, Ledger, LedgerError, NewEvent, events::insert_event};
use fleet_types::{Finding, FindingAction, FindingKind, FindingStatus, Resolution};

/// Strays that are ignored by one decision at most.
const AT_ONCE: i64 = 10_000;
/// A prefix of fewer characters would mean nearly everything.
const SHORTEST_PREFIX: usize = 3;

/// What to put into a pool, as Neon has it.
pub struct AdoptedProject<'a> {
    pub name: &'a str,
    pub region_id: &'a str,
    pub pg_version: i32,
}

impl Ledger {
    /// Lets it be. It stays known and counted.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when it cannot be ignored any more.
    pub async fn ignore_finding(&self, id: i64, by: &By) -> Result<(), LedgerError> {
        self.decide(id, FindingAction::Ignore, "finding.ignored", "Ignored.", by).await
    }

    /// No longer lets it be: it begins anew as a suspicion.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when it is not ignored.
    pub async fn look_again(&self, id: i64, by: &By) -> Result<(), LedgerError> {
        self.decide(id, FindingAction::LookAgain, "finding.looked_again", "No longer ignored.", by).await
    }

    async fn decide(
        &self,
        id: i64,
        action: FindingAction,
        kind: &'static str,
        what: &str,
        by: &By,
    ) -> Result<(), LedgerError> {
        let finding = self.finding(id).await?;
        permit(&finding, action)?;
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE findings
             SET status = CASE WHEN $2 THEN 'suspected' ELSE 'ignored' END, sightings = CASE WHEN $2 THEN 0 ELSE sightings END,
                 first_seen_at = CASE WHEN $2 THEN now() ELSE first_seen_at END, action_due_at = CASE WHEN $2 THEN NULL ELSE action_due_at END,
                 allowed_at = NULL, attempts = 0, lease_until = NULL, leased_by = NULL, decided_by = $3, reason = $4,
                 timeline = timeline || jsonb_build_object('at', now(), 'what', $5::text, 'by', $3::text, 'reason', $4::text)
             WHERE id = $1 AND status NOT IN ('acting', 'resolved')",
            id,
            action == FindingAction::LookAgain,
            by.actor,
            by.reason,
            what
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Err(too_late());
        }
        insert_event(&mut *tx, &event_of(&finding, kind), by).await?;
        Ok(tx.commit().await?)
    }

    /// Lets all strays be whose name begins so. Returns how many.
    ///
    /// # Errors
    /// `Invalid` for a prefix that is too short, or that our own projects have.
    pub async fn ignore_strays(&self, prefix: &str, by: &By) -> Result<u64, LedgerError> {
        let prefix = prefix.trim();
        if prefix.chars().count() < SHORTEST_PREFIX || prefix.len() > 200 {
            let message = format!("Write {SHORTEST_PREFIX} to 200 characters with which the names begin.");
            return Err(LedgerError::Invalid { field: "prefix", message });
        }
        let mut tx = self.db.begin().await?;
        let done = sqlx::query!(
            "UPDATE findings
             SET status = 'ignored', decided_by = $2, reason = $3,
                 timeline = timeline || jsonb_build_object('at', now(), 'what', 'Ignored with all strays of this prefix.', 'by', $2::text, 'reason', $3::text)
             WHERE id IN (SELECT id FROM findings WHERE kind = 'stray' AND status IN ('suspected', 'needs_operator') AND starts_with(project_name, $1)
                          ORDER BY id LIMIT $4)",
            prefix,
            by.actor,
            by.reason,
            AT_ONCE
        )
        .execute(&mut *tx)
        .await?;
        let after =
            Some(json!({ "kind": FindingKind::Stray.as_str(), "prefix": prefix, "ignored": done.rows_affected() }));
        let event = NewEvent { kind: "finding.ignored", database_id: None, pool_id: None, before: None, after };
        insert_event(&mut *tx, &event, by).await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    /// Leases a finding because a person acts on it, due or not.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when that is not possible now.
    pub async fn take_finding(
        &self,
        id: i64,
        action: FindingAction,
        lease_seconds: f64,
    ) -> Result<(DueFinding, Finding), LedgerError> {
        let finding = self.finding(id).await?;
        permit(&finding, action)?;
        let lease = Uuid::now_v7();
        let row = sqlx::query!(
            "UPDATE findings SET lease_until = now() + make_interval(secs => $3), leased_by = $2, allowed_at = now()
             WHERE id = $1 AND status <> 'acting' AND (lease_until IS NULL OR lease_until < now())
             RETURNING attempts, acted_at, probed_at",
            id,
            lease,
            lease_seconds
        )
        .fetch_optional(&self.db)
        .await?
        .ok_or_else(too_late)?;
        let due = DueFinding {
            id,
            lease,
            kind: finding.kind,
            project_id: finding.project_id.clone(),
            project_name: finding.project_name.clone(),
            database_id: finding.database_id,
            attempts: row.attempts,
            was_acted_on: row.acted_at.is_some(),
            probed_at: row.probed_at,
        };
        Ok((due, finding))
    }

    /// Gives back what was leased, as it was.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn let_go(&self, due: &DueFinding) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE findings SET lease_until = NULL, leased_by = NULL, allowed_at = NULL WHERE id = $1 AND leased_by = $2",
            due.id,
            due.lease
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Makes an orphan a database of the pool that has its region and Postgres version: the row begins as `creating`, so that provisioning finds the project by its name,
    /// makes sure that it answers, and gives it the pool's settings. Returns the database's id.
    ///
    /// # Errors
    /// `Conflict` when no pool fits, when a row has the name already, or when the project is being deleted.
    pub async fn adopt_orphan(
        &self,
        due: &DueFinding,
        project: &AdoptedProject<'_>,
        by: &By,
    ) -> Result<Uuid, LedgerError> {
        let mut tx = self.db.begin().await?;
        // The lock that deleting takes too: one of the two wins.
        let is_free = sqlx::query_scalar!(
            r#"SELECT status <> 'acting' AND leased_by = $2 AS "is_free!" FROM findings WHERE id = $1 AND status <> 'resolved' FOR NO KEY UPDATE"#,
            due.id,
            due.lease
        )
        .fetch_optional(&mut *tx)
        .await?;
        if is_free != Some(true) {
            return Err(too_late());
        }
        let is_current =
            sqlx::query_scalar!(r#"SELECT safe_mode_since IS NULL AS "is_current!" FROM installation FOR SHARE"#)
                .fetch_one(&mut *tx)
                .await?;
        if !is_current {
            return Err(only_outside_safe_mode());
        }
        let row = sqlx::query!(
            "INSERT INTO databases (id, pool_id, state, region_id, pg_version, neon_project_name, min_cu, max_cu, suspend_timeout_seconds,
               quota_logical_size_bytes, quota_active_seconds, quota_compute_seconds, quota_written_bytes, quota_transfer_bytes, wanted_revision,
               compute_revision)
             SELECT $1, p.id, 'creating', p.region_id, p.pg_version, $2, p.min_cu, p.max_cu, p.suspend_timeout_seconds, plan.quota_logical_size_bytes,
               plan.quota_active_seconds, plan.quota_compute_seconds, plan.quota_written_bytes, plan.quota_transfer_bytes, 1, 1
             FROM pools AS p JOIN plans AS plan ON plan.name = p.birth_plan WHERE p.region_id = $3 AND p.pg_version = $4
             ORDER BY p.is_default DESC, p.id LIMIT 1
             ON CONFLICT DO NOTHING RETURNING id, pool_id",
            Uuid::now_v7(),
            project.name,
            project.region_id,
            project.pg_version
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else {
            return Err(LedgerError::Conflict(format!(
                "No pool has region {} and Postgres {}, or the ledger knows this project by now.",
                project.region_id, project.pg_version
            )));
        };
        sqlx::query!("UPDATE findings SET database_id = $2 WHERE id = $1", due.id, row.id).execute(&mut *tx).await?;
        resolve(&mut tx, due, Resolution::Adopted, "Adopted into the pool.", by).await?;
        let event = NewEvent {
            kind: "database.adopted",
            database_id: Some(row.id),
            pool_id: Some(row.pool_id),
            before: None,
            after: Some(
                json!({ "state": "creating", "neon_project_id": due.project_id, "neon_project_name": project.name, "finding": due.id }),
            ),
        };
        insert_event(&mut *tx, &event, by).await?;
        tx.commit().await?;
        Ok(row.id)
    }

    /// The project lives again on Neon. A ghost is over; what the engine had deleted stays, ignored with the reason.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_recovered(&self, due: &DueFinding, by: &By) -> Result<(), LedgerError> {
        let mut tx = self.db.begin().await?;
        resolve(&mut tx, due, Resolution::Recovered, "Recovered on Neon.", by).await?;
        if due.kind.ends_in_deletion() {
            sqlx::query!(
                "INSERT INTO findings (kind, status, subject, project_id, project_name, database_id, first_sweep, last_sweep, evidence, timeline, synthetic_size_bytes,
                   decided_by, reason)
                 SELECT kind, 'ignored', subject, project_id, project_name, database_id, first_sweep, last_sweep, evidence, timeline, synthetic_size_bytes, $2, $3
                 FROM findings WHERE id = $1
                 ON CONFLICT (kind, subject) WHERE status <> 'resolved' DO UPDATE SET status = 'ignored', decided_by = $2, reason = $3",
                due.id,
                by.actor,
                by.reason
            )
            .execute(&mut *tx)
            .await?;
        }
        let event = NewEvent {
            kind: "finding.recovered",
            database_id: due.database_id,
            pool_id: None,
            before: None,
            after: Some(json!({ "finding": due.id, "kind": due.kind.as_str(), "neon_project_id": due.project_id })),
        };
        insert_event(&mut *tx, &event, by).await?;
        Ok(tx.commit().await?)
    }
}

/// A person's decision has ended it, and the project is alive.
async fn resolve(
    db: &mut PgConnection,
    due: &DueFinding,
    how: Resolution,
    what: &str,
    by: &By,
) -> Result<(), LedgerError> {
    sqlx::query!(
        "UPDATE findings
         SET status = 'resolved', resolved_at = now(), resolution = $2, recoverable_until = NULL, lease_until = NULL, leased_by = NULL,
             timeline = timeline || jsonb_build_object('at', now(), 'what', $3::text, 'by', $4::text, 'reason', $5::text)
         WHERE id = $1",
        due.id,
        how.as_str(),
        what,
        by.actor,
        by.reason
    )
    .execute(db)
    .await?;
    Ok(())
}

fn permit(finding: &Finding, action: FindingAction) -> Result<(), LedgerError> {
    if finding.actions().contains(&action) {
        return Ok(());
    }
    Err(match action {
        _ if finding.belongs_elsewhere => LedgerError::Conflict(String::from(
            "It belongs to another installation: that from which this ledger was copied, or the one whose id is in the project's name. Decide about it there.",
        )),
        FindingAction::Adopt | FindingAction::Delete if finding.in_safe_mode => only_outside_safe_mode(),
        FindingAction::Adopt if finding.kind == FindingKind::Orphan => why_not_adopted(finding),
        FindingAction::Delete
            if finding.kind.ends_in_deletion() && finding.status.is_open() && !finding.is_confirmed() =>
        {
            LedgerError::Conflict(String::from(
                "Its quarantine is not over: a project is deleted only after two complete sweeps and an hour.",
            ))
        }
        _ => too_late(),
    })
}

fn why_not_adopted(finding: &Finding) -> LedgerError {
    let why = match (finding.doubt, finding.status) {
        (Some(doubt), _) => format!("{} It cannot go into the pool.", doubt.sentence()),
        (None, FindingStatus::Suspected) => {
            String::from("A second complete sweep has to confirm it first. Try again in a few minutes.")
        }
        (None, FindingStatus::NeedsOperator) => String::from(
            "It is not proven that nobody uses it, so it cannot go into the pool. What has happened to it says why.",
        ),
        (None, FindingStatus::Ignored) => String::from("It is ignored. Choose no longer to ignore it first."),
        _ => return too_late(),
    };
    LedgerError::Conflict(why)
}

fn only_outside_safe_mode() -> LedgerError {
    LedgerError::Conflict(String::from(
        "Safe mode: nothing goes into the pool, and nothing is deleted, until an operator has ended it.",
    ))
}

fn too_late() -> LedgerError {
    LedgerError::Conflict(String::from(
        "That is not possible any more: the finding has changed meanwhile. Look at it again.",
    ))
}

fn event_of<'a>(finding: &Finding, kind: &'a str) -> NewEvent<'a> {
    NewEvent {
        kind,
        database_id: finding.database_id,
        pool_id: None,
        before: Some(json!({ "status": finding.status.as_str() })),
        after: Some(
            json!({ "finding": finding.id, "kind": finding.kind.as_str(), "neon_project_id": finding.project_id, "neon_project_name": finding.project_name }),
        ),
    }
}
