//! Duties: the leases that let one replica run a duty at a time, and how their runs went.

use serde_json::Value;
use uuid::Uuid;

use super::{Ledger, LedgerError};
use fleet_types::{DutyRun, DutyStatus, Time};

/// Runs remembered per duty.
const RUNS_KEPT: i64 = 200;
/// Runs shown per duty.
const RUNS_SHOWN: i64 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DutyOutcome {
    /// Nothing to do.
    Idle,
    Done,
    /// Some of it is left for the next run.
    Partial,
    Failed,
}

impl DutyOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Failed => "failed",
        }
    }
}

/// A run that has ended.
pub struct FinishedRun<'a> {
    pub duty: &'a str,
    pub started_at: Time,
    pub outcome: DutyOutcome,
    /// Holds `summary`, one sentence.
    pub report: &'a Value,
}

impl Ledger {
    /// Takes or renews the lease of a duty. `false` while another replica holds it.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn lease_duty(&self, duty: &str, replica: Uuid, seconds: f64) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "INSERT INTO duties (name, leased_by, lease_until) VALUES ($1, $2, now() + make_interval(secs => $3))
             ON CONFLICT (name) DO UPDATE SET leased_by = $2, lease_until = now() + make_interval(secs => $3)
             WHERE duties.leased_by = $2 OR duties.lease_until IS NULL OR duties.lease_until < now()",
            duty,
            replica,
            seconds
        )
        .execute(&self.db)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives up all leases of a replica that stops.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn drop_duty_leases(&self, replica: Uuid) -> Result<(), LedgerError> {
        sqlx::query!("UPDATE duties SET lease_until = NULL, leased_by = NULL WHERE leased_by = $1", replica)
            .execute(&self.db)
            .await?;
        Ok(())
    }

    /// Remembers how a run went; idle runs only as the duty's last one.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn record_run(&self, run: &FinishedRun<'_>) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO duties (name, last_started_at, last_finished_at, last_outcome, last_report) VALUES ($1, $2, now(), $3, $4)
             ON CONFLICT (name) DO UPDATE SET last_started_at = $2, last_finished_at = now(), last_outcome = $3, last_report = $4,
               failures_in_a_row = CASE WHEN $3 = 'failed' THEN duties.failures_in_a_row + 1 ELSE 0 END",
            run.duty,
            run.started_at,
            run.outcome.as_str(),
            run.report
        )
        .execute(&self.db)
        .await?;
        if run.outcome != DutyOutcome::Idle {
            sqlx::query!(
                "INSERT INTO duty_runs (duty, started_at, finished_at, outcome, report) VALUES ($1, $2, now(), $3, $4)",
                run.duty,
                run.started_at,
                run.outcome.as_str(),
                run.report
            )
            .execute(&self.db)
            .await?;
        }
        Ok(())
    }

    /// Forgets runs beyond the newest few hundred of each duty.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn forget_old_runs(&self) -> Result<(), LedgerError> {
        sqlx::query!(
            "DELETE FROM duty_runs AS r USING duties AS d
             WHERE r.duty = d.name AND r.id < (SELECT min(id) FROM (SELECT id FROM duty_runs WHERE duty = d.name ORDER BY id DESC LIMIT $1) AS kept)",
            RUNS_KEPT
        )
        .execute(&self.db)
        .await?;
        Ok(())
    }

    /// Every duty that has ever run, with its last runs.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn duties(&self) -> Result<Vec<DutyStatus>, LedgerError> {
        let duties = sqlx::query!("SELECT name, last_started_at, last_finished_at, last_outcome, failures_in_a_row FROM duties ORDER BY name LIMIT 100")
            .fetch_all(&self.db)
            .await?;
        let runs = sqlx::query!(
            r#"SELECT r.duty, r.started_at, r.finished_at, r.outcome, r.report FROM duties AS d, LATERAL (
                 SELECT * FROM duty_runs WHERE duty = d.name ORDER BY id DESC LIMIT $1) AS r"#,
            RUNS_SHOWN
        )
        .fetch_all(&self.db)
        .await?;
        Ok(duties
            .into_iter()
            .map(|duty| DutyStatus {
                runs: runs
                    .iter()
                    .filter(|run| run.duty == duty.name)
                    .map(|run| DutyRun {
                        started_at: run.started_at,
                        finished_at: run.finished_at,
                        outcome: run.outcome.clone(),
                        summary: run.report.get("summary").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    })
                    .collect(),
                purpose: String::new(),
                last_started_at: duty.last_started_at,
                last_finished_at: duty.last_finished_at,
                last_outcome: duty.last_outcome,
                failures_in_a_row: duty.failures_in_a_row,
                name: duty.name,
            })
            .collect())
    }
}
