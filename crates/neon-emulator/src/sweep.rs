//! The background of the emulator: computes that fall idle, sizes of databases in use, quotas, deleted projects whose
//! recovery window has ended. Nothing here is needed for a right answer; it keeps the written state near the true one.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::model::Project;
use crate::store::Which;
use crate::{quotas, transfers};

const EVERY: Duration = Duration::from_secs(1);
/// Sizes of databases with open connections are measured every so many rounds, old things removed more rarely.
const ROUNDS_TO_MEASURE: u64 = 5;
const ROUNDS_TO_CLEAN: u64 = 30;

pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let mut rounds = interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0_u64.. {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = rounds.tick() => {}
        }
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = sweep(&context, round) => done,
        };
        if let Err(error) = done {
            tracing::warn!(error = %format!("{error:#}"), "a round of the sweep failed and is tried again");
        }
    }
}

async fn sweep(context: &Context, round: u64) -> anyhow::Result<()> {
    transfers::settle(context).await?;
    while context.store.settle_due().await? == crate::store::SWEEP_BATCH {}
    context.store.settle_due_branches().await?;
    check_availability(context).await?;
    quotas::cut_suspended(context).await?;
    if round.is_multiple_of(ROUNDS_TO_MEASURE) {
        count_transfer(context).await;
        quotas::enforce_sizes(context).await?;
    }
    if round.is_multiple_of(ROUNDS_TO_CLEAN) {
        purge(context).await?;
        context.store.forget_old_operations().await?;
        context.store.forget_old_usage().await?;
    }
    Ok(())
}

/// One batch in a round, so that a fleet that falls due at once is checked in the course of minutes.
async fn check_availability(context: &Context) -> anyhow::Result<()> {
    let Some(every) = context.config.availability_checks else { return Ok(()) };
    let idle_since = context.clock.now() - TimeDelta::from_std(every)?;
    context.store.check_availability_due(idle_since).await?;
    Ok(())
}

/// What connections that are still open have sent.
async fn count_transfer(context: &Context) {
    for (project_id, bytes) in context.connections.take_sent() {
        let count = |project: &mut Project, now| {
            project.count_transfer(bytes, now);
            Ok(Vec::new())
        };
        // A project that was deleted meanwhile is no fault.
        let _ = context.store.change(&project_id, Which::Live, count).await;
    }
}

async fn purge(context: &Context) -> anyhow::Result<()> {
    let deleted_before = context.recoverable_since();
    // A project's branches go before it: as long as they are there, so is it.
    loop {
        let branches = context.store.branches_to_purge(deleted_before).await?;
        if branches.is_empty() {
            break;
        }
        for branch in &branches {
            context.remove_branch(branch).await?;
        }
    }
    for project in context.store.purge_due(deleted_before).await? {
        if project.materialized_at.is_some() {
            context.backing.drop_all(&project).await?;
        }
        context.store.mark_purged(&project.id).await?;
        tracing::info!(project.id = %project.id, "a deleted project was purged");
    }
    Ok(())
}
