//! The fleet as a whole.

use serde::{Deserialize, Serialize};

use super::{Counted, DatabaseState, Denial, Event, PoolSummary, Time};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetHealth {
    /// Every state once, in the order of life.
    pub states: Vec<(DatabaseState, i64)>,
    pub pools: Vec<PoolSummary>,
    /// Databases that were claimed since midnight, and as many hours after the midnight before.
    pub claimed_today: Counted,
    pub claimed_yesterday_by_now: i64,
    /// Claims served from the pool, of all in the last 24 hours, in per cent. `None` without claims.
    pub warm_percent: Option<f64>,
    pub claim_time: Option<ClaimTime>,
    pub blocked: Counted,
    pub near_quota: Counted,
    /// Claimed databases that may be near it, and were never measured; counted up to [`MOST_COUNTED`](super::MOST_COUNTED).
    pub never_measured: i64,
    pub active: i64,
    /// Data and history of the fleet, as billed; `None` before the first sample.
    pub synthetic_size_bytes: Option<i64>,
    /// When usage was last sampled (active, size).
    pub sampled_at: Option<Time>,
    /// Oldest first: the last 24 hours.
    pub history: Vec<FleetPoint>,
    /// Newest first, bounded.
    pub events: Vec<Event>,
    pub denials: Denials,
    pub as_of: Time,
}

/// Who was refused what in the last 24 hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Denials {
    /// The latest first, bounded.
    pub newest: Vec<Denial>,
    /// Of how many they are the newest.
    pub total: i64,
}

/// How long claims took over HTTP, over the last 24 hours, in milliseconds (upper bounds of histogram buckets).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimTime {
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub count: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetPoint {
    pub at: Time,
    pub claimed: i64,
    pub available: i64,
    pub active: i64,
    pub synthetic_size_bytes: i64,
}

/// The strip at the foot of every page: is everything all right, and if not, what is wrong in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub level: StatusLevel,
    /// One sentence each, worst first; empty when all is well.
    pub problems: Vec<Problem>,
    pub available: i64,
    pub in_flight: i64,
    pub claimed: i64,
    pub neon_last_ok_at: Option<Time>,
    pub as_of: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StatusLevel {
    Good,
    Warning,
    Bad,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    pub level: StatusLevel,
    /// What is wrong, and why.
    pub text: String,
    /// Since when, as far as that is known.
    pub since: Option<Time>,
    /// What Flotilla does about it.
    pub doing: String,
    /// The page that shows more.
    pub href: String,
}

/// A duty of the engine and how its last runs went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DutyStatus {
    pub name: String,
    /// What it does, in one sentence.
    pub purpose: String,
    pub last_started_at: Option<Time>,
    pub last_finished_at: Option<Time>,
    pub last_outcome: Option<String>,
    pub failures_in_a_row: i32,
    /// Newest first, bounded: runs that did something.
    pub runs: Vec<DutyRun>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DutyRun {
    pub started_at: Time,
    pub finished_at: Time,
    pub outcome: String,
    /// What it did, in one sentence.
    pub summary: String,
}
