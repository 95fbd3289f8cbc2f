//! What must always hold, as SQL. Each check returns the rows that break it.

use super::{Ledger, LedgerError};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: &'static str,
    /// Ids or counts, bounded.
    pub evidence: Vec<String>,
}

impl Ledger {
    /// Checks the ledger against itself. An empty answer is a healthy ledger.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn violations(&self) -> Result<Vec<Violation>, LedgerError> {
        let checks: [(&'static str, Vec<String>); 5] = [
            (
                "an owner holds at most one database per pool, and each claimed database has exactly one served claim",
                self.claims_without_match().await?,
            ),
            ("nothing goes from claimed to available", self.returned_to_pool().await?),
            ("the last event of a database tells its state", self.states_without_event().await?),
            ("the roll-up and the deltas equal the count", self.counts_off().await?),
            ("no credential stands unsealed in an event or an error", self.unsealed().await?),
        ];
        Ok(checks
            .into_iter()
            .filter(|(_, evidence)| !evidence.is_empty())
            .map(|(invariant, evidence)| Violation { invariant, evidence })
            .collect())
    }

    /// The Neon projects that must exist: those of every row that is neither deleted nor given up.
    ///
    /// # Errors
    /// PostgreSQL's.
    pub async fn living_projects(&self) -> Result<Vec<String>, LedgerError> {
        let ids = sqlx::query_scalar!(
            r#"SELECT neon_project_id AS "id!" FROM databases WHERE state IN ('verifying', 'available', 'claimed') AND neon_project_id IS NOT NULL"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(ids)
    }

    async fn claims_without_match(&self) -> Result<Vec<String>, LedgerError> {
        let ids = sqlx::query_scalar!(
            r#"SELECT d.id::text AS "id!" FROM databases AS d
               WHERE d.state = 'claimed' AND (SELECT count(*) FROM claims AS c
                 WHERE c.database_id = d.id AND c.owner_id = d.owner_id AND c.status = 'served' AND c.released_at IS NULL) <> 1
               UNION ALL
               SELECT c.id::text FROM claims AS c JOIN databases AS d ON d.id = c.database_id
               WHERE c.status = 'served' AND c.released_at IS NULL AND (d.state <> 'claimed' OR d.owner_id <> c.owner_id)
               LIMIT 20"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(ids)
    }

    async fn returned_to_pool(&self) -> Result<Vec<String>, LedgerError> {
        let ids = sqlx::query_scalar!(
            r#"SELECT DISTINCT database_id::text AS "id!" FROM events
               WHERE before ->> 'state' = 'claimed' AND after ->> 'state' = 'available' LIMIT 20"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(ids)
    }

    async fn states_without_event(&self) -> Result<Vec<String>, LedgerError> {
        let ids = sqlx::query_scalar!(
            r#"SELECT d.id::text AS "id!" FROM databases AS d
               CROSS JOIN LATERAL (SELECT after ->> 'state' AS state FROM events
                 WHERE database_id = d.id AND after ? 'state' ORDER BY id DESC LIMIT 1) AS told
               WHERE told.state IS DISTINCT FROM d.state::text
               UNION ALL
               SELECT d.id::text FROM databases AS d
               WHERE NOT EXISTS (SELECT FROM events WHERE database_id = d.id AND after ? 'state')
               LIMIT 20"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(ids)
    }

    async fn counts_off(&self) -> Result<Vec<String>, LedgerError> {
        let rows = sqlx::query_scalar!(
            r#"SELECT format('pool %s, %s: counted %s, rolled up %s', pool_id, state, counted, rolled) AS "text!" FROM (
                 SELECT pool_id, state, coalesce(c.n, 0) AS counted, coalesce(f.count, 0) AS rolled
                 FROM (SELECT pool_id, state, count(*) AS n FROM databases GROUP BY 1, 2) AS c FULL JOIN fleet_counts AS f USING (pool_id, state)) AS both_sides
               WHERE counted <> rolled LIMIT 20"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows)
    }

    async fn unsealed(&self) -> Result<Vec<String>, LedgerError> {
        let rows = sqlx::query_scalar!(
            r#"SELECT 'event ' || id AS "text!" FROM events WHERE concat_ws(' ', before, after, reason) ~ '(npg_[A-Za-z0-9]{12}|://[^ /:@]+:[^ @]+@)'
               UNION ALL SELECT 'database ' || id FROM databases WHERE last_error ~ '(npg_[A-Za-z0-9]{12}|://[^ /:@]+:[^ @]+@)' LIMIT 20"#
        )
        .fetch_all(&self.db)
        .await?;
        Ok(rows)
    }
}
