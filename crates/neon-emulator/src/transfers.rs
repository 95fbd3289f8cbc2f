//! Transfers between organisations: what is due arrives before anybody looks.

use chrono::TimeDelta;

use crate::clock::Instant;
use crate::context::Context;
use crate::model::{self, Batch, Obstacle, Organization, Project, Refusal, Rules};

/// For each project of a batch, unless a switch says otherwise.
const LAG_MS: u32 = 500;

/// Sends on their way what can go of a batch. Returns what stands in the way of the rest.
pub async fn begin(context: &Context, batch: &Batch<'_>) -> Result<Option<Obstacle>, Refusal> {
    let unknowns = &context.config.unknowns;
    let rules = Rules {
        direction: unknowns.transfer_direction,
        one_by_one: unknowns.transfer_goes_one_by_one,
        repeats: unknowns.transfer_may_be_repeated,
    };
    let lag = f64::from(unknowns.transfer_lag_ms.unwrap_or(LAG_MS)) * context.timing.operation_scale;
    let lag = TimeDelta::microseconds((lag * 1_000.0) as i64);
    let obstacle = context.store.begin_transfers(batch, rules, lag).await?;
    let _one_at_a_time = context.arrivals.turn().await;
    context.arrivals.set_next(context.store.next_arrival().await?);
    Ok(obstacle)
}

/// Lets arrive what is due.
pub async fn settle(context: &Context) -> Result<(), Refusal> {
    let is_due = |next: Option<Instant>| next.is_some_and(|next| next <= context.clock.now());
    if !is_due(context.arrivals.next()) {
        return Ok(());
    }
    let _one_at_a_time = context.arrivals.turn().await;
    while is_due(context.arrivals.next()) {
        let destinations = context.organizations.all();
        let arrived =
            context.store.arrive(&destinations, |project, to, now| settle_in(context, project, to, now)).await?;
        if let Some((project_id, true)) = arrived {
            context.keys.remove_of_project(&project_id);
        }
        context.arrivals.set_next(context.store.next_arrival().await?);
    }
    Ok(())
}

/// Whether a project is on its way, and so locked.
pub async fn is_locked(context: &Context, project_id: &str) -> Result<bool, Refusal> {
    if context.config.unknowns.transfer_locks_nothing || context.arrivals.next().is_none() {
        return Ok(false);
    }
    context.store.is_under_way(project_id).await
}

/// What its new organisation makes of a project. Quota, endpoints, roles and connections are left alone.
fn settle_in(context: &Context, project: &mut Project, destination: &Organization, now: Instant) {
    if context.config.unknowns.transfer_clamps_settings {
        model::clamp(project, destination, now);
    }
    if context.config.unknowns.transfer_resets_counters {
        project.forget_usage(now);
    }
}
