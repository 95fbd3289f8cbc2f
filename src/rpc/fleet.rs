//! Fleet health, and the status strip of every page.

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;

use fleet_types::{AppError, FleetHealth, Status};

#[server(name = ReadFleetHealth, endpoint = "fleet-health", input = GetUrl)]
pub async fn fleet_health() -> Result<FleetHealth, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.fleet_health().await?)
}

#[server(name = ReadStatus, endpoint = "status", input = GetUrl)]
pub async fn status() -> Result<Status, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.status().await?)
}
