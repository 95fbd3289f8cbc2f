//! What must always hold, as SQL. Each check answers with what breaks it, and ends when it has found enough.
//!
//! What grows with the fleet is read in batches, each a short statement of its own, so that a check neither runs into the statement timeout nor holds a
//! snapshot open for long, on a ledger of any size.

use uuid::Uuid;

use super::{Ledger, LedgerError};

/// Pieces of evidence per check; there may be more.
const EVIDENCE: i64 = 20;
/// Rows of `databases` read by one statement.
const BATCH_OF_DATABASES: i64 = 20_000;
/// Events read by one statement.
const BATCH_OF_EVENTS: i64 = 100_000;
/// Fields of events that hold what a platform calls its owners and programs, whatever that looks like.
const GIVEN_NAMES: [&str; 4] = ["owner", "email", "organisation", "client"];
/// A password or key of Neon, or a URL with a password in it.
const CREDENTIAL: &str = "(npg_[A-Za-z0-9]{12}|napi_[a-z0-9]{40}|://[^ /:@]+:[^ /:@]+@)";

/// Triggers that keep invariants, whoever writes.
const TRIGGERS: [&str; 10] = [
    "events_append_only",
    "databases_state_change",
    "databases_cancellation",
    "databases_claimed",
    "databases_count_inserted",
    "databases_count_moved",
    "databases_count_removed",
    "databases_count_sealed_inserted",
    "databases_count_sealed_anew",
    "databases_count_sealed_removed",
];
/// Unique indexes that do.
const UNIQUE_INDEXES: [&str; 7] = [
    "databases_neon_project_name_key",
    "databases_neon_project_id_key",
    "databases_neon_endpoint_id_key",
    "databases_one_per_owner",
    "claims_one_live_per_owner",
    "claims_database_id_key",
    "claims_one_per_client_and_key",
];

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: &'static str,
    /// Ids or counts, bounded.
    pub evidence: Vec<String>,
}

/// What the ledger alone can tell. That Neon agrees is the engine's to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    OneRowPerProject,
    OneDatabasePerOwner,
    PlanOfItsOwner,
    NothingReturns,
    EveryChangeHasItsEvent,
    CountsAgree,
    NothingUnsealed,
    GuardsInPlace,
}

impl Invariant {
    pub const ALL: [Self; 8] = [
        Self::OneRowPerProject,
        Self::OneDatabasePerOwner,
        Self::PlanOfItsOwner,
        Self::NothingReturns,
        Self::EveryChangeHasItsEvent,
        Self::CountsAgree,
        Self::NothingUnsealed,
        Self::GuardsInPlace,
    ];

    /// Lower case with hyphens: under this it is remembered.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneRowPerProject => "one-row-per-project",
            Self::OneDatabasePerOwner => "one-database-per-owner",
            Self::PlanOfItsOwner => "plan-of-its-owner",
            Self::NothingReturns => "nothing-returns",
            Self::EveryChangeHasItsEvent => "every-change-has-its-event",
            Self::CountsAgree => "counts-agree",
            Self::NothingUnsealed => "nothing-unsealed",
            Self::GuardsInPlace => "guards-in-place",
        }
    }

    pub fn statement(self) -> &'static str {
        match self {
            Self::OneRowPerProject => "A Neon project belongs to one row, and a row that is handed out has one.",
            Self::OneDatabasePerOwner => {
                "An owner holds at most one database per pool, and each claimed database has exactly one served claim."
            }
            Self::PlanOfItsOwner => "A claimed database has the plan of its owner.",
            Self::NothingReturns => "Nothing goes from claimed back to available.",
            Self::EveryChangeHasItsEvent => "Every change of state has exactly one event.",
            Self::CountsAgree => "The roll-up and the deltas not yet rolled up equal the count.",
            Self::NothingUnsealed => "No credential stands unsealed in a row, an event, an error or a report.",
            Self::GuardsInPlace => "The triggers and unique indexes that keep all this are in place.",
        }
    }
}

impl Ledger {
    /// Checks the ledger against itself. An empty answer is a healthy ledger.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn violations(&self) -> Result<Vec<Violation>, LedgerError> {
        let mut found = Vec::new();
        for invariant in Invariant::ALL {
            let evidence = self.check(invariant).await?;
            if !evidence.is_empty() {
                found.push(Violation { invariant: invariant.statement(), evidence });
            }
        }
        Ok(found)
    }

    /// What breaks this invariant: a bounded number of ids or counts.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn check(&self, invariant: Invariant) -> Result<Vec<String>, LedgerError> {
        match invariant {
            Invariant::OneRowPerProject => self.projects_shared().await,
            Invariant::OneDatabasePerOwner => self.claims_without_match().await,
            Invariant::PlanOfItsOwner => self.through_databases(Self::other_plan_than_owner).await,
            Invariant::NothingReturns => self.through_events(Self::returned_to_pool).await,
            Invariant::EveryChangeHasItsEvent => self.through_databases(Self::history_broken).await,
            Invariant::CountsAgree => self.counts_off().await,
            Invariant::NothingUnsealed => {
                let mut found = self.unsealed_texts().await?;
                found.extend(self.through_databases(Self::unsealed_in_databases).await?);
                found.extend(self.through_events(Self::unsealed_in_events).await?);
                Ok(found)
            }
            Invariant::GuardsInPlace => self.guards_missing().await,
        }
    }

    /// The Neon projects that must exist: those of every row that is neither deleted nor given up.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn living_projects(&self) -> Result<Vec<String>, LedgerError> {
        let ids = sqlx::query_scalar!(
            r#"SELECT neon_project_id AS "id!" FROM databases
               WHERE state IN ('verifying', 'available', 'withheld', 'claimed') AND neon_project_id IS NOT NULL AND origin <> 'copied'"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(ids)
    }

    /// Runs a check over all databases, batch by batch, until it has found enough.
    async fn through_databases(
        &self,
        check: impl AsyncFn(&Self, Uuid, Uuid) -> Result<Vec<String>, LedgerError>,
    ) -> Result<Vec<String>, LedgerError> {
        let (mut after, mut found) = (Uuid::nil(), Vec::new());
        while (found.len() as i64) < EVIDENCE {
            let end = sqlx::query_scalar!(
                "SELECT id FROM databases WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1",
                after,
                BATCH_OF_DATABASES
            )
            .fetch_optional(&self.db)
            .await?;
            found.extend(check(self, after, end.unwrap_or(Uuid::max())).await?);
            match end {
                Some(end) => after = end,
                None => break,
            }
        }
        Ok(found)
    }

    /// Runs a check over all events, batch by batch, until it has found enough.
    async fn through_events(
        &self,
        check: impl AsyncFn(&Self, i64, i64) -> Result<Vec<String>, LedgerError>,
    ) -> Result<Vec<String>, LedgerError> {
        let span =
            sqlx::query!(r#"SELECT coalesce(min(id), 0) AS "first!", coalesce(max(id), 0) AS "last!" FROM events"#)
                .fetch_one(&self.db)
                .await?;
        let (mut after, mut found) = (span.first - 1, Vec::new());
        while after < span.last && (found.len() as i64) < EVIDENCE {
            found.extend(check(self, after, after + BATCH_OF_EVENTS).await?);
            after += BATCH_OF_EVENTS;
        }
        Ok(found)
    }

    /// Whole and without the indexes, so that a broken index hides nothing.
    async fn projects_shared(&self) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT format('project %s: %s rows', neon_project_id, count(*)) AS "text!" FROM databases WHERE neon_project_id IS NOT NULL
               GROUP BY neon_project_id HAVING count(*) > 1
               UNION ALL
               SELECT format('database %s: %s without a project', id, state) FROM databases WHERE state IN ('verifying', 'available', 'claimed') AND neon_project_id IS NULL
               LIMIT $1"#,
            EVIDENCE
        )
        .fetch_all(&self.db)
        .await?;
        Ok(found)
    }

    async fn claims_without_match(&self) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT format('owner %s, pool %s: %s databases', owner_id, pool_id, count(*)) AS "text!" FROM databases WHERE state = 'claimed'
               GROUP BY owner_id, pool_id HAVING count(*) > 1
               UNION ALL
               SELECT format('database %s: %s live claims', d.id, count(c.id)) FROM databases AS d
               LEFT JOIN claims AS c ON c.database_id = d.id AND c.owner_id = d.owner_id AND c.status = 'served' AND c.released_at IS NULL
               WHERE d.state = 'claimed' GROUP BY d.id HAVING count(c.id) <> 1
               UNION ALL
               SELECT format('claim %s: its database %s is %s', c.id, d.id, d.state) FROM claims AS c JOIN databases AS d ON d.id = c.database_id
               WHERE c.status = 'served' AND c.released_at IS NULL AND (d.state <> 'claimed' OR d.owner_id <> c.owner_id)
               LIMIT $1"#,
            EVIDENCE
        )
        .fetch_all(&self.db)
        .await?;
        Ok(found)
    }

    async fn other_plan_than_owner(&self, after: Uuid, until: Uuid) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT format('database %s: %s, its owner %s', d.id, d.plan, o.plan) AS "text!" FROM databases AS d JOIN owners AS o ON o.id = d.owner_id
               WHERE d.id > $1 AND d.id <= $2 AND d.state = 'claimed' AND d.origin <> 'copied' AND d.plan IS DISTINCT FROM o.plan LIMIT $3"#,
            after,
            until,
            EVIDENCE
        )
        .fetch_all(&self.db)
        .await?;
        Ok(found)
    }

    async fn returned_to_pool(&self, after: i64, until: i64) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT format('database %s, event %s', database_id, id) AS "text!" FROM events
               WHERE id > $1 AND id <= $2 AND before ->> 'state' = 'claimed' AND after ->> 'state' = 'available' LIMIT $3"#,
            after,
            until,
            EVIDENCE
        )
        .fetch_all(&self.db)
        .await?;
        Ok(found)
    }

    /// The events of a database form a chain: each begins where the one before it ended, and the last ends where the row is. The history of simulated
    /// databases was made up in leaps, so only its end counts.
    async fn history_broken(&self, after: Uuid, until: Uuid) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"WITH told AS (
                 SELECT d.id, d.state, d.origin, e.before ->> 'state' AS was, e.after ->> 'state' AS became,
                        lag(e.after ->> 'state') OVER history AS came_from, lead(e.id) OVER history IS NULL AS is_last
                 FROM databases AS d LEFT JOIN events AS e ON e.database_id = d.id AND e.after ? 'state'
                   -- Earlier versions told the state in it, which did not change.
                   AND e.kind <> 'database.release_refused'
                 WHERE d.id > $1 AND d.id <= $2
                 WINDOW history AS (PARTITION BY d.id ORDER BY e.id))
               SELECT format('database %s: %s, told %s after %s', id, state, coalesce(became, 'nothing'), coalesce(came_from, 'nothing')) AS "text!" FROM told
               WHERE (is_last AND became IS DISTINCT FROM state::text) OR (origin = 'pool' AND was IS DISTINCT FROM came_from) LIMIT $3"#,
            after,
            until,
            EVIDENCE
        )
        .fetch_all(&self.db)
        .await?;
        Ok(found)
    }

    async fn counts_off(&self) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT format('pool %s, %s: counted %s, rolled up %s', pool_id, state, counted, rolled) AS "text!" FROM (
                 SELECT pool_id, state, coalesce(c.n, 0) AS counted, coalesce(f.count, 0) AS rolled
                 FROM (SELECT pool_id, state, count(*) AS n FROM databases GROUP BY 1, 2) AS c FULL JOIN fleet_counts AS f USING (pool_id, state)) AS both_sides
               WHERE counted <> rolled
               UNION ALL
               SELECT format('sealed with key %s: counted %s, rolled up %s', key_id, counted, rolled) FROM (
                 SELECT key_id, coalesce(c.n, 0) AS counted, coalesce(s.count, 0) AS rolled
                 FROM (SELECT sealing_key(sealed_credentials) AS key_id, count(*) AS n FROM databases WHERE sealing_key(sealed_credentials) IS NOT NULL GROUP BY 1) AS c
                 FULL JOIN sealed_by_key AS s USING (key_id)) AS sealed
               WHERE counted <> rolled LIMIT $1"#,
            EVIDENCE
        )
        .fetch_all(&self.db)
        .await?;
        Ok(found)
    }

    /// Tables that stay small.
    async fn unsealed_texts(&self) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT 'pool ' || name AS "text!" FROM pools WHERE concat_ws(' ', breaker_error, paused_reason) ~ $1
               UNION ALL SELECT 'duty ' || name FROM duties WHERE last_report::text ~ $1
               UNION ALL SELECT 'run of a duty ' || id FROM duty_runs WHERE report::text ~ $1
               UNION ALL SELECT 'the status of Neon' FROM neon_status WHERE last_error ~ $1
               UNION ALL SELECT 'run of the doctor ' || id FROM doctor_runs WHERE checks::text ~ $1
               LIMIT $2"#,
            CREDENTIAL,
            EVIDENCE
        )
        .fetch_all(&self.db)
        .await?;
        Ok(found)
    }

    /// What is sealed holds none of the words that are in every connection string.
    async fn unsealed_in_databases(&self, after: Uuid, until: Uuid) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT 'database ' || id AS "text!" FROM databases WHERE id > $1 AND id <= $2
               AND (last_error ~ $3 OR position('postgres'::bytea IN sealed_credentials) > 0 OR position('password'::bytea IN sealed_credentials) > 0) LIMIT $4"#,
            after,
            until,
            CREDENTIAL,
            EVIDENCE
        )
        .fetch_all(&self.db)
        .await?;
        Ok(found)
    }

    async fn unsealed_in_events(&self, after: i64, until: i64) -> Result<Vec<String>, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT 'event ' || id AS "text!" FROM events WHERE id > $1 AND id <= $2 AND concat_ws(' ', CASE jsonb_typeof(before) WHEN 'object' THEN before - $5::text[] ELSE before END,
                                                                              CASE jsonb_typeof(after) WHEN 'object' THEN after - $5::text[] ELSE after END, reason) ~ $3 LIMIT $4"#,
            after,
            until,
            CREDENTIAL,
            EVIDENCE,
            &GIVEN_NAMES.map(str::to_owned)
        )
        .fetch_all(&self.db)
        .await?;
        Ok(found)
    }

    async fn guards_missing(&self) -> Result<Vec<String>, LedgerError> {
        let triggers = TRIGGERS.map(str::to_owned);
        let indexes = UNIQUE_INDEXES.map(str::to_owned);
        let found = sqlx::query_scalar!(
            r#"SELECT 'trigger ' || wanted.name AS "text!" FROM unnest($1::text[]) AS wanted (name)
               WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = wanted.name AND tgenabled IN ('O', 'A'))
               UNION ALL
               SELECT 'unique index ' || wanted.name FROM unnest($2::text[]) AS wanted (name)
               WHERE NOT EXISTS (SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
                                 WHERE c.relname = wanted.name AND i.indisunique AND i.indisvalid)"#,
            &triggers,
            &indexes
        )
        .fetch_all(&self.db)
        .await?;
        Ok(found)
    }
}
