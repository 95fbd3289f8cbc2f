//! Pools: how they stand, and running them.

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;

use fleet_types::{AppError, PoolDetail, PoolRange, PoolSummary, TemplateDraft};

#[server(endpoint = "pools", input = GetUrl)]
pub async fn pools() -> Result<Vec<PoolSummary>, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.pools().await?)
}

#[server(endpoint = "pool", input = GetUrl)]
pub async fn pool(name: String, range: PoolRange) -> Result<PoolDetail, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.pool(&name, range).await?)
}

#[server(endpoint = "set-target")]
pub async fn set_target(name: String, target: i32, reason: String) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    caller.state.ledger.set_target(&name, target, &caller.because(&reason)?).await?;
    caller.state.engine.nudge_refill();
    Ok(())
}

/// How many databases may be created for this pool within an hour; empty for the default.
#[server(endpoint = "set-creation-limit")]
pub async fn set_creation_limit(name: String, limit: String, reason: String) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    let limit = match limit.trim() {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            AppError::invalid("limit", "Write a whole number of databases per hour, or leave it empty for the default.")
        })?),
    };
    caller.state.ledger.set_creations_per_hour(&name, limit, &caller.because(&reason)?).await?;
    caller.state.engine.nudge_refill();
    Ok(())
}

/// Stops creating for this pool; claims go on as long as it lasts.
#[server(endpoint = "pause-pool")]
pub async fn pause_pool(name: String, reason: String) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    Ok(caller.state.ledger.pause_pool(&name, &caller.because(&reason)?).await?)
}

/// Creates again; with an open breaker one is tried, whose success closes it.
#[server(endpoint = "resume-pool")]
pub async fn resume_pool(name: String, reason: String) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    caller.state.ledger.resume_pool(&name, &caller.because(&reason)?).await?;
    caller.state.engine.nudge_refill();
    Ok(())
}

/// Changes what databases of the pool are made of; those that are unclaimed follow, oldest first. `revision` is that of the template that was read.
#[server(endpoint = "set-template")]
pub async fn set_template(
    name: String,
    revision: i32,
    #[server(flatten)] template: TemplateDraft,
    reason: String,
) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    caller.state.ledger.set_template(&name, &template.parse()?, Some(revision), &caller.because(&reason)?).await?;
    caller.state.engine.nudge_roll();
    Ok(())
}
