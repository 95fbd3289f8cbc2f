//! A database of the fleet, as the screens see it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Event, Finding, Override, Quota, Storage, Time, Usage};

/// Where a database is in its life. `claimed` never goes back to `available`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DatabaseState {
    Requested,
    Creating,
    Verifying,
    Available,
    /// Kept, and not handed out by itself: somebody may have used it.
    Withheld,
    Claimed,
    Releasing,
    Deleted,
    Failed,
}

impl DatabaseState {
    pub const ALL: [Self; 9] = [
        Self::Requested,
        Self::Creating,
        Self::Verifying,
        Self::Available,
        Self::Withheld,
        Self::Claimed,
        Self::Releasing,
        Self::Deleted,
        Self::Failed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Creating => "creating",
            Self::Verifying => "verifying",
            Self::Available => "available",
            Self::Withheld => "withheld",
            Self::Claimed => "claimed",
            Self::Releasing => "releasing",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// On its way from the request to the pool.
    pub fn is_in_flight(self) -> bool {
        matches!(self, Self::Requested | Self::Creating | Self::Verifying)
    }
}

/// What Neon says of the compute endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// Being made.
    Init,
    /// Running: a connection is answered at once.
    Active,
    /// Scaled to zero: the next connection wakes it.
    Idle,
}

impl EndpointState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Active => "active",
            Self::Idle => "idle",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "init" => Some(Self::Init),
            "active" => Some(Self::Active),
            "idle" => Some(Self::Idle),
            _ => None,
        }
    }
}

/// Why a database cannot be used as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BlockReason {
    /// Storage quota reached: it starts, but writes fail.
    Storage,
    /// A time, compute, transfer or written-data quota reached: Neon suspends it and refuses to start it until the billing period ends.
    ActiveTime,
    ComputeTime,
    WrittenData,
    DataTransfer,
    /// The endpoint is switched off on Neon.
    EndpointDisabled,
}

impl BlockReason {
    pub const ALL: [Self; 6] = [
        Self::Storage,
        Self::ActiveTime,
        Self::ComputeTime,
        Self::WrittenData,
        Self::DataTransfer,
        Self::EndpointDisabled,
    ];

    /// The ledger's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::ActiveTime => "active_time",
            Self::ComputeTime => "compute_time",
            Self::WrittenData => "written_data",
            Self::DataTransfer => "data_transfer",
            Self::EndpointDisabled => "endpoint_disabled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// Short, for a badge.
    pub fn label(self) -> &'static str {
        match self {
            Self::Storage => "storage full",
            Self::ActiveTime => "active time used up",
            Self::ComputeTime => "compute time used up",
            Self::WrittenData => "written data used up",
            Self::DataTransfer => "transfer used up",
            Self::EndpointDisabled => "endpoint disabled",
        }
    }
}

/// The end user to whom a database belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Owner {
    /// The platform's own id of this user.
    pub id: String,
    pub email: String,
    pub organisation: Option<String>,
    pub plan: String,
}

/// One line of the table of databases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabaseRow {
    pub id: Uuid,
    pub state: DatabaseState,
    pub simulated: bool,
    pub pool: String,
    pub region: String,
    pub neon_project_id: Option<String>,
    pub owner: Option<Owner>,
    pub endpoint: Option<EndpointState>,
    pub block: Option<BlockReason>,
    /// When it was first seen to be blocked, whatever the reason.
    pub blocked_since: Option<Time>,
    /// What its branch holds, which the storage quota limits; `None` while not known. See [`Storage`].
    pub logical_size_bytes: Option<i64>,
    /// When Neon told it.
    pub size_measured_at: Option<Time>,
    /// Data and history of all branches, as billed; `None` while not known.
    pub synthetic_size_bytes: Option<i64>,
    pub quota_logical_size_bytes: Option<i64>,
    pub requested_at: Time,
    pub claimed_at: Option<Time>,
    pub last_active_at: Option<Time>,
    pub observed_at: Option<Time>,
    /// When the usage behind the quotas was last read.
    pub usage_observed_at: Option<Time>,
    /// Desired, and not yet confirmed by Neon.
    pub pending: bool,
}

impl DatabaseRow {
    pub fn storage(&self) -> Storage {
        Storage::of(self.logical_size_bytes, self.synthetic_size_bytes, self.quota_logical_size_bytes)
    }
}

/// Everything about one database but its secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabaseDetail {
    pub row: DatabaseRow,
    pub state_since: Time,
    pub pg_version: i32,
    pub neon_project_name: String,
    pub neon_branch_id: Option<String>,
    pub neon_endpoint_id: Option<String>,
    pub host: Option<String>,
    pub database_name: Option<String>,
    pub role_name: Option<String>,
    /// Why it is kept, and not handed out.
    pub withheld_reason: Option<String>,
    /// When Neon last confirmed the password; where it never did, when a connection with it was last answered.
    pub credentials_verified_at: Option<Time>,
    /// When it was noticed that the password had been changed on Neon, past Flotilla.
    pub credentials_changed_at: Option<Time>,
    pub available_at: Option<Time>,
    pub deleted_at: Option<Time>,
    pub recoverable_until: Option<Time>,
    /// Since when its deletion is refused.
    pub release_refused_at: Option<Time>,
    pub quota: Quota,
    /// Rises with every change of the quota.
    pub quota_revision: i64,
    pub usage: Usage,
    pub period_start: Option<Time>,
    pub period_end: Option<Time>,
    pub min_cu: f64,
    pub max_cu: f64,
    /// Seconds without a connection after which the compute stops; 0 is Neon's default (300), -1 never.
    pub suspend_timeout_seconds: i32,
    /// How far back Neon can restore; `None` is left to Neon.
    pub history_retention_seconds: Option<i32>,
    /// Where it differs from its plan, because somebody wanted it to.
    pub overrides: Vec<Override>,
    /// The plans there are to choose from.
    pub plans: Vec<String>,
    pub wanted_endpoint: Option<EndpointAction>,
    /// The last thing that went wrong, with its time, while a change is still to be made or creation failed.
    pub last_error: Option<String>,
    pub last_error_at: Option<Time>,
    pub next_attempt_at: Option<Time>,
    pub attempts: i32,
    /// Newest first, bounded.
    pub events: Vec<Event>,
    /// What the comparison with Neon's list has found about it; the one that needs somebody most.
    pub finding: Option<Finding>,
    /// When this answer was read from the ledger.
    pub as_of: Time,
}

/// What the endpoint is asked to do once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointAction {
    Suspend,
    Resume,
}

impl EndpointAction {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }
}

/// How a client connects. Holds the password: the answer to a claim or to an audited reveal, and nothing else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Connection {
    pub uri: String,
    pub pooled_uri: String,
    pub host: String,
    pub port: u16,
    pub database: String,
    pub role: String,
    pub password: String,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("host", &self.host).field("role", &self.role).finish_non_exhaustive()
    }
}

/// What is disclosed to whoever asked for it with a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    pub connection: Connection,
    /// When Neon last confirmed the password; where it never did, when a connection with it was last answered.
    pub verified_at: Option<Time>,
    /// When it was noticed that the password had been changed on Neon, past Flotilla. What is told here is the new one.
    pub changed_on_neon_at: Option<Time>,
    /// Why Neon was not able to confirm it just now; absent when it did.
    pub not_verified_because: Option<String>,
}

/// What came of an action that a person waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Neon has confirmed it.
    Done,
    /// Recorded; the engine goes on trying. The text says why it is not done yet.
    Pending(String),
}

/// What can only be done or refused.
impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Done
    }
}
