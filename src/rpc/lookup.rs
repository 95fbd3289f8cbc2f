//! One box that finds whatever somebody pasted.

use leptos::prelude::*;

use fleet_types::{AppError, LookupAnswer};

/// A POST, so that what is looked for stands in no access log.
#[server(endpoint = "look-up")]
pub async fn look_up(query: String) -> Result<LookupAnswer, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.look_up(&query).await?)
}
