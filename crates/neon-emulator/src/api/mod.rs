//! The management API v2: routes, and what every call passes before it reaches its handler (`gate`).

mod access;
mod account;
mod api_keys;
mod branches;
mod connection_uri;
mod consumption;
mod databases;
mod endpoints;
mod error;
mod extract;
mod gate;
mod new_endpoint;
mod operations;
mod projects;
mod roles;
mod shapes;
mod spoil;
mod transfer;

pub use error::{ApiError, outside_of_the_api};

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};

use crate::context::Context;

/// The API below its base path.
pub fn router(context: &Arc<Context>) -> Router<Arc<Context>> {
    routes()
        .fallback(error::unknown_route)
        .method_not_allowed_fallback(error::unknown_route)
        .layer(from_fn_with_state(context.clone(), gate::pass))
}

fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/auth", get(account::auth))
        .route("/users/me", get(account::user))
        .route("/users/me/organizations", get(account::organizations))
        .route("/organizations/{org_id}", get(account::organization))
        .route("/api_keys", get(api_keys::list).post(api_keys::create))
        .route("/api_keys/{key_id}", delete(api_keys::revoke))
        .route(
            "/organizations/{org_id}/api_keys",
            get(api_keys::list_of_organization).post(api_keys::create_in_organization),
        )
        .route("/organizations/{org_id}/api_keys/{key_id}", delete(api_keys::revoke_in_organization))
        .route("/organizations/{org_id}/projects/transfer", post(transfer::transfer))
        .route("/regions", get(account::regions))
        .route("/consumption_history/projects", get(consumption::legacy))
        .route("/consumption_history/v2/projects", get(consumption::current))
        .route("/projects", get(projects::list).post(projects::create))
        .route("/projects/shared", get(projects::list_shared))
        .route("/projects/{project_id}", get(projects::read).patch(projects::update).delete(projects::delete))
        .route("/projects/{project_id}/recover", post(projects::recover))
        .route("/projects/{project_id}/connection_uri", get(connection_uri::read))
        .route("/projects/{project_id}/operations", get(operations::list))
        .route("/projects/{project_id}/operations/{operation_id}", get(operations::read))
        .route("/projects/{project_id}/endpoints", get(endpoints::list).post(new_endpoint::create))
        .route(
            "/projects/{project_id}/endpoints/{endpoint_id}",
            get(endpoints::read).patch(endpoints::update).delete(new_endpoint::delete),
        )
        .route("/projects/{project_id}/endpoints/{endpoint_id}/start", post(endpoints::start))
        .route("/projects/{project_id}/endpoints/{endpoint_id}/suspend", post(endpoints::suspend))
        .route("/projects/{project_id}/endpoints/{endpoint_id}/restart", post(endpoints::restart))
        .nest("/projects/{project_id}/branches", branch_routes())
}

fn branch_routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/", get(branches::list).post(branches::create))
        .route("/count", get(branches::count))
        .route("/{branch_id}", get(branches::read).patch(branches::update).delete(branches::delete))
        .route("/{branch_id}/recover", post(branches::recover))
        .route("/{branch_id}/restore", post(branches::restore))
        .route("/{branch_id}/set_as_default", post(branches::set_as_default))
        .route("/{branch_id}/endpoints", get(branches::endpoints))
        .route("/{branch_id}/databases", get(databases::list).post(databases::create))
        .route(
            "/{branch_id}/databases/{database_name}",
            get(databases::read).patch(databases::update).delete(databases::delete),
        )
        .route("/{branch_id}/roles", get(roles::list).post(roles::create))
        .route("/{branch_id}/roles/{role_name}", get(roles::read).delete(roles::delete))
        .route("/{branch_id}/roles/{role_name}/reveal_password", get(roles::reveal_password))
        .route("/{branch_id}/roles/{role_name}/reset_password", post(roles::reset_password))
}
