//! The management API v2: routes, and what every call passes before it reaches its handler (`gate`).

mod account;
mod api_keys;
pub(crate) mod apply;
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
pub(crate) mod shapes;

pub use error::ApiError;
pub use projects::{checks, measured_in};

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Instant};
use crate::config::Config;
use crate::faults::{self, Faults};
use crate::keys::Keys;
use crate::limits::Limits;
use crate::model::{Project, Refusal, Timing};
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
    pub keys: Keys,
    /// Cancelled when the emulator stops.
    pub stop: CancellationToken,
    /// `host:port` of the proxy in connection strings.
    pub proxy_address: String,
}

impl Context {
    /// What was deleted before is gone for good.
    pub fn recoverable_since(&self) -> Instant {
        let window = TimeDelta::from_std(self.config.recovery_window).unwrap_or(TimeDelta::MAX);
        self.clock.now().checked_sub_signed(window).unwrap_or(Instant::UNIX_EPOCH)
    }

    /// Ends the open connections of a project, as its compute stops. Who comes while they end may stay.
    pub async fn cut_connections(&self, project: &Project) {
        let began_before = self.backing.time().await;
        let cut = self.connections.begun_by_now(&project.endpoint_id);
        self.end_connections(project, cut, began_before).await;
    }

    /// Ends what `cut` cuts, and the sessions in the backing server that began before this time of its clock. That was
    /// taken before `cut`, as a connection that is not cut begins its session later.
    pub async fn end_connections(
        &self,
        project: &Project,
        cut: CancellationToken,
        began_before: sqlx::Result<Instant>,
    ) {
        if project.materialized_at.is_some() {
            let ended = match began_before {
                Ok(began_before) => self.backing.end_sessions(project, began_before).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                tracing::warn!(error = %error, project.id = %project.id, "sessions in the backing server could not be ended");
            }
        }
        cut.cancel();
    }

    /// Ends the computes and connections of all branches of a project that has been deleted.
    pub async fn let_branches_go(&self, project: &Project) -> Result<(), Refusal> {
        self.cut_connections(project).await;
        for branch in self.store.branches_of_deleted(&project.id).await? {
            self.cut_connections(&branch).await;
        }
        self.store.stop_branches(&project.id).await
    }

    /// Removes what there is of a branch in the backing server. A failure leaves it there, and is logged.
    pub async fn drop_databases(&self, project: &Project) {
        if let Err(error) = self.backing.drop_all(project).await {
            tracing::warn!(
                error = %format!("{error:#}"),
                project.id = %project.id,
                branch.id = %project.branch_id,
                "databases of a branch could not be removed"
            );
        }
    }

    /// A further branch is gone for good, with its databases.
    pub async fn remove_branch(&self, branch: &Project) -> anyhow::Result<()> {
        self.backing.drop_all(branch).await?;
        Ok(self.store.remove_branch(&branch.branch_id).await?)
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
