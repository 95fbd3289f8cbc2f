//! What concerns no project: who am I, and which regions are there?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Context;
use crate::regions::{DEFAULT_REGION, REGIONS};

pub async fn auth(State(context): State<Arc<Context>>) -> Json<Value> {
    let method = if context.config.unknowns.personal_keys { "api_key_user" } else { "api_key_org" };
    Json(json!({"account_id": context.config.org_id, "auth_method": method}))
}

pub async fn regions() -> Json<Value> {
    let regions: Vec<Value> = REGIONS
        .iter()
        .map(|region| {
            json!({"region_id": region.id, "name": region.name, "default": region.id == DEFAULT_REGION,
                   "geo_lat": region.latitude, "geo_long": region.longitude})
        })
        .collect();
    Json(json!({"regions": regions}))
}
