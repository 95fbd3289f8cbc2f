//! How the pools stand.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::state::AppState;
use fleet_types::PoolSummary;

/// Every pool.
#[derive(Serialize, ToSchema)]
pub struct PoolList {
    items: Vec<PoolSummary>,
    /// When this was read from the ledger.
    as_of: DateTime<Utc>,
}

/// List pools
#[utoipa::path(
    get, path = "/api/v1/pools", operation_id = "listPools", tag = "pools", security(("token" = ["read"])),
    responses((status = 200, description = "Every pool", body = PoolList))
)]
pub async fn list_pools(State(state): State<AppState>) -> Result<Json<PoolList>, Problem> {
    Ok(Json(PoolList { items: state.ledger.pools().await?, as_of: Utc::now() }))
}
