//! The API for programs: `/api/v1`. Each route stands behind one scope of the token, in one of the four groups below.
//!
//! The document at `/api/v1/openapi.json` is made from the same routes, so it lists all of them and nothing else.

mod bearer;
mod claims;
mod credentials;
mod databases;
mod docs;
mod extract;
mod findings;
mod list;
mod openapi;
mod overrides;
mod owners;
mod plans;
mod pools;
mod problem;
mod quota;
mod shapes;
mod usage;
mod validate;

use axum::{Router, middleware::from_fn_with_state, routing::get};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use bearer::require as require_token;
pub use problem::Problem;

use super::limits;
use crate::{auth::Scope, state::AppState};

/// The API with its document.
pub fn router(state: &AppState) -> Router<AppState> {
    let behind = |scope| from_fn_with_state((state.clone(), scope), bearer::require);
    let (api, document) = OpenApiRouter::new()
        .merge(claiming().route_layer(behind(Scope::Claim)))
        .merge(reading().route_layer(behind(Scope::Read)))
        .merge(managing().route_layer(behind(Scope::Manage)))
        .merge(revealing().route_layer(behind(Scope::Reveal)))
        .split_for_parts();
    let document = openapi::completed(document);
    let (json, page) = (document.to_string(), docs::page(&document));
    api.route("/api/v1/openapi.json", get(move || openapi::answer(json.clone())))
        .route("/api/docs", get(move || docs::answer(page.clone())))
        .layer(limits::body())
}

/// The document alone, for `flotilla openapi` and for tests.
pub fn document() -> Value {
    let (_, document) = OpenApiRouter::<AppState>::new()
        .merge(claiming())
        .merge(reading())
        .merge(managing())
        .merge(revealing())
        .split_for_parts();
    openapi::completed(document)
}

fn claiming() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(claims::create_claim)).routes(routes!(claims::read_claim, claims::cancel_claim))
}

fn reading() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list::list_databases))
        .routes(routes!(databases::read_database))
        .routes(routes!(usage::read_usage))
        .routes(routes!(pools::list_pools))
        .routes(routes!(plans::list_plans))
        .routes(routes!(plans::read_plan))
        .routes(routes!(findings::list_findings))
}

fn managing() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(owners::change_owner))
        .routes(routes!(plans::create_plan))
        .routes(routes!(plans::change_plan, plans::delete_plan))
        .routes(routes!(plans::stop_roll_out))
        .routes(routes!(plans::resume_roll_out))
        .routes(routes!(overrides::end_override))
        .routes(routes!(overrides::relieve_database))
        .routes(routes!(quota::change_quota))
        .routes(routes!(databases::suspend_database))
        .routes(routes!(databases::resume_database))
        .routes(routes!(databases::release_database))
        .routes(routes!(credentials::rotate_password))
}

fn revealing() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(credentials::disclose_credentials))
}
