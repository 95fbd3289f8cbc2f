//! Compute endpoints: what runs, and what a client connects to.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::client::Call;
use super::{NeonClient, NeonError, Route, wire};
use crate::types::EndpointState;

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Endpoint {
    pub id: String,
    pub branch_id: String,
    pub host: String,
    /// `read_write` or `read_only`.
    #[serde(rename = "type", default, deserialize_with = "wire::or_default")]
    pub kind: String,
    /// Neon's word for it; see [`Self::known_state`].
    #[serde(rename = "current_state")]
    pub state: String,
    /// Where it is going, while it is going there.
    #[serde(default)]
    pub pending_state: Option<String>,
    #[serde(default, deserialize_with = "wire::or_default")]
    pub disabled: bool,
    #[serde(default, deserialize_with = "wire::moment")]
    pub last_active: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::moment")]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::moment")]
    pub suspended_at: Option<DateTime<Utc>>,
    /// Seconds without a connection until it stops; 0 is Neon's default (300), -1 never.
    #[serde(default, deserialize_with = "wire::or_default")]
    pub suspend_timeout_seconds: i32,
    #[serde(rename = "autoscaling_limit_min_cu", default, deserialize_with = "wire::or_default")]
    pub min_cu: f64,
    #[serde(rename = "autoscaling_limit_max_cu", default, deserialize_with = "wire::or_default")]
    pub max_cu: f64,
}

impl Endpoint {
    /// `None`: a word that this version does not know.
    pub fn known_state(&self) -> Option<EndpointState> {
        EndpointState::parse(&self.state)
    }

    /// On its way from one state to another; calls that change it are answered with "busy" meanwhile.
    pub fn is_changing(&self) -> bool {
        self.pending_state.as_ref().is_some_and(|pending| *pending != self.state)
    }

    /// The one endpoint of its branch that takes writes.
    pub fn is_writable(&self) -> bool {
        self.kind != "read_only"
    }
}

/// Size and sleep of a compute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComputeSettings {
    pub min_cu: f64,
    pub max_cu: f64,
    /// Seconds without a connection until it stops; 0 is Neon's default (300), -1 never.
    pub suspend_timeout_seconds: i32,
}

#[derive(Deserialize)]
struct EndpointAnswer {
    endpoint: Endpoint,
}

impl NeonClient {
    /// All endpoints of a project.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn endpoints(&self, project: &str) -> Result<Vec<Endpoint>, NeonError> {
        #[derive(Deserialize)]
        struct Answer {
            endpoints: Vec<Endpoint>,
        }
        self.call(Call::to(Route::LIST_ENDPOINTS, &[project])).await.map(|Answer { endpoints }| endpoints)
    }

    /// Sets size and sleep. An idle compute is woken for a moment by Neon to apply it.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn update_endpoint(
        &self,
        project: &str,
        endpoint: &str,
        settings: &ComputeSettings,
    ) -> Result<Endpoint, NeonError> {
        let body = json!({"endpoint": {
            "autoscaling_limit_min_cu": settings.min_cu,
            "autoscaling_limit_max_cu": settings.max_cu,
            "suspend_timeout_seconds": settings.suspend_timeout_seconds,
        }});
        self.call(Call::to(Route::UPDATE_ENDPOINT, &[project, endpoint]).json(body))
            .await
            .map(|EndpointAnswer { endpoint }| endpoint)
    }

    /// Starts the compute. Safe to repeat.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn start_endpoint(&self, project: &str, endpoint: &str) -> Result<Endpoint, NeonError> {
        self.call(Call::to(Route::START_ENDPOINT, &[project, endpoint]))
            .await
            .map(|EndpointAnswer { endpoint }| endpoint)
    }

    /// Stops the compute and cuts its connections; the next connection starts it again. Safe to repeat.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn suspend_endpoint(&self, project: &str, endpoint: &str) -> Result<Endpoint, NeonError> {
        self.call(Call::to(Route::SUSPEND_ENDPOINT, &[project, endpoint]))
            .await
            .map(|EndpointAnswer { endpoint }| endpoint)
    }

    /// The connection string with its password, as Neon has it now.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn connection_uri(
        &self,
        project: &str,
        branch: &str,
        endpoint: &str,
        database: &str,
        role: &str,
        pooled: bool,
    ) -> Result<SecretString, NeonError> {
        #[derive(Deserialize)]
        struct Answer {
            uri: String,
        }
        let call = Call::to(Route::CONNECTION_URI, &[project])
            .with("branch_id", branch)
            .with("endpoint_id", endpoint)
            .with("database_name", database)
            .with("role_name", role)
            .with("pooled", pooled);
        self.call(call).await.map(|Answer { uri }| SecretString::from(uri))
    }
}
