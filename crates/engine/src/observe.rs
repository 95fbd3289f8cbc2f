//! Observe: how one database is on Neon now, because somebody looks at it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use uuid::Uuid;

use super::{Engine, Inner, neon_quota};
use fleet_types::{EndpointState, Usage};
use ledger::{LedgerError, Observation};
use neon_client::{Class, NeonClient, NeonError};

/// A database that is being looked at is asked about this often at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const LOOKS_AT_ONCE: usize = 4;
const LOOK_DEADLINE: Duration = Duration::from_secs(10);

/// When each database was last asked about because somebody looked at it, or its credentials. Entries older than [`LOOK_EVERY`] are dropped.
pub(super) struct Looks {
    last: Mutex<HashMap<Uuid, Instant>>,
    at_once: Arc<Semaphore>,
}

impl Default for Looks {
    fn default() -> Self {
        Self { last: Mutex::default(), at_once: Arc::new(Semaphore::new(LOOKS_AT_ONCE)) }
    }
}

impl Looks {
    /// A permit to ask about this database, unless that was just done or many are being asked about.
    pub(super) fn begin(&self, id: Uuid) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.at_once).try_acquire_owned().ok()?;
        self.is_due(id).then_some(permit)
    }

    fn is_due(&self, id: Uuid) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|_, at| at.elapsed() < LOOK_EVERY);
        if last.contains_key(&id) {
            return false;
        }
        last.insert(id, Instant::now());
        true
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    #[error(transparent)]
    Neon(#[from] NeonError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("It has no project on Neon.")]
    NoProject,
}

impl Engine {
    /// Somebody looks at this database: ask Neon about it in the background, unless that was just done or many are being asked about.
    pub fn looked_at(&self, id: Uuid) {
        let Some(permit) = self.inner.looks.begin(id) else { return };
        if self.inner.shutdown.is_cancelled() {
            return;
        }
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(trace::carry_on(None, async move {
            let neon = inner.neon.with_class(Class::Sync).with_deadline(LOOK_DEADLINE);
            match inner.observe(&neon, id).await {
                // Ahead of the background, which may have used up the few calls that the history allows.
                Ok(()) => inner.ask_usage_of(&neon.with_class(Class::Support), id).await,
                Err(error) => {
                    tracing::debug!(database.id = %id, error = &error as &dyn std::error::Error, "could not ask about a database that is looked at");
                }
            }
            drop(permit);
        }));
    }
}

impl Inner {
    /// Days and transfer, which a project's counters do not tell, in the background: nobody waits for them.
    pub(super) fn ask_usage_soon(self: &Arc<Self>, id: Uuid) {
        let inner = Arc::clone(self);
        self.tasks.spawn(trace::carry_on(None, async move {
            let neon = inner.neon.with_class(Class::Support).with_deadline(LOOK_DEADLINE);
            inner.ask_usage_of(&neon, id).await;
        }));
    }

    /// Three calls: usage and synthetic size from the project, the logical size from its branch, the state from its endpoint.
    pub(super) async fn observe(&self, neon: &NeonClient, id: Uuid) -> Result<(), ObserveError> {
        let (project_id, branch_id, endpoint_id) = self.ledger.neon_ids(id).await?.ok_or(ObserveError::NoProject)?;
        let (project, branch, endpoints) = tokio::try_join!(
            neon.get_project(&project_id),
            neon.get_branch(&project_id, &branch_id),
            neon.endpoints(&project_id)
        )?;
        let endpoint =
            endpoints.into_iter().find(|endpoint| endpoint.id == endpoint_id).ok_or(ObserveError::NoProject)?;
        let seen = Observation {
            endpoint_state: EndpointState::parse(&endpoint.state).map(|state| state.as_str().to_owned()),
            pending_state: endpoint.pending_state,
            disabled: endpoint.disabled,
            last_active_at: endpoint.last_active.or(project.last_active_at),
            synthetic_size_bytes: project.synthetic_size_bytes,
            usage: Usage {
                logical_size_bytes: branch.logical_size_bytes,
                active_time_seconds: project.active_time_seconds,
                compute_time_seconds: project.compute_time_seconds,
                written_data_bytes: project.written_data_bytes,
                data_transfer_bytes: project.data_transfer_bytes,
            },
            period_start: project.period_start,
            period_end: project.period_end,
        };
        self.ledger.record_observation(id, &seen).await?;
        self.ledger.agree_on_quota(id, &neon_quota::from_neon(&project.quota)).await?;
        Ok(self.ledger.record_logical_size(id, branch.logical_size_bytes).await?)
    }
}
