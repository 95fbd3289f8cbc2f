//! Fitness: what stands in the pool works and is new. Lists tell what was used; those that will be handed out next are also looked at one by one, and all
//! others in turn.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use uuid::Uuid;

use super::{Duty, Inner};
use ledger::{By, LedgerError, Lookable, ShownName};
use neon_client::{Class, NeonClient, NeonError, ProjectItem};

/// Looked at after each complete sweep, two calls each: of one pool, and in all.
const PER_POOL: i64 = 20;
const AT_MOST: i64 = 60;
/// And of the others.
const IN_TURN: i64 = 40;
const CALL_DEADLINE: Duration = Duration::from_secs(20);

/// Behind which database the next ones in turn stand.
#[derive(Default)]
pub(super) struct Progress(Mutex<Uuid>);

impl Inner {
    /// What a page shows to be in use is not handed out. `look.rs` finds out whether it was Neon itself.
    pub(super) async fn withhold_used(&self, page: &[ProjectItem]) -> Result<(), LedgerError> {
        let shown: Vec<ShownName> = page
            .iter()
            .map(|item| ShownName {
                project_id: item.id.clone(),
                name: item.name.clone(),
                last_active_at: item.last_active_at,
            })
            .collect();
        let settles = self.settings.findings.own_activity;
        let count = self.ledger.withhold_used(&shown, settles, &By::duty(Duty::Sync.name())).await?;
        if count > 0 {
            tracing::warn!(count, "databases of the pool were active; they are withheld, and looked into");
            self.nudge(Duty::Refill);
            self.nudge(Duty::Reconcile);
        }
        Ok(())
    }

    /// Looks at those that will be handed out next, and at some of the others. What Neon does not answer about stays.
    pub(super) async fn look_at_pool(&self) -> Result<(), LedgerError> {
        let neon = self.neon.with_class(Class::Sync).with_deadline(CALL_DEADLINE);
        let head = self.ledger.queue_head(PER_POOL, AT_MOST).await?;
        let mut others = self.next_in_turn().await?;
        others.retain(|other| head.iter().all(|next| next.id != other.id));
        for next in head.into_iter().chain(others) {
            match why_unfit(&neon, &next).await {
                Ok(None) => {}
                Ok(Some(why)) => {
                    if self.ledger.withhold(next.id, why, &By::duty(Duty::Sync.name())).await? {
                        tracing::warn!(database.id = %next.id, why, "a database of the pool cannot be used; it is withheld");
                        self.nudge(Duty::Refill);
                    }
                }
                // About this one alone, and no proof of anything.
                Err(NeonError::Unreadable { .. }) => {}
                // Another will not fare better.
                Err(_) => break,
            }
        }
        Ok(())
    }

    async fn next_in_turn(&self) -> Result<Vec<Lookable>, LedgerError> {
        let progress = || self.fitness_progress.0.lock().unwrap_or_else(PoisonError::into_inner);
        let after = *progress();
        let rows = self.ledger.pool_behind(after, IN_TURN).await?;
        let is_full = rows.len() as i64 == IN_TURN;
        *progress() = rows.last().filter(|_| is_full).map_or_else(Uuid::nil, |last| last.id);
        Ok(rows)
    }
}

async fn why_unfit(neon: &NeonClient, next: &Lookable) -> Result<Option<&'static str>, NeonError> {
    let endpoints = match neon.endpoints(&next.project_id).await {
        Ok(endpoints) => endpoints,
        Err(NeonError::NotFound { .. }) => return Ok(Some("Neon does not know its project.")),
        Err(error) => return Err(error),
    };
    match endpoints.iter().find(|endpoint| endpoint.id == next.endpoint_id) {
        None => return Ok(Some("Its endpoint is gone.")),
        Some(endpoint) if endpoint.disabled => return Ok(Some("Its endpoint is disabled.")),
        Some(_) => {}
    }
    let branches = neon.branches(&next.project_id).await?;
    Ok(branches
        .iter()
        .any(|branch| branch.protected)
        .then_some("A branch of it is protected: it could not be released."))
}
