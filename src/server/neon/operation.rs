//! Operations: what Neon does in the background after a call was accepted.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::client::Call;
use super::{NeonClient, NeonError, Route, wire};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Operation {
    pub id: String,
    #[serde(default)]
    pub endpoint_id: Option<String>,
    /// `create_timeline`, `start_compute` and some thirty more.
    pub action: String,
    /// Neon's word for it; see [`Self::is_in_flight`] and [`Self::has_failed`].
    pub status: String,
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default, deserialize_with = "wire::or_default")]
    pub failures_count: i32,
    pub created_at: DateTime<Utc>,
    #[serde(default, deserialize_with = "wire::moment")]
    pub updated_at: Option<DateTime<Utc>>,
    #[serde(default, deserialize_with = "wire::or_default")]
    pub total_duration_ms: i64,
}

impl Operation {
    /// It still runs and locks its project.
    pub fn is_in_flight(&self) -> bool {
        matches!(self.status.as_str(), "scheduling" | "running" | "cancelling")
    }

    /// It ended badly, or for now: Neon may try a `failed` one again by itself.
    pub fn has_failed(&self) -> bool {
        matches!(self.status.as_str(), "failed" | "error" | "cancelled")
    }
}

impl NeonClient {
    /// The newest operations of a project, newest first. One just started may not be in it yet.
    ///
    /// # Errors
    /// Any [`NeonError`].
    pub async fn operations(&self, project: &str, limit: u32) -> Result<Vec<Operation>, NeonError> {
        #[derive(Deserialize)]
        struct Answer {
            operations: Vec<Operation>,
        }
        let call = Call::to(Route::LIST_OPERATIONS, &[project]).with("limit", limit.clamp(1, 1_000));
        self.call(call).await.map(|Answer { operations }| operations)
    }
}
