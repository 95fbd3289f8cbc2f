//! A creation under way, as it is leased to the engine.

use uuid::Uuid;

use fleet_types::{DatabaseState, Quota};

/// A row on its way to the pool, leased to the caller.
#[derive(Clone, Debug)]
pub struct DueCreation {
    pub id: Uuid,
    pub lease: Uuid,
    pub pool_id: i32,
    /// `Creating` or `Verifying`.
    pub state: DatabaseState,
    /// Neon may have been asked for it before: look it up by name before asking again.
    pub asked_before: bool,
    pub project_name: String,
    pub region_id: String,
    pub pg_version: i32,
    pub min_cu: f64,
    pub max_cu: f64,
    pub suspend_timeout_seconds: i32,
    pub quota: Quota,
    pub project_id: Option<String>,
    pub endpoint_id: Option<String>,
    pub sealed_credentials: Option<Vec<u8>>,
    pub attempts: i32,
    /// The pool is paused: what exists on Neon is taken in, but nothing new is created.
    pub is_paused: bool,
    /// Claims wait for this pool.
    pub is_waited_for: bool,
}
