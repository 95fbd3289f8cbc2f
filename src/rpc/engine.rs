//! What the engine has been doing.

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;

use crate::types::{AppError, DutyStatus, UsageTiers};

#[server(endpoint = "duties", input = GetUrl)]
pub async fn duties() -> Result<Vec<DutyStatus>, AppError> {
    let caller = crate::server::auth::permit(crate::types::Permission::Read)?;
    Ok(caller.state.engine.duties().await?)
}

/// How much of the fleet is known how well.
#[server(name = ReadUsageTiers, endpoint = "usage-tiers", input = GetUrl)]
pub async fn usage_tiers() -> Result<UsageTiers, AppError> {
    let caller = crate::server::auth::permit(crate::types::Permission::Read)?;
    Ok(caller.state.ledger.usage_tiers().await?)
}
