//! Findings for the screens and the API: one, the newest about a database, and pages of them by keyset.

use serde_json::Value;
use uuid::Uuid;

use super::doubt::Signs;
use crate::state::State;
use crate::{Ledger, LedgerError};
use fleet_types::{
    Finding, FindingFilter, FindingKind, FindingPage, FindingStatus, FindingStep, Problems, Resolution, SweepFacts,
    Time, TroubledRow,
};

/// Changes that have failed so often are shown.
const TROUBLED_AFTER: i32 = 3;
const TROUBLED_ROWS: i64 = 20;

impl Ledger {
    /// Everything that is wrong but the findings themselves.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn problems(&self) -> Result<Problems, LedgerError> {
        let status = self.status().await?;
        Ok(Problems {
            problems: status.problems,
            safe_mode: self.safe_mode().await?,
            brake: self.brake().await?,
            counts: self.finding_counts().await?,
            last_sweep: self.last_concluded().await?,
            failed: self.failed_creations().await?,
            failed_rows: self.failed_rows().await?,
            stuck_rows: self.stuck_rows().await?,
            blocked: self.blocked_by_reason().await?,
            as_of: chrono::Utc::now(),
        })
    }

    /// # Errors
    /// `NotFound`.
    pub async fn finding(&self, id: i64) -> Result<Finding, LedgerError> {
        let filter = Which { id: Some(id), ..Which::default() };
        self.findings_where(filter).await?.pop().ok_or_else(|| LedgerError::NotFound(format!("The finding {id}")))
    }

    /// The open finding about this database that needs somebody most.
    pub(crate) async fn finding_about(&self, database: Uuid) -> Result<Option<Finding>, LedgerError> {
        let filter = Which { database: Some(database), only_open: true, limit: 10, ..Which::default() };
        let found = self.findings_where(filter).await?;
        Ok(found
            .into_iter()
            .min_by_key(|finding| FindingStatus::ALL.iter().position(|status| *status == finding.status)))
    }

    /// At most `limit` findings, newest first; without a status those that are open.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn findings(&self, filter: FindingFilter, limit: i64) -> Result<FindingPage, LedgerError> {
        let which = Which {
            kind: filter.kind,
            status: filter.status,
            only_open: filter.status.is_none(),
            after: filter.after,
            limit: limit + 1,
            ..Which::default()
        };
        let mut rows = self.findings_where(which).await?;
        let has_more = rows.len() as i64 > limit;
        rows.truncate(usize::try_from(limit).unwrap_or(0));
        let next = rows.last().map(|finding| finding.id).filter(|_| has_more);
        Ok(FindingPage { rows, next })
    }

    async fn findings_where(&self, which: Which) -> Result<Vec<Finding>, LedgerError> {
        let rows = sqlx::query_as!(
            FindingRecord,
            r#"SELECT f.id, f.kind, f.status, f.project_id, f.project_name, f.database_id, d.state AS "database_state?: State", o.email AS "owner?",
                      f.first_seen_at, f.last_seen_at, f.first_sweep, f.last_sweep, f.sightings, f.earlier, f.evidence, f.timeline, f.synthetic_size_bytes,
                      f.action_due_at, f.attempts, f.last_error, f.last_error_at, f.recoverable_until, f.resolved_at, f.resolution, f.decided_by, f.reason,
                      EXISTS (SELECT FROM brakes WHERE lifted_at IS NULL) AS "braked!", now() AS "as_of!", i.safe_mode_since IS NOT NULL AS "in_safe_mode!",
                      coalesce(names_owner(f.project_name), false) AS "is_named!", coalesce(name_belongs_to(f.project_name) <> 'ours', true) AS "is_unsigned!",
                      may_have_forgotten((f.evidence #>> '{neon,created_at}')::timestamptz) AS "is_forgotten!",
                      belongs_elsewhere(d.origin, f.project_name) AS "belongs_elsewhere!"
               FROM findings AS f CROSS JOIN installation AS i LEFT JOIN databases AS d ON d.id = f.database_id LEFT JOIN owners AS o ON o.id = d.owner_id
               WHERE ($1::bigint IS NULL OR f.id = $1) AND ($2::uuid IS NULL OR f.database_id = $2) AND ($3::text IS NULL OR f.kind = $3)
                 AND ($4::text IS NULL OR f.status = $4) AND (NOT $5 OR f.status IN ('suspected', 'quarantined', 'acting', 'needs_operator'))
                 AND ($6::bigint IS NULL OR f.id < $6)
                 -- A stray waits for nobody: among what needs an operator it is shown only when strays are asked for.
                 AND NOT (f.kind = 'stray' AND $3 IS NULL AND $4 IS NOT DISTINCT FROM 'needs_operator')
               ORDER BY f.id DESC LIMIT $7"#,
            which.id,
            which.database,
            which.kind.map(FindingKind::as_str),
            which.status.map(FindingStatus::as_str),
            which.only_open,
            which.after,
            which.limit
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows.into_iter().filter_map(FindingRecord::into_finding).collect())
    }

    pub(crate) async fn finding_counts(&self) -> Result<Vec<(FindingKind, FindingStatus, i64)>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT kind, status, count(*) AS "count!" FROM findings WHERE status <> 'resolved' GROUP BY kind, status LIMIT 100"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some((FindingKind::parse(&row.kind)?, FindingStatus::parse(&row.status)?, row.count)))
            .collect())
    }

    /// The last complete sweep from which conclusions were drawn.
    pub(crate) async fn last_concluded(&self) -> Result<Option<SweepFacts>, LedgerError> {
        Ok(sqlx::query_as!(
            SweepFacts,
            r#"SELECT id, finished_at AS "finished_at!", projects, ours, others FROM sweeps WHERE concluded_at IS NOT NULL ORDER BY id DESC LIMIT 1"#
        )
        .fetch_optional(&self.db)
        .await?)
    }

    async fn failed_creations(&self) -> Result<i64, LedgerError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM databases WHERE state = 'failed' AND origin <> 'copied'"#
        )
        .fetch_one(&self.db)
        .await?;
        Ok(count)
    }

    async fn failed_rows(&self) -> Result<Vec<TroubledRow>, LedgerError> {
        Ok(sqlx::query_as!(
            TroubledRow,
            r#"SELECT d.id, p.name AS pool, d.state_since AS since, d.attempts, d.last_error AS error, NULL::timestamptz AS next_attempt_at
               FROM databases AS d JOIN pools AS p ON p.id = d.pool_id WHERE d.state = 'failed' AND d.origin <> 'copied' ORDER BY d.requested_at DESC, d.id DESC LIMIT $1"#,
            TROUBLED_ROWS
        )
        .fetch_all(&self.db)
        .await?)
    }

    /// Changes and releases that Neon has refused several times.
    async fn stuck_rows(&self) -> Result<Vec<TroubledRow>, LedgerError> {
        Ok(sqlx::query_as!(
            TroubledRow,
            r#"SELECT d.id, p.name AS pool, coalesce(d.last_error_at, d.state_since) AS "since!", d.attempts, d.last_error AS error, d.next_attempt_at AS "next_attempt_at?"
               FROM databases AS d JOIN pools AS p ON p.id = d.pool_id
               WHERE d.attempts >= $1 AND d.origin <> 'copied' AND (d.state = 'releasing'
                 OR d.state IN ('available', 'claimed') AND (d.wanted_revision <> d.applied_revision OR d.wanted_endpoint IS NOT NULL))
               ORDER BY d.attempts DESC, d.id LIMIT $2"#,
            TROUBLED_AFTER,
            TROUBLED_ROWS
        )
        .fetch_all(&self.db)
        .await?)
    }
}

#[derive(Clone, Copy)]
struct Which {
    id: Option<i64>,
    database: Option<Uuid>,
    kind: Option<FindingKind>,
    status: Option<FindingStatus>,
    only_open: bool,
    after: Option<i64>,
    limit: i64,
}

impl Default for Which {
    fn default() -> Self {
        Self { id: None, database: None, kind: None, status: None, only_open: false, after: None, limit: 1 }
    }
}

struct FindingRecord {
    id: i64,
    kind: String,
    status: String,
    project_id: Option<String>,
    project_name: Option<String>,
    database_id: Option<Uuid>,
    database_state: Option<State>,
    owner: Option<String>,
    first_seen_at: Time,
    last_seen_at: Time,
    first_sweep: i64,
    last_sweep: i64,
    sightings: i32,
    earlier: i32,
    evidence: Value,
    timeline: Value,
    synthetic_size_bytes: Option<i64>,
    action_due_at: Option<Time>,
    attempts: i32,
    last_error: Option<String>,
    last_error_at: Option<Time>,
    recoverable_until: Option<Time>,
    resolved_at: Option<Time>,
    resolution: Option<String>,
    decided_by: Option<String>,
    reason: Option<String>,
    braked: bool,
    in_safe_mode: bool,
    is_named: bool,
    is_unsigned: bool,
    is_forgotten: bool,
    belongs_elsewhere: bool,
    as_of: Time,
}

impl FindingRecord {
    fn into_finding(self) -> Option<Finding> {
        let timeline: Vec<FindingStep> = serde_json::from_value(self.timeline).unwrap_or_default();
        let kind = FindingKind::parse(&self.kind)?;
        let Self { is_named, is_unsigned, is_forgotten, .. } = self;
        Some(Finding {
            id: self.id,
            kind,
            status: FindingStatus::parse(&self.status)?,
            project_id: self.project_id,
            project_name: self.project_name,
            database_id: self.database_id,
            database_state: self.database_state.map(Into::into),
            owner: self.owner,
            first_seen_at: self.first_seen_at,
            last_seen_at: self.last_seen_at,
            first_sweep: self.first_sweep,
            last_sweep: self.last_sweep,
            sightings: self.sightings,
            earlier: self.earlier,
            evidence: self.evidence,
            timeline,
            synthetic_size_bytes: self.synthetic_size_bytes,
            action_due_at: self.action_due_at,
            attempts: self.attempts,
            last_error: self.last_error,
            last_error_at: self.last_error_at,
            recoverable_until: self.recoverable_until,
            resolved_at: self.resolved_at,
            resolution: self.resolution.as_deref().and_then(Resolution::parse),
            decided_by: self.decided_by,
            reason: self.reason,
            braked: self.braked,
            in_safe_mode: self.in_safe_mode,
            belongs_elsewhere: self.belongs_elsewhere,
            doubt: Signs { is_named, is_unsigned, is_forgotten }.doubt_about(kind),
            as_of: self.as_of,
        })
    }
}
