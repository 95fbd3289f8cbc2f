//! Policies and schedules: trying one on the past, setting it, taking it away.

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;

use fleet_types::{AppError, PeakDraft, PolicyDraft, PolicyPage, PolicyTrial};

#[server(endpoint = "pool-policy", input = GetUrl)]
pub async fn pool_policy(name: String) -> Result<PolicyPage, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.policy_page(&name).await?)
}

/// What the policy would have done over the recorded history. Changes nothing. An empty draft stands for what the form begins with.
#[server(endpoint = "try-policy", input = GetUrl)]
pub async fn try_policy(name: String, #[server(flatten)] draft: PolicyDraft) -> Result<PolicyTrial, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.try_policy(&name, draft).await?)
}

/// `read` is the policy that was in force when the form was filled.
#[server(endpoint = "set-policy")]
pub async fn set_policy(
    name: String,
    read: i64,
    #[server(flatten)] draft: PolicyDraft,
    reason: String,
) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    let policy = draft.parse()?;
    let read = Some(fleet_types::PolicyRead(read));
    caller.state.ledger.set_policy(&name, &policy, read, &caller.because(&reason)?).await?;
    caller.state.engine.nudge_size();
    Ok(())
}

/// The target stays as it is, until somebody sets another.
#[server(endpoint = "remove-policy")]
pub async fn remove_policy(name: String, reason: String) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    Ok(caller.state.ledger.remove_policy(&name, &caller.because(&reason)?).await?)
}

#[server(endpoint = "add-schedule")]
pub async fn add_schedule(name: String, #[server(flatten)] peak: PeakDraft, reason: String) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    caller.state.ledger.add_schedule(&name, &peak.parse()?, &caller.because(&reason)?).await?;
    caller.state.engine.nudge_size();
    Ok(())
}

#[server(endpoint = "remove-schedule")]
pub async fn remove_schedule(name: String, schedule: i64, reason: String) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    caller.state.ledger.remove_schedule(&name, schedule, &caller.because(&reason)?).await?;
    caller.state.engine.nudge_size();
    Ok(())
}
