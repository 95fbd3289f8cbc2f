//! Proof that a project which no row knows may be deleted without a person: nobody has used it, nothing is in it, and few are deleted in a day.
//! Whatever is not proven waits for a person, with what was seen.

use chrono::TimeDelta;

use super::act::Step;
use crate::{
    server::{
        engine::Inner,
        ledger::{Backoff, DueFinding, LedgerError},
        neon::{NeonClient, NeonError, ProbeError, Project, holds_nothing, project},
    },
    types::Time,
};

const PROBE_DEADLINE: std::time::Duration = std::time::Duration::from_secs(15);
/// When the day's deletions are used up.
const TOMORROW: Backoff = Backoff { base_seconds: 3_600.0, cap_seconds: 3_600.0, counts: false };

/// Why nobody could look into a project.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error(transparent)]
    Neon(#[from] NeonError),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error("It has other branches than the one that it was made with.")]
    Branches,
    #[error("It has no writable endpoint, so nobody could connect to it.")]
    NoEndpoint,
}

impl Inner {
    /// `None` when the project may be deleted by itself.
    pub(super) async fn why_not_by_itself(
        &self,
        neon: &NeonClient,
        due: &DueFinding,
        project: &Project,
    ) -> Result<Option<Step>, LedgerError> {
        if self.ledger.deletions_left(&self.settings.findings).await? <= 0 {
            let why = "As many projects as may be were deleted by the engine within 24 hours; the next waits.";
            return Ok(Some(Step::Postponed(String::from(why), TOMORROW)));
        }
        if let Some(at) = self.foreign_activity(project, due.probed_at) {
            let why = format!(
                "It was active at {} UTC, after it had been made: somebody may use it.",
                at.format("%Y-%m-%d %H:%M")
            );
            return Ok(Some(Step::Handed(why, None)));
        }
        self.ledger.note_probe(due).await?;
        Ok(match is_empty(neon, &project.id).await {
            Ok(true) => None,
            Ok(false) => {
                Some(Step::Handed(String::from("Something has been made in it: it may hold somebody's data."), None))
            }
            Err(LookError::Neon(error)) if error.is_worth_retrying() => Some(Step::Failed(error)),
            Err(error) => Some(Step::Handed(
                format!("It could not be looked into, so it is not proven to be empty: {error}"),
                None,
            )),
        })
    }

    /// When somebody else was active in it last. A project is active by itself when it is made, and when the engine has looked into it.
    fn foreign_activity(&self, project: &Project, probed_at: Option<Time>) -> Option<Time> {
        let lasts = TimeDelta::from_std(self.settings.own_activity_lasts).unwrap_or(TimeDelta::MAX);
        let is_own = |began: Time, at: Time| at <= began + lasts;
        project.last_active_at.filter(|at| {
            !is_own(project.created_at, *at) && !probed_at.is_some_and(|probed| *at >= probed && is_own(probed, *at))
        })
    }
}

/// Connects as its owner would, and looks for anything that somebody has made: other branches and databases than those it was born with, and anything in
/// its one database.
pub(super) async fn is_empty(neon: &NeonClient, project_id: &str) -> Result<bool, LookError> {
    let [branch] = neon.branches(project_id).await?.try_into().map_err(|_| LookError::Branches)?;
    if neon.databases(project_id, &branch.id).await? != [project::DATABASE_NAME] {
        return Ok(false);
    }
    let endpoint = neon.endpoints(project_id).await?.into_iter().find(|endpoint| endpoint.is_writable());
    let endpoint = endpoint.ok_or(LookError::NoEndpoint)?;
    let (database, role) = (project::DATABASE_NAME, project::ROLE_NAME);
    let uri = neon.connection_uri(project_id, &endpoint.branch_id, &endpoint.id, database, role, false).await?;
    Ok(holds_nothing(&uri, PROBE_DEADLINE).await?)
}
