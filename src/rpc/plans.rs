//! Plans, and which of them an owner has.

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use uuid::Uuid;

use fleet_types::{AppError, Outcome, Plan};

#[server(name = ReadPlans, endpoint = "plans", input = GetUrl)]
pub async fn plans() -> Result<Vec<Plan>, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.plans().await?)
}

/// Gives the owner of this database another plan: all their databases follow it.
#[server(endpoint = "change-plan")]
pub async fn change_plan(id: Uuid, plan: String, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    let by = caller.because(&reason)?;
    let change = ledger::OwnerChange { plan: Some(fleet_types::plan_name(&plan)?), ..ledger::OwnerChange::default() };
    let owner = caller.state.ledger.owner_of(id).await?;
    caller.state.ledger.change_owner(&owner, &change, false, &by).await?;
    caller.state.engine.nudge_apply();
    Ok(caller.state.engine.apply_now(id).await)
}

/// Raises a used-up limit of this database for a while, as far as the owner's plan allows.
#[server(endpoint = "relieve")]
pub async fn relieve(id: Uuid, limit: String, hours: i64, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    let by = caller.because(&reason)?;
    let relief = ledger::Relief { limit, percent: None, hours };
    caller.state.ledger.relieve(id, &relief, &by).await?;
    Ok(caller.state.engine.apply_now(id).await)
}

/// No further database is brought to the changed plan; what is on its way to Neon goes on.
#[server(endpoint = "stop-roll-out")]
pub async fn stop_roll_out(plan: String, reason: String) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    let plan = fleet_types::plan_name(&plan)?;
    caller.state.ledger.stop_plan_roll_out(&plan, &caller.because(&reason)?).await?;
    Ok(())
}

/// The roll-out goes on; whom Neon refuses it for by now is accepted.
#[server(endpoint = "resume-roll-out")]
pub async fn resume_roll_out(plan: String, reason: String) -> Result<(), AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManagePools)?;
    let plan = fleet_types::plan_name(&plan)?;
    caller.state.ledger.resume_plan_roll_out(&plan, &caller.because(&reason)?).await?;
    caller.state.engine.nudge_roll();
    Ok(())
}

/// Ends an override: the database goes back to its plan there.
#[server(endpoint = "end-override")]
pub async fn end_override(id: Uuid, field: String, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    let by = caller.because(&reason)?;
    let field =
        fleet_types::text::label(&field, 1..=40).map_err(|error| AppError::invalid("field", error.to_string()))?;
    caller.state.ledger.end_override(id, &field, &by).await?;
    Ok(caller.state.engine.apply_now(id).await)
}
