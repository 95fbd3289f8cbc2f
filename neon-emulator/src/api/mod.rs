//! The management API v2: routes, and what every call passes before it reaches its handler (`gate`).

mod account;
mod branches;
mod databases;
mod endpoints;
mod error;
mod extract;
mod gate;
mod operations;
mod projects;
pub(crate) mod shapes;

pub use error::ApiError;
pub use projects::measured;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::faults::{self, Faults};
use crate::limits::Limits;
use crate::model::{Project, Timing};
use crate::proxy::Connections;
use crate::stats::Recorder;
use crate::store::{Backing, Store};

/// Where the API lies on its host.
pub const BASE_PATH: &str = "/api/v2";

/// What the handlers work with.
#[derive(Debug)]
pub struct Context {
    pub config: Config,
    pub timing: Timing,
    pub clock: Clock,
    pub store: Store,
    pub backing: Backing,
    pub connections: Connections,
    pub faults: Faults,
    pub stats: Recorder,
    pub limits: Limits,
    /// Cancelled when the emulator stops.
    pub stop: CancellationToken,
    /// `host:port` of the proxy in connection strings.
    pub proxy_address: String,
}

impl Context {
    /// Ends the open connections of a project, as its compute stops.
    pub async fn cut_connections(&self, project: &Project) {
        if project.materialized_at.is_some() {
            let database = self.backing.names(project).database;
            if let Err(error) = self.backing.end_sessions(&database).await {
                tracing::warn!(error = %error, project.id = %project.id, "sessions in the backing server could not be ended");
            }
        }
        self.connections.cut(&project.endpoint_id);
    }
}

/// Everything that the API's port serves.
pub fn router(context: Arc<Context>) -> Router {
    let api = routes()
        .fallback(error::unknown_route)
        .method_not_allowed_fallback(error::unknown_route)
        .layer(from_fn_with_state(context.clone(), gate::pass));
    Router::new()
        .nest(BASE_PATH, api)
        .nest("/_emulator", faults::control::routes())
        .fallback(error::outside_of_the_api)
        .with_state(context)
}

fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/auth", get(account::auth))
        .route("/regions", get(account::regions))
        .route("/projects", get(projects::list).post(projects::create))
        .route("/projects/shared", get(projects::list_shared))
        .route("/projects/{project_id}", get(projects::read).patch(projects::update).delete(projects::delete))
        .route("/projects/{project_id}/recover", post(projects::recover))
        .route("/projects/{project_id}/connection_uri", get(databases::connection_uri))
        .route("/projects/{project_id}/operations", get(operations::list))
        .route("/projects/{project_id}/operations/{operation_id}", get(operations::read))
        .route("/projects/{project_id}/endpoints", get(endpoints::list))
        .route("/projects/{project_id}/endpoints/{endpoint_id}", get(endpoints::read).patch(endpoints::update))
        .route("/projects/{project_id}/endpoints/{endpoint_id}/start", post(endpoints::start))
        .route("/projects/{project_id}/endpoints/{endpoint_id}/suspend", post(endpoints::suspend))
        .route("/projects/{project_id}/endpoints/{endpoint_id}/restart", post(endpoints::restart))
        .route("/projects/{project_id}/branches", get(branches::list))
        .route("/projects/{project_id}/branches/{branch_id}", get(branches::read))
        .route("/projects/{project_id}/branches/{branch_id}/endpoints", get(branches::endpoints))
        .route("/projects/{project_id}/branches/{branch_id}/databases", get(databases::list))
        .route("/projects/{project_id}/branches/{branch_id}/databases/{database_name}", get(databases::read))
        .route("/projects/{project_id}/branches/{branch_id}/roles", get(databases::roles))
        .route("/projects/{project_id}/branches/{branch_id}/roles/{role_name}", get(databases::role))
        .route(
            "/projects/{project_id}/branches/{branch_id}/roles/{role_name}/reveal_password",
            get(databases::reveal_password),
        )
}
