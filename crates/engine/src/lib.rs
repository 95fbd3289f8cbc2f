//! The engine makes Neon match the ledger.
//!
//! It is made of **duties**: background tasks without input, each idempotent, each woken by its timer or by a nudge, each answering with a
//! [`Report`] that is stored and shown. A duty never returns an error and never retries inside a run: back-off is data on the row, and the
//! next run is the retry. So nothing is lost when the process dies: whatever was under way is due again when its lease has run out.
//!
//! **Work on a row** goes in three steps: lease rows that are due in one short transaction, call Neon without any transaction, write the
//! result only if the lease is still ours. Leases are on PostgreSQL's clock.
//!
//! **Creating** has no idempotency key at Neon. So a row with a unique project name is committed before Neon is asked, and whenever an answer was
//! lost the name is looked up, and the project adopted, before anything is created again.
//!
//! **Actions that a person waits for** do not wait for a timer: [`Engine::apply_now`] and its kin take the row's lease, call Neon with the
//! urgency of [`Class::Support`], and after a few seconds leave the rest to the duty.
//!
//! Several replicas may run the engine: rows are leased one by one, and duties that must run once hold a lease of their own.

mod adopt;
mod apply;
mod budget;
mod clearance;
mod contents;
pub mod crash;
mod credentials;
mod doctor;
mod duty;
mod explain;
mod fitness;
mod forecast;
mod interactive;
mod keys;
mod look;
mod mark;
mod measure;
mod neon;
mod neon_check;
mod neon_quota;
mod observe;
mod outcomes;
mod owner_tag;
mod plans;
mod proof;
mod provision;
mod rate_limiter;
mod rebuild;
mod reconcile;
mod refill;
mod release;
mod repair;
mod report;
mod roll;
mod sample;
mod seal;
mod setback;
mod settings;
mod size;
mod sync;
mod timings;
mod usage;
mod watch;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use fleet_types::DutyStatus;
use ledger::{ClaimStatus, Ledger, LedgerError};
use neon_client::{NeonClient, RateLimiter};
use secrets::Secrets;

pub use clearance::{Releaser, Terms};
pub use crash::CrashPoint;
pub use doctor::{Doctor, Extent};
pub use duty::Duty;
pub use neon::Neon;
pub use neon_check::{CheckRow, NeonCheck, NeonCheckReport, Verdict};
#[cfg(doc)]
use neon_client::Class;
pub use neon_client::{NeonConfig, NeonError, NeonHealth, prepare_tls};
pub use outcomes::Outcomes;
pub use owner_tag::UNKNOWN_EMAIL;
pub use reconcile::FindingError;
pub use repair::{NamedOwner, Repair, RepairReport};
pub use report::Report;
pub use settings::EngineSettings;
pub use timings::ClaimTimings;

/// Databases on their way to the pool at a time, per replica. Most of the time of each is waiting.
const CREATIONS_AT_ONCE: usize = 32;
/// A quarter of the permits at the door (`http/limits.rs`).
const WAITING_CALLS: usize = 256;
/// Connections to the ledger, per replica.
const CONNECTIONS: u32 = 10;
/// Further ones, for what a sweep sees.
const OBSERVATION_CONNECTIONS: u32 = 2;
/// How long stopping waits for calls that are under way.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// What the engine works with.
pub struct Parts {
    /// Claims must not wait for the engine: it takes connections of its own to the same ledger.
    pub ledger: Ledger,
    /// Its budget is drawn from the ledger, together with all replicas.
    pub neon: Neon,
    pub secrets: Arc<Secrets>,
    /// This process among those of the ledger.
    pub replica: Uuid,
    pub timings: Arc<ClaimTimings>,
    /// Is told how duties and claims end.
    pub outcomes: Arc<dyn Outcomes>,
    /// `false` for a replica that only serves: it still carries out what a person waits for.
    pub run_duties: bool,
    pub settings: EngineSettings,
    pub shutdown: CancellationToken,
}

/// A handle on the running engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Ledger,
    /// The same ledger, for observations, which can be made again.
    observations: Ledger,
    neon: NeonClient,
    secrets: Arc<Secrets>,
    timings: Arc<ClaimTimings>,
    outcomes: Arc<dyn Outcomes>,
    settings: EngineSettings,
    replica: Uuid,
    started: Instant,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    nudges: HashMap<Duty, Notify>,
    creations: Arc<Semaphore>,
    creation_results: provision::Results,
    looks: observe::Looks,
    credential_looks: observe::Looks,
    claim_served: Notify,
    /// Calls that may wait for their claim at a time; each holds a permit of the door meanwhile.
    waiting_calls: Semaphore,
    fitness_progress: fitness::Progress,
    sync_progress: sync::Progress,
    usage_progress: usage::Progress,
    measure_progress: measure::Progress,
    seal_progress: seal::Progress,
    doctor: Doctor,
    /// Held while somebody's run of the checks is under way.
    examining: Arc<Semaphore>,
}

impl Engine {
    /// Starts the duties.
    pub fn start(parts: Parts) -> Self {
        let limiter: Arc<dyn RateLimiter> = Arc::new(rate_limiter::LedgerRateLimiter::of(&parts.ledger));
        let ledger = parts.ledger.with_connections(CONNECTIONS);
        let observations = parts.ledger.with_quick_connections(OBSERVATION_CONNECTIONS);
        let inner = Arc::new(Inner {
            doctor: Doctor::new(ledger.clone()),
            ledger,
            observations,
            neon: parts.neon.0.sharing(&limiter),
            secrets: parts.secrets,
            timings: parts.timings,
            outcomes: parts.outcomes,
            settings: parts.settings,
            replica: parts.replica,
            started: Instant::now(),
            shutdown: parts.shutdown,
            tasks: TaskTracker::new(),
            nudges: Duty::ALL.into_iter().map(|duty| (duty, Notify::new())).collect(),
            creations: Arc::new(Semaphore::new(CREATIONS_AT_ONCE)),
            creation_results: provision::Results::default(),
            looks: observe::Looks::default(),
            credential_looks: observe::Looks::default(),
            claim_served: Notify::new(),
            waiting_calls: Semaphore::new(WAITING_CALLS),
            fitness_progress: fitness::Progress::default(),
            sync_progress: sync::Progress::default(),
            usage_progress: usage::Progress::default(),
            measure_progress: measure::Progress::default(),
            seal_progress: seal::Progress::default(),
            examining: Arc::new(Semaphore::new(1)),
        });
        for duty in Duty::ALL.into_iter().filter(|duty| parts.run_duties || duty.runs_everywhere()) {
            inner.tasks.spawn(duty::keep_running(Arc::clone(&inner), duty));
        }
        Self { inner }
    }

    /// Waits, for a few seconds at most, until what is under way has ended, and gives up the leases of this replica. The shutdown token must have been
    /// cancelled before.
    pub async fn stop(&self) {
        self.inner.tasks.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(
                "some calls to Neon were still under way; their rows are due again when their leases run out"
            );
        }
        if let Err(error) = self.inner.ledger.drop_duty_leases(self.inner.replica).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not give up the leases of the duties; they run out by themselves"
            );
        }
    }

    /// A database left the pool, or a target changed: look at once whether to create.
    pub fn nudge_refill(&self) {
        self.inner.nudge(Duty::Refill);
    }

    /// A policy or a schedule changed: decide at once.
    pub fn nudge_size(&self) {
        self.inner.nudge(Duty::Size);
    }

    /// A template or a plan changed.
    pub fn nudge_roll(&self) {
        self.inner.nudge(Duty::Roll);
    }

    /// Something is desired that Neon does not have.
    pub fn nudge_apply(&self) {
        self.inner.nudge(Duty::Apply);
    }

    /// Waits until the claim no longer waits, or until `until`; not at all when many wait already, so that they do not keep everybody else out.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn wait_for_claim(&self, id: Uuid, until: Instant) -> Result<(), LedgerError> {
        let Ok(_place) = self.inner.waiting_calls.try_acquire() else { return Ok(()) };
        loop {
            // Registered before the ledger is asked, so that no serving in between is missed.
            let served = self.inner.claim_served.notified();
            let is_waiting = self.inner.ledger.claim_status(id).await? == ClaimStatus::Waiting;
            if !is_waiting || Instant::now() >= until || self.inner.shutdown.is_cancelled() {
                return Ok(());
            }
            // Another replica may serve it: ask again now and then.
            let ask_again = (Instant::now() + Duration::from_millis(250)).min(until);
            tokio::select! {
                () = served => {}
                () = tokio::time::sleep_until(ask_again) => {}
                () = self.inner.shutdown.cancelled() => {}
            }
        }
    }

    /// How Neon does, and what was asked of it, as this process sees it.
    pub fn neon_health(&self) -> NeonHealth {
        self.inner.neon.health()
    }

    /// Every duty with its purpose and its last runs.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn duties(&self) -> Result<Vec<DutyStatus>, LedgerError> {
        let mut known = self.inner.ledger.duties().await?;
        Ok(Duty::ALL
            .into_iter()
            .map(|duty| {
                let found = known.iter().position(|status| status.name == duty.name()).map(|at| known.swap_remove(at));
                let mut status = found.unwrap_or_else(|| DutyStatus {
                    name: duty.name().to_owned(),
                    purpose: String::new(),
                    last_started_at: None,
                    last_finished_at: None,
                    last_outcome: None,
                    failures_in_a_row: 0,
                    runs: Vec::new(),
                });
                status.purpose = duty.purpose().to_owned();
                status
            })
            .collect())
    }
}

impl Inner {
    fn nudge(&self, duty: Duty) {
        if let Some(notify) = self.nudges.get(&duty) {
            notify.notify_one();
        }
    }

    /// Whether Neon seems to be away: then only a probe or two is sent, so that nobody's tries are used up.
    fn neon_is_failing(&self) -> bool {
        self.neon.health().failing_since.is_some()
    }

    /// Gives databases to the claims that wait in this pool, first come, first served.
    async fn serve_waiting(&self, pool_id: i32) -> Result<u32, LedgerError> {
        let by = ledger::By::duty(Duty::Provision.name());
        let mut served = 0;
        while let Some(claim) = self.ledger.serve_waiting(pool_id, &by).await? {
            crash::here(CrashPoint::ClaimServed);
            served += 1;
            self.outcomes.cold_claim_served(claim.waited_seconds);
            tracing::debug!(
                request_id = claim.request_id,
                claim.id = %claim.id,
                database.id = %claim.database_id,
                claim.waited_seconds = claim.waited_seconds,
                "served a claim that waited"
            );
            self.claim_served.notify_waiters();
        }
        if served > 0 {
            self.nudge(Duty::Refill);
            self.nudge(Duty::Apply);
        }
        Ok(served)
    }
}
