//! The API budget: how much of what Neon allows is used, by what, and until when.

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;

use fleet_types::{ApiBudget, AppError, PoolRange};

#[server(name = ReadApiBudget, endpoint = "api-budget", input = GetUrl)]
pub async fn api_budget(range: PoolRange) -> Result<ApiBudget, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.engine.api_budget(range).await?)
}
