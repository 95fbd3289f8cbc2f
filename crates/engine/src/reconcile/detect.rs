//! Detection, inside the sweep: what a page shows that should not be so, and what a complete sweep did not show.
//!
//! The ledger's living databases are read in batches, so that memory does not grow with the fleet.

use serde_json::json;
use uuid::Uuid;

use crate::{Inner, neon_quota, sync::SeenProjects};
use ledger::{LedgerError, PageOwners, PageProject, SweepOutcome, SweepRef};
use neon_client::ProjectItem;

/// Databases read at a time.
const BATCH: i64 = 10_000;
/// A list that misses more than these is wrong as a whole: more evidence would add nothing.
const GHOSTS_AT_MOST: usize = 10_000;
/// So many are put behind the others of their pool.
const PUT_BEHIND_AT_MOST: usize = 500;

impl Inner {
    /// Compares a page of the list with the ledger, and takes out of the pool what somebody uses.
    pub(crate) async fn note_page(&self, by: SweepRef, page: &[ProjectItem]) -> Result<PageOwners, LedgerError> {
        self.withhold_used(page).await?;
        let listed: Vec<PageProject> = page.iter().map(listed).collect();
        self.observations.detect_findings(by, &listed, &self.settings.findings).await
    }

    /// Confirms and takes back findings by a complete sweep that has shown `seen`.
    pub(crate) async fn confirm(&self, by: SweepRef, seen: &SeenProjects) -> Result<SweepOutcome, LedgerError> {
        self.find_ghosts(by, seen).await?;
        self.ledger.record_stuck(by, &self.settings.findings).await?;
        let outcome = self.ledger.confirm_findings(by, &self.settings.findings).await?;
        if let Some(name) = self.ledger.newer_than_the_ledger(by).await? {
            let evidence =
                format!("Neon has the project {name}, made after the newest database that this ledger knows.");
            self.notice(&evidence).await?;
        }
        self.look_at_pool().await?;
        Ok(outcome)
    }

    async fn find_ghosts(&self, by: SweepRef, seen: &SeenProjects) -> Result<(), LedgerError> {
        let (mut after, mut found) = (Uuid::nil(), 0);
        loop {
            let living = self.ledger.living_behind(after, by, BATCH).await?;
            let missing: Vec<Uuid> =
                living.iter().filter(|(_, project_id)| !seen.contains(project_id)).map(|(id, _)| *id).collect();
            if !missing.is_empty() {
                self.ledger.record_ghosts(by, &missing).await?;
            }
            found += missing.len();
            // A list that misses many is wrong as a whole, and then one is as good as another.
            if found <= PUT_BEHIND_AT_MOST {
                self.ledger.put_behind(&missing).await?;
            }
            match living.last() {
                Some((last, _)) if living.len() as i64 == BATCH && found < GHOSTS_AT_MOST => after = *last,
                _ => break,
            }
        }
        if found >= GHOSTS_AT_MOST {
            tracing::error!(
                ghosts = found,
                "Neon's list misses a great part of the fleet; check the API key and the organisation"
            );
        }
        Ok(())
    }
}

/// Its fields as evidence.
fn listed(item: &ProjectItem) -> PageProject {
    let mut fields = json!({
        "region_id": item.region_id,
        "pg_version": item.pg_version,
        "created_at": item.created_at,
        "last_active_at": item.last_active_at,
        "synthetic_size_bytes": item.synthetic_size_bytes,
    });
    if let Some(quota) = item.quota {
        fields["quota"] = json!(neon_quota::from_neon(&quota));
    }
    PageProject { id: item.id.clone(), name: item.name.clone(), fields }
}
