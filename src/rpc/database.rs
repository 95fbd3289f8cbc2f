//! One database: what is known of it, and what can be done with it. Actions record their intent with an event first, then
//! ask the engine to carry it out at once; what is not done within a few seconds stays intent.

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;
use uuid::Uuid;

use fleet_types::{AppError, Credentials, DatabaseDetail, Outcome, UsageHistory, UsageRange};

#[server(endpoint = "database", input = GetUrl)]
pub async fn database(id: Uuid) -> Result<DatabaseDetail, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    caller.state.engine.looked_at(id);
    Ok(caller.state.ledger.database(id).await?)
}

/// What it used, day by day.
#[server(name = ReadUsage, endpoint = "database-usage", input = GetUrl)]
pub async fn database_usage(id: Uuid, range: UsageRange) -> Result<UsageHistory, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    let today = chrono::Utc::now().date_naive();
    let from = today - chrono::TimeDelta::days(range.days() - 1);
    Ok(caller.state.ledger.usage_history(id, from, today).await?)
}

/// Sets the limits that are there; `revision` is that of the quota which the form was filled from. Texts as a person writes them: sizes as `512 MiB`,
/// times in hours; `unlimited` for none.
#[server(endpoint = "set-quota")]
pub async fn set_quota(
    id: Uuid,
    revision: i64,
    storage: Option<String>,
    active_hours: Option<String>,
    compute_hours: Option<String>,
    written: Option<String>,
    transfer: Option<String>,
    reason: String,
) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    let change = fleet_types::QuotaChange::parse(
        storage.as_deref(),
        active_hours.as_deref(),
        compute_hours.as_deref(),
        written.as_deref(),
        transfer.as_deref(),
    )?;
    let intent = ledger::QuotaIntent { read_at: Some(revision), ..ledger::QuotaIntent::default() };
    caller.state.ledger.change_quota(id, &change, intent, &caller.because(&reason)?).await?;
    Ok(caller.state.engine.apply_now(id).await)
}

#[server(endpoint = "suspend")]
pub async fn suspend(id: Uuid, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    caller
        .state
        .ledger
        .request_endpoint_action(id, fleet_types::EndpointAction::Suspend, &caller.because(&reason)?)
        .await?;
    Ok(caller.state.engine.apply_now(id).await)
}

#[server(endpoint = "resume")]
pub async fn resume(id: Uuid, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    caller
        .state
        .ledger
        .request_endpoint_action(id, fleet_types::EndpointAction::Resume, &caller.because(&reason)?)
        .await?;
    Ok(caller.state.engine.apply_now(id).await)
}

/// Seconds without a connection after which the compute stops: 0 is Neon's default, -1 never, else 60 to 604,800.
#[server(endpoint = "set-suspend-timeout")]
pub async fn set_suspend_timeout(id: Uuid, seconds: i32, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    caller.state.ledger.set_suspend_timeout(id, seconds, &caller.because(&reason)?).await?;
    Ok(caller.state.engine.apply_now(id).await)
}

/// Asks Neon for the state, the size and the usage of this database now.
#[server(endpoint = "refresh")]
pub async fn refresh(id: Uuid) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Refresh)?;
    caller.state.ledger.database(id).await?;
    Ok(caller.state.engine.refresh_now(id).await)
}

/// The credentials, after the reason has been written down, as Neon has them now.
#[server(endpoint = "reveal")]
pub async fn reveal(id: Uuid, reason: String) -> Result<Credentials, AppError> {
    use ledger::{Disclosure, Way};
    let caller = super::caller::permit(fleet_types::Permission::Reveal)?;
    let by = caller.because(&reason)?;
    let disclosure = Disclosure { way: Way::Reveal, address: &caller.address, pools: None };
    let stored = caller.state.ledger.disclose(id, &disclosure, &by).await?;
    Ok(caller.state.engine.current_credentials(id, &stored).await?)
}

/// A new password for the database's role. The old one stops working within seconds.
#[server(endpoint = "rotate-password")]
pub async fn rotate_password(id: Uuid, reason: String) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    caller.state.ledger.request_password_reset(id, &caller.because(&reason)?).await?;
    Ok(caller.state.engine.apply_now(id).await)
}

/// Gives the database up for good: it is deleted on Neon, recoverable there for 7 days. `confirmation` must be the owner's e-mail address
/// or, where there is none, the database's id. What nobody is known to hold is looked into first, and refused if it is not empty, unless it may go `anyway`.
#[server(endpoint = "release")]
pub async fn release(
    id: Uuid,
    confirmation: String,
    reason: String,
    #[server(default)] anyway: bool,
) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    let by = caller.because(&reason)?;
    caller.state.ledger.confirm_release(id, &confirmation).await?;
    Ok(caller.state.engine.release(id, engine::Terms { anyway, only_unclaimed: false }, &by).await?)
}

/// Tries the deletion of a released database again now, without waiting for the engine to do so: what Neon refused it for may be gone.
#[server(endpoint = "delete-again")]
pub async fn delete_again(id: Uuid) -> Result<Outcome, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::ManageDatabases)?;
    caller.state.ledger.database(id).await?;
    Ok(caller.state.engine.release_now(id).await)
}
