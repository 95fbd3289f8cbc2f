//! Asking Neon's two histories about a batch, and remembering which of them it will not give.

use std::collections::HashSet;

use super::super::Inner;
use fleet_types::UsageSource;
use ledger::{DueUsage, LedgerError};
use neon_client::{
    NeonClient, NeonError,
    consumption::{Frame, FrameV2, History, ProjectConsumption, Window},
};

/// A plan does not change often.
const PLAN_REFUSAL_MINUTES: i32 = 6 * 60;
/// A setting or a clock may be put right any time.
pub(super) const SHORT_REFUSAL_MINUTES: i32 = 15;

/// What the histories said. `None` is one that is not on offer.
pub(super) struct Answers {
    pub legacy: Option<Vec<ProjectConsumption<Frame>>>,
    pub v2: Option<Vec<ProjectConsumption<FrameV2>>>,
    /// Projects of which at least one history cannot be read: nothing is concluded about them.
    pub unreadable: HashSet<String>,
}

/// Why a batch was not answered.
pub(super) enum Setback {
    /// Neon refuses this batch: perhaps it stumbles over one of its projects.
    Batch(UsageSource, NeonError),
    /// It may go better later.
    Neon(NeonError),
    Ledger(LedgerError),
}

impl From<LedgerError> for Setback {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

impl Inner {
    /// Asks whichever history is on offer. `None` if neither is.
    pub(super) async fn ask_histories(
        &self,
        neon: &NeonClient,
        group: &[DueUsage],
        window: Window,
    ) -> Result<Option<Answers>, Setback> {
        let refused: Vec<UsageSource> =
            self.ledger.usage_refusals().await?.into_iter().map(|refusal| refusal.source).collect();
        let ids: Vec<&str> = group.iter().map(|due| due.project_id.as_str()).collect();
        let (mut legacy, mut v2, mut unreadable) = (None, None, HashSet::new());
        if !refused.contains(&UsageSource::Legacy) {
            let answer = neon.consumption(&ids, window).await;
            let history = self.unless_refused(UsageSource::Legacy, answer).await?;
            legacy = history.map(|history| keep(history, &mut unreadable));
        }
        if !refused.contains(&UsageSource::V2) {
            let answer = neon.consumption_v2(&ids, window).await;
            let history = self.unless_refused(UsageSource::V2, answer).await?;
            v2 = history.map(|history| keep(history, &mut unreadable));
        }
        Ok((legacy.is_some() || v2.is_some()).then_some(Answers { legacy, v2, unreadable }))
    }

    /// Sorts what came back: an answer, a history that is not on offer (`None`), or a setback.
    async fn unless_refused<T>(&self, source: UsageSource, answer: Result<T, NeonError>) -> Result<Option<T>, Setback> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error @ NeonError::NotOffered { .. }) => {
                self.set_source_aside(source, PLAN_REFUSAL_MINUTES, &error.to_string()).await;
                Ok(None)
            }
            Err(error @ (NeonError::Misconfigured(_) | NeonError::Refused { status: 406, .. })) => {
                self.set_source_aside(source, SHORT_REFUSAL_MINUTES, &error.to_string()).await;
                Ok(None)
            }
            Err(error @ (NeonError::Refused { .. } | NeonError::NotFound { .. } | NeonError::Unreadable { .. })) => {
                Err(Setback::Batch(source, error))
            }
            Err(error) => Err(Setback::Neon(error)),
        }
    }

    pub(super) async fn set_source_aside(&self, source: UsageSource, minutes: i32, why: &str) {
        tracing::info!(usage.source = source.as_str(), why, "Neon would not give a history of consumption");
        if let Err(error) = self.ledger.refuse_usage(source, minutes, why).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "could not remember that Neon refused a history");
        }
    }
}

/// What can be read of a history; who cannot is added to `unreadable`.
fn keep<F>(history: History<F>, unreadable: &mut HashSet<String>) -> Vec<ProjectConsumption<F>> {
    unreadable.extend(history.unreadable);
    history.projects
}
