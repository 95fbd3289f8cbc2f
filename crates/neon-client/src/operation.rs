//! Operations: what Neon does in the background after a call was accepted.

use chrono::{DateTime, Utc};

use super::client::Call;
use super::record::{Fields, Record};
use super::{NeonClient, NeonError, Route};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `create_timeline`, `start_compute` and some thirty more.
    pub action: String,
    /// Neon's word for it; see [`Self::is_in_flight`] and [`Self::has_failed`].
    pub status: String,
    pub created_at: DateTime<Utc>,
    /// When its status changed last: when it ended, if it has.
    pub updated_at: DateTime<Utc>,
}

impl Record for Operation {
    const ID: &'static str = "id";

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let created_at = fields.past("created_at")?;
        Some(Self {
            action: fields.text("action")?,
            status: fields.text("status")?,
            created_at,
            updated_at: fields.past("updated_at").unwrap_or(created_at),
        })
    }
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
        let call = Call::to(Route::LIST_OPERATIONS, &[project]).with("limit", limit.clamp(1, 1_000));
        self.list(call, "operations").await
    }
}
