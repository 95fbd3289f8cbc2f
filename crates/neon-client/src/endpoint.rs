//! Compute endpoints: what runs, and what a client connects to.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::client::Call;
use super::record::{Fields, Record};
use super::{NeonClient, NeonError, Route};

#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    pub id: String,
    pub branch_id: String,
    pub host: String,
    /// `read_write` or `read_only`.
    pub kind: String,
    /// `init`, `active`, `idle`, or a word that Neon adds later.
    pub state: String,
    /// Where it is going, while it is going there.
    pub pending_state: Option<String>,
    pub disabled: bool,
    pub last_active: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub suspended_at: Option<DateTime<Utc>>,
    /// Seconds without a connection until it stops; 0 is Neon's default (300), -1 never.
    pub suspend_timeout_seconds: i32,
    pub min_cu: f64,
    pub max_cu: f64,
}

impl Record for Endpoint {
    const ID: &'static str = "id";

    /// What decides whether it may be used must be told.
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let (id, branch_id, host) = (fields.id("id")?, fields.id("branch_id")?, fields.text("host")?);
        let (state, kind) = (fields.text("current_state")?, fields.text("type").unwrap_or_default());
        let disabled = fields.read("disabled").unwrap_or_default();
        fields.is_sound().then_some(())?;
        Some(Self {
            id,
            branch_id,
            host,
            kind,
            state,
            disabled,
            pending_state: fields.text("pending_state"),
            last_active: fields.past("last_active"),
            started_at: fields.past("started_at"),
            suspended_at: fields.past("suspended_at"),
            suspend_timeout_seconds: fields.read("suspend_timeout_seconds").unwrap_or_default(),
            min_cu: fields.read("autoscaling_limit_min_cu").unwrap_or_default(),
            max_cu: fields.read("autoscaling_limit_max_cu").unwrap_or_default(),
        })
    }
}

impl Endpoint {
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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ComputeSettings {
    /// At least and at most, in CU. `None` leaves it as it is.
    pub size: Option<(f64, f64)>,
    /// Seconds without a connection until it stops; 0 is Neon's default (300), -1 never. `None` leaves it as it is.
    pub suspend_timeout_seconds: Option<i32>,
}

impl NeonClient {
    /// All endpoints of a project.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn endpoints(&self, project: &str) -> Result<Vec<Endpoint>, NeonError> {
        self.list(Call::to(Route::LIST_ENDPOINTS, &[project]), "endpoints").await
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
    ) -> Result<(), NeonError> {
        let mut body = json!({});
        if let Some(seconds) = settings.suspend_timeout_seconds {
            body["suspend_timeout_seconds"] = json!(seconds);
        }
        if let Some((min_cu, max_cu)) = settings.size {
            body["autoscaling_limit_min_cu"] = json!(min_cu);
            body["autoscaling_limit_max_cu"] = json!(max_cu);
        }
        self.done(Call::to(Route::UPDATE_ENDPOINT, &[project, endpoint]).json(json!({ "endpoint": body }))).await
    }

    /// Starts the compute. Safe to repeat.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn start_endpoint(&self, project: &str, endpoint: &str) -> Result<(), NeonError> {
        self.done(Call::to(Route::START_ENDPOINT, &[project, endpoint])).await
    }

    /// Stops the compute and cuts its connections; the next connection starts it again. Safe to repeat.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn suspend_endpoint(&self, project: &str, endpoint: &str) -> Result<(), NeonError> {
        self.done(Call::to(Route::SUSPEND_ENDPOINT, &[project, endpoint])).await
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
