//! The API budget: how many calls Neon allows, who uses them, and when the work that waits will be done.

use serde::{Deserialize, Serialize};

use super::{PoolRange, Time};

/// Buckets of the histogram of how long calls take: [`CALL_TIME_BOUNDS_MS`], and one for what took longer.
pub const CALL_TIMES: usize = 12;
/// Upper bounds in milliseconds, from sending a call to the end of its answer.
pub const CALL_TIME_BOUNDS_MS: [u32; CALL_TIMES - 1] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];
/// Points of the chart of calls.
pub const CALL_POINTS: usize = 120;

/// Everything on the screen of the budget, over all replicas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiBudget {
    /// The account's first.
    pub buckets: Vec<BucketUse>,
    /// From the most to the least urgent.
    pub classes: Vec<ClassUse>,
    /// The busiest first, bounded: those called within the last hour.
    pub routes: Vec<RouteUse>,
    pub breakers: Vec<RouteBreaker>,
    pub jobs: Vec<JobProgress>,
    /// Oldest first, at most [`CALL_POINTS`], evenly spaced.
    pub history: Vec<CallPoint>,
    pub range: PoolRange,
    /// Processes that told within the last seconds how they stand.
    pub replicas: i64,
    pub as_of: Time,
}

/// One of the two counts that Neon keeps of an account's calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BucketUse {
    /// `account`, `consumption`.
    pub name: String,
    /// What Neon allows in any 60 seconds, as configured.
    pub limit_per_minute: u32,
    /// What can be used of it for hours; the rest is the burst and a margin.
    pub rate_per_minute: f64,
    pub burst: u32,
    /// The part of the burst that only urgent calls may take.
    pub reserve: u32,
    /// Calls let through in the last 60 seconds.
    pub last_minute: i64,
    pub waiting: i64,
    pub pause: Option<BucketPause>,
}

/// Neon asked for fewer calls, so nobody calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BucketPause {
    pub since: Time,
    pub until: Time,
    pub reason: String,
    pub refusals_in_a_row: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassUse {
    pub name: String,
    /// Goes before all others, and may use the reserve.
    pub is_urgent: bool,
    /// Its part when all classes of its kind wait, in per cent.
    pub share_percent: f64,
    pub waiting: i64,
    pub last_minute: i64,
    pub last_hour: CallSum,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteUse {
    /// `GET /projects/{project_id}`.
    pub route: String,
    pub last_hour: CallSum,
    /// Upper bounds of the histogram, in milliseconds; `None` above the last bound, or without an answer.
    pub p50_ms: Option<u32>,
    pub p95_ms: Option<u32>,
}

/// Calls by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSum {
    /// Sent, whatever came of it.
    pub sent: i64,
    /// 429.
    pub limited: i64,
    /// 5xx, no answer, an answer that could not be read, no connection.
    pub failed: i64,
    /// Not sent: no permit in the budget, or the route's breaker was open.
    pub held_back: i64,
}

/// A route that is not called for a while because it failed again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteBreaker {
    pub route: String,
    pub since: Time,
    /// When it is tried again.
    pub until: Time,
    pub failures_in_a_row: u32,
    pub cause: String,
    /// Replicas that do not call it; each finds out for itself.
    pub replicas: i64,
}

/// Work that needs calls, and when it will be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobProgress {
    pub name: String,
    /// What it is about, in words: `databases to be made`.
    pub what: String,
    pub class: String,
    /// Done and total, where the work has a beginning; a backlog has only what is left.
    pub done: Option<i64>,
    pub left: i64,
    pub calls_left: i64,
    /// As the budget allows it beside the other jobs, in seconds from now. Other things than the budget may take longer. `None` while Neon does not answer,
    /// and where something else holds the work.
    pub ends_in_seconds: Option<i64>,
    pub held: Option<HeldWork>,
}

/// Work that waits for more than calls: for the creation limits of these pools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldWork {
    pub pools: Vec<String>,
    /// When the first of them creates again.
    pub until: Time,
}

/// One interval of the history of calls: per minute, on average over the interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallPoint {
    pub at: Time,
    pub answered: f64,
    pub limited: f64,
    pub failed: f64,
}

/// What one replica tells of itself every few seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplicaBudget {
    pub classes: Vec<ReplicaClass>,
    pub breakers: Vec<ReplicaBreaker>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaClass {
    pub bucket: String,
    pub class: String,
    pub last_minute: u32,
    pub waiting: u32,
}

/// Times are relative to the telling, so that clocks that differ do no harm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaBreaker {
    pub route: String,
    pub open_for_seconds: i64,
    pub left_seconds: i64,
    pub failures_in_a_row: u32,
    pub cause: String,
}
