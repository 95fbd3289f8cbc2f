//! What the engine has been doing.

use leptos::prelude::*;
use leptos::server_fn::codec::GetUrl;

use crate::types::{AppError, DutyStatus};

#[server(endpoint = "duties", input = GetUrl)]
pub async fn duties() -> Result<Vec<DutyStatus>, AppError> {
    let caller = crate::server::auth::permit(crate::types::Permission::Read)?;
    Ok(caller.state.engine.duties().await?)
}
