//! The table of databases.

use leptos::prelude::*;
use leptos::server_fn::codec::{GetUrl, Json};

use fleet_types::{AppError, DatabaseFilter, DatabasePage, FilterChoices, PagePosition};

#[server(endpoint = "databases", input = Json)]
pub async fn list_databases(filter: DatabaseFilter, position: PagePosition) -> Result<DatabasePage, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.database_page(&filter, &position).await?)
}

/// What the filters offer: pools, plans and regions that exist.
#[server(name = ReadFilterChoices, endpoint = "filter-choices", input = GetUrl)]
pub async fn filter_choices() -> Result<FilterChoices, AppError> {
    let caller = super::caller::permit(fleet_types::Permission::Read)?;
    Ok(caller.state.ledger.filter_choices().await?)
}
