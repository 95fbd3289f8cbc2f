//! What has come apart in the demonstration's fleet, so that the comparison with Neon has something to find: things that people do in Neon's own console, and a
//! project that was made twice.

use anyhow::{Context, Result};
use neon_emulator::{Emulator, Quota};
use uuid::Uuid;

use fleet_types::{DatabaseFilter, DatabaseState, PagePosition};
use ledger::Ledger;

const GIB: i64 = 1 << 30;

/// One each: a stray, an orphan, a quota changed by hand, and an owner's database deleted by mistake.
///
/// # Errors
/// The emulator's and the ledger's.
pub async fn arrange(emulator: &Emulator, ledger: &Ledger) -> Result<()> {
    let claimed = DatabaseFilter { state: Some(DatabaseState::Claimed), ..DatabaseFilter::default() };
    let page = ledger.database_page_of(&claimed, &PagePosition::default(), 2).await?;
    let projects: Vec<String> = page.rows.into_iter().filter_map(|row| row.neon_project_id).collect();
    // A fleet of none has nothing to lose.
    if let [deleted, changed] = projects.as_slice() {
        emulator.delete_project(deleted).await.context("deleting a project")?;
        let quota = Quota { logical_size_bytes: Some(64 * GIB), ..Quota::default() };
        emulator.change_quota(changed, Some(quota)).await.context("changing a quota")?;
    }
    emulator.create_project("marketing-site", None).await.context("making a foreign project")?;
    let orphan = format!("flotilla-{}", Uuid::now_v7());
    emulator.create_project(&orphan, None).await.context("making an orphan")?;
    Ok(())
}
