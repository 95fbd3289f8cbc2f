//! A pool, as the screens see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Event, PoolSizing, QueryReader, TemplateStatus, Time};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoolSummary {
    pub name: String,
    pub region: String,
    pub pg_version: i32,
    pub min_cu: f64,
    pub max_cu: f64,
    pub birth_plan: String,
    pub is_default: bool,
    pub target: i32,
    pub available: i64,
    pub in_flight: i64,
    pub claimed: i64,
    pub failed: i64,
    /// Claims that wait for a database.
    pub waiting: i64,
    pub paused_at: Option<DateTime<Utc>>,
    pub paused_reason: Option<String>,
    /// While the breaker is open: when one database is tried again, and the last failure.
    pub breaker_until: Option<DateTime<Utc>>,
    pub breaker_error: Option<String>,
    /// Databases that Neon was asked to create in the last hour, and how many it may be asked for within an hour.
    pub creations_last_hour: i64,
    pub creation_ceiling: i32,
    /// The limit that an operator has set; `None` where it follows from the target and the demand.
    pub creations_per_hour: Option<i32>,
    /// Until when the ceiling holds back creations that the pool needs.
    pub held_back_until: Option<DateTime<Utc>>,
    /// Claims in the last hour.
    pub claims_last_hour: i64,
    /// How long claims go on, at the last hour's rate, if nothing more is created. `None` when nothing was claimed.
    pub hours_of_cover: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolDetail {
    pub summary: PoolSummary,
    /// Oldest first, at most [`POOL_POINTS`], evenly spaced.
    pub history: Vec<PoolPoint>,
    pub range: PoolRange,
    /// Newest first, bounded.
    pub failures: Vec<CreationFailure>,
    /// Newest first, bounded: targets set, pauses, breaker.
    pub events: Vec<Event>,
    /// From request to available, median and 95th percentile over the last 24 hours, in seconds.
    pub creation_p50_seconds: Option<f64>,
    pub creation_p95_seconds: Option<f64>,
    pub sizing: PoolSizing,
    /// The last time that the breaker opened.
    pub breaker: Option<BreakerTrip>,
    pub template: TemplateStatus,
    pub as_of: Time,
}

/// Points of a pool's chart.
pub const POOL_POINTS: usize = 120;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolRange {
    #[default]
    Hour,
    Day,
    Week,
}

impl PoolRange {
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// From the query of a URL.
    pub fn read(query: &mut QueryReader<'_>) -> Self {
        query.choice("range", &Self::ALL, Self::as_str).unwrap_or_default()
    }

    pub fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 604_800,
        }
    }
}

/// One interval of a pool's history: levels at its end, flows within it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolPoint {
    pub at: Time,
    pub available: i64,
    pub in_flight: i64,
    pub target: i64,
    pub claims_warm: i64,
    pub claims_cold: i64,
    pub created: i64,
    pub failed: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreationFailure {
    pub database_id: uuid::Uuid,
    pub at: Time,
    pub attempts: Option<i32>,
    pub error: String,
    pub neon_project_id: Option<String>,
}

/// A time in which a pool created nothing, because several creations, or new databases, had failed in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BreakerTrip {
    pub opened_at: Time,
    /// When one database is tried again.
    pub until: Time,
    /// `None` while it is open.
    pub closed_at: Option<Time>,
    /// `probe`: the one that was tried succeeded. `operator`: somebody resumed the pool.
    pub closed_by: Option<String>,
    /// In a row, all told.
    pub failures: i32,
    /// Newest last, bounded.
    pub evidence: Vec<RefusedCreation>,
}

/// The two steps of making a database that Neon may fail at, each with failures of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CreationStep {
    /// Neon is asked to create the project.
    #[default]
    Creation,
    /// The new database has to answer a connection.
    Verification,
}

impl CreationStep {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creation => "creation",
            Self::Verification => "verification",
        }
    }
}

/// A creation that Neon refused, or a new database that did not answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefusedCreation {
    pub at: Time,
    #[serde(default)]
    pub step: CreationStep,
    pub error: String,
    pub database_id: uuid::Uuid,
    pub project_name: String,
    /// Known only where an earlier, unanswered call had made the project.
    pub project_id: Option<String>,
    /// By which Neon's support finds the call.
    pub request_id: Option<String>,
}
