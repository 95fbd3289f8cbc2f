//! The duties there are, and how each is kept running.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Inner, Report};
use ledger::{DutyOutcome, FinishedRun};

/// How long a duty that must run once holds its lease without renewing it; two intervals where that is longer.
const DUTY_LEASE_SECONDS: f64 = 30.0;
/// A third of it: one renewal may fail.
const RENEW_LEASE_EVERY: Duration = Duration::from_secs(10);
/// Idle runs are written down this often at most.
const TELL_IDLE_EVERY: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    Mark,
    Keys,
    Refill,
    Provision,
    Apply,
    Release,
    Sync,
    Usage,
    Measure,
    Reconcile,
    Sample,
    Size,
    Roll,
    Seal,
    Watch,
    Doctor,
}

impl Duty {
    pub const ALL: [Self; 16] = [
        Self::Mark,
        Self::Keys,
        Self::Refill,
        Self::Provision,
        Self::Apply,
        Self::Release,
        Self::Sync,
        Self::Usage,
        Self::Measure,
        Self::Reconcile,
        Self::Sample,
        Self::Size,
        Self::Roll,
        Self::Seal,
        Self::Watch,
        Self::Doctor,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::Keys => "keys",
            Self::Refill => "refill",
            Self::Provision => "provision",
            Self::Apply => "apply",
            Self::Release => "release",
            Self::Sync => "sync",
            Self::Usage => "usage",
            Self::Measure => "measure",
            Self::Reconcile => "reconcile",
            Self::Sample => "sample",
            Self::Size => "size",
            Self::Roll => "roll",
            Self::Seal => "seal",
            Self::Watch => "watch",
            Self::Doctor => "doctor",
        }
    }

    pub fn purpose(self) -> &'static str {
        match self {
            Self::Mark => {
                "Makes sure that this ledger is the current one, and the only one of this installation, before anything is handed out."
            }
            Self::Keys => "Agrees with the other replicas on the key that seals credentials.",
            Self::Refill => "Asks for new databases where a pool has fewer than its target.",
            Self::Provision => {
                "Creates them on Neon, makes sure that they answer, suspends them and puts them into the pool."
            }
            Self::Apply => "Takes changed quotas and compute settings, suspensions and resumptions to Neon.",
            Self::Release => "Deletes released databases on Neon.",
            Self::Sync => "Sweeps over Neon's list of projects for last activity, size with history, and quotas.",
            Self::Usage => {
                "Asks Neon's history of consumption: soon about databases that were active, within a day about all others."
            }
            Self::Measure => "Asks for the storage used of databases that may be near their storage quota.",
            Self::Reconcile => {
                "Acts on what the sweeps have found to be wrong between Neon and the ledger, and looks into unclaimed databases that were active."
            }
            Self::Sample => "Writes the history behind the charts and rolls up the counters.",
            Self::Size => "Sets the target of each pool that has a policy, and writes down why.",
            Self::Roll => {
                "Takes a changed template to the databases that nobody has claimed yet, oldest first, and a changed plan to those that are claimed; ends overrides in time."
            }
            Self::Seal => {
                "Re-seals credentials after a change of keys, and erases those of databases deleted more than 8 days ago."
            }
            Self::Watch => "Keeps an eye on whether Neon answers.",
            Self::Doctor => {
                "Checks what must always hold: the ledger by itself every hour, against Neon's list of projects every day."
            }
        }
    }

    /// The longest time between two runs.
    fn interval(self) -> Duration {
        match self {
            Self::Mark | Self::Refill | Self::Provision | Self::Apply | Self::Release | Self::Sync => {
                Duration::from_secs(1)
            }
            Self::Sample => Duration::from_secs(10),
            // Long enough for a batch to gather, shorter than the lease, so that it stays with one replica.
            Self::Usage => Duration::from_secs(20),
            Self::Measure | Self::Seal => Duration::from_secs(5),
            Self::Size | Self::Doctor => Duration::from_secs(60),
            Self::Keys | Self::Reconcile | Self::Roll | Self::Watch => Duration::from_secs(2),
        }
    }

    /// How long a nudge waits for more of its kind: claims come in bursts, and each asks for a look.
    fn gathers_nudges_for(self) -> Duration {
        match self {
            Self::Refill => Duration::from_millis(100),
            _ => Duration::ZERO,
        }
    }

    /// Must not run in two replicas at a time.
    fn runs_once(self) -> bool {
        !matches!(self, Self::Mark | Self::Keys | Self::Provision | Self::Apply | Self::Release | Self::Watch)
    }

    /// Also runs in replicas that only serve.
    pub(super) fn runs_everywhere(self) -> bool {
        matches!(self, Self::Mark | Self::Keys | Self::Watch)
    }

    async fn run(self, engine: &Arc<Inner>) -> Report {
        match self {
            Self::Mark => engine.mark().await,
            Self::Keys => engine.keys().await,
            Self::Refill => engine.refill().await,
            Self::Provision => engine.provision().await,
            Self::Apply => engine.apply().await,
            Self::Release => engine.release().await,
            Self::Sync => engine.sync().await,
            Self::Usage => engine.usage().await,
            Self::Measure => engine.measure().await,
            Self::Reconcile => engine.reconcile().await,
            Self::Sample => engine.sample().await,
            Self::Size => engine.size().await,
            Self::Roll => engine.roll().await,
            Self::Seal => engine.seal().await,
            Self::Watch => engine.watch().await,
            Self::Doctor => engine.examine().await,
        }
    }
}

/// Runs the duty until shutdown: on its timer, on a nudge, and again at once when a run left work behind.
pub(super) async fn keep_running(engine: Arc<Inner>, duty: Duty) {
    let Some(nudged) = engine.nudges.get(&duty) else { return };
    let (mut lease, mut told_idle) = (Lease::default(), None);
    while !engine.shutdown.is_cancelled() {
        let report = if lease.is_ours(&engine, duty).await {
            run_and_tell(&engine, duty, &mut lease, &mut told_idle).await
        } else {
            Report::idle()
        };
        if report.more_is_due {
            // Let others run between two runs of a busy duty.
            tokio::task::yield_now().await;
            continue;
        }
        tokio::select! {
            () = engine.shutdown.cancelled() => {}
            () = nudged.notified() => tokio::time::sleep(duty.gathers_nudges_for()).await,
            () = tokio::time::sleep(duty.interval()) => {}
        }
    }
}

/// When this replica last asked for the lease of a duty and got it. Asking is a write, and a busy duty runs many times a second.
#[derive(Default)]
struct Lease(Option<Instant>);

impl Lease {
    async fn is_ours(&mut self, engine: &Inner, duty: Duty) -> bool {
        if !duty.runs_once() || self.0.is_some_and(|asked_at| asked_at.elapsed() < RENEW_LEASE_EVERY) {
            return true;
        }
        let asked_at = Instant::now();
        let lease_seconds = DUTY_LEASE_SECONDS.max(duty.interval().as_secs_f64() * 2.0);
        let is_ours = match engine.ledger.lease_duty(duty.name(), engine.replica, lease_seconds).await {
            Ok(is_ours) => is_ours,
            Err(error) => {
                tracing::warn!(
                    duty = duty.name(),
                    error = &error as &dyn std::error::Error,
                    "could not take the lease of a duty"
                );
                false
            }
        };
        self.0 = is_ours.then_some(asked_at);
        is_ours
    }
}

/// A run that takes long keeps the lease of its duty alive.
async fn run_under_lease(engine: &Arc<Inner>, duty: Duty, lease: &mut Lease) -> Report {
    let run = duty.run(engine);
    tokio::pin!(run);
    loop {
        tokio::select! {
            report = &mut run => return report,
            () = tokio::time::sleep(RENEW_LEASE_EVERY) => { lease.is_ours(engine, duty).await; }
        }
    }
}

async fn run_and_tell(engine: &Arc<Inner>, duty: Duty, lease: &mut Lease, told_idle: &mut Option<Instant>) -> Report {
    let (started_at, began, run_id) = (chrono::Utc::now(), Instant::now(), trace::fresh());
    let span = tracing::error_span!("duty", duty = duty.name(), request_id = %run_id);
    let report = trace::follow(Arc::clone(&run_id), span.clone(), run_under_lease(engine, duty, lease)).await;
    let outcome = report.outcome();
    engine.outcomes.duty_ran(duty, outcome, began.elapsed());
    if outcome == DutyOutcome::Idle && told_idle.is_some_and(|at| at.elapsed() < TELL_IDLE_EVERY) {
        return report;
    }
    *told_idle = (outcome == DutyOutcome::Idle).then(Instant::now);
    span.in_scope(|| tracing::debug!(duty.outcome = outcome.as_str(), "{}: {}", duty.name(), report.summary()));
    let run = FinishedRun { duty: duty.name(), started_at, outcome, report: &report.to_json(&run_id) };
    if let Err(error) = engine.ledger.record_run(&run).await {
        tracing::warn!(
            duty = duty.name(),
            error = &error as &dyn std::error::Error,
            "could not write down how a duty went"
        );
    }
    report
}
