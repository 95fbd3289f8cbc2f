//! One row of the state: a project with its root branch, endpoint, role and database, or a project seen from another
//! of its branches (`branch`).
//!
//! It has two sizes. The logical one is what a branch holds; the size quota limits it, for each branch by itself. The
//! synthetic one is what the data and the history of all branches take; nothing is compared with it.

use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use super::{Activity, ComputeState, Journal, Pattern, Quota, mix};
use crate::clock::{self, Instant};
use crate::names;

/// What an untouched branch measures on Neon, in bytes.
pub const VIRGIN_SIZE: i64 = 30_785_536;
/// What the creation of a project writes on Neon, in bytes.
pub(super) const VIRGIN_WRITTEN: i64 = 29_060_360;

/// Field names are column names. Bytes, seconds and compute units (CU) are those of Neon's API.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Project {
    pub id: String,
    pub name: String,
    pub region_id: String,
    pub pg_version: i16,
    pub org_id: String,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub deleted_at: Option<Instant>,
    pub purged_at: Option<Instant>,
    pub busy_until: Option<Instant>,
    pub store_passwords: bool,
    pub history_retention_seconds: i32,
    #[sqlx(json(nullable))]
    pub quota: Option<Quota>,
    /// Settings other than the quota, as the client gave them.
    pub settings: Option<Value>,
    pub default_min_cu: f64,
    pub default_max_cu: f64,
    pub default_suspend_seconds: i64,
    pub default_pg_settings: Option<Value>,

    pub branch_id: String,
    pub branch_name: String,
    /// None for the root branch.
    pub parent_id: Option<String>,
    pub branch_protected: bool,
    /// When its creation ends; the root branch is ready when its compute is.
    pub branch_ready_at: Option<Instant>,
    /// The root branch, if absent.
    pub default_branch_id: Option<String>,

    pub has_endpoint: bool,
    pub endpoint_created_at: Option<Instant>,
    pub endpoint_id: String,
    pub endpoint_name: Option<String>,
    pub endpoint_min_cu: f64,
    pub endpoint_max_cu: f64,
    pub endpoint_suspend_seconds: i64,
    pub endpoint_disabled: bool,
    pub endpoint_settings: Option<Value>,
    pub endpoint_updated_at: Instant,

    pub compute_state: ComputeState,
    pub compute_pending: Option<ComputeState>,
    pub compute_pending_due: Option<Instant>,
    pub compute_started_at: Option<Instant>,
    pub compute_suspended_at: Option<Instant>,
    pub compute_last_active: Option<Instant>,
    pub compute_idle_due: Option<Instant>,
    pub compute_held: bool,

    pub role_name: String,
    pub role_password: String,
    pub database_name: String,
    pub database_id: i64,

    /// Roles and databases have rows of their own; the fields above tell what the project was born with.
    pub objects_apart: bool,
    /// From then on the backing server has to be brought in line with them.
    pub apply_due: Option<Instant>,
    pub apply_cuts: bool,
    pub materialized_at: Option<Instant>,
    /// What one database measured in the backing server when it was new.
    pub empty_size: i64,
    pub base_size: i64,
    /// Of this branch.
    pub logical_size: i64,
    /// The largest logical size of the further branches, where it was looked up.
    #[sqlx(skip)]
    #[serde(skip)]
    pub largest_further_branch: i64,

    pub used_since: Instant,
    pub used_active_seconds: f64,
    pub used_compute_seconds: f64,
    pub used_written_bytes: i64,
    pub used_transfer_bytes: i64,
    pub used_storage_byte_hours: i64,

    pub usage_pattern: Option<Pattern>,
    pub usage_seed: i64,
    pub charged_until: Option<Instant>,
    pub modeled_from: Instant,
    pub compute_modeled: bool,
    pub quota_due: Option<Instant>,
    pub quota_blocked_at: Option<Instant>,
    pub writes_refused: bool,
    /// What has to be written beside the row.
    #[sqlx(skip)]
    #[serde(skip)]
    pub journal: Journal,
}

impl Project {
    /// A project as Neon makes it when nothing is asked for, with new ids and a new password.
    pub fn virgin(org_id: &str, region_id: String, now: Instant) -> Self {
        let id = names::project_id();
        Self {
            name: id.clone(),
            id,
            region_id,
            pg_version: 17,
            org_id: org_id.into(),
            created_at: now,
            updated_at: now,
            deleted_at: None,
            purged_at: None,
            busy_until: None,
            store_passwords: true,
            history_retention_seconds: 86_400,
            quota: None,
            settings: None,
            default_min_cu: 0.25,
            default_max_cu: 0.25,
            default_suspend_seconds: 0,
            default_pg_settings: None,
            branch_id: names::branch_id(),
            branch_name: "main".into(),
            parent_id: None,
            branch_protected: false,
            branch_ready_at: None,
            default_branch_id: None,
            has_endpoint: true,
            endpoint_created_at: None,
            endpoint_id: names::endpoint_id(),
            endpoint_name: None,
            endpoint_min_cu: 0.25,
            endpoint_max_cu: 0.25,
            endpoint_suspend_seconds: 0,
            endpoint_disabled: false,
            endpoint_settings: None,
            endpoint_updated_at: now,
            compute_state: ComputeState::Init,
            compute_pending: None,
            compute_pending_due: None,
            compute_started_at: None,
            compute_suspended_at: None,
            compute_last_active: None,
            compute_idle_due: None,
            compute_held: false,
            role_name: "neondb_owner".into(),
            role_password: names::password(),
            database_name: "neondb".into(),
            database_id: 0,
            objects_apart: false,
            apply_due: None,
            apply_cuts: false,
            materialized_at: None,
            empty_size: 0,
            base_size: VIRGIN_SIZE,
            logical_size: VIRGIN_SIZE,
            largest_further_branch: 0,
            used_since: clock::period_start(now),
            used_active_seconds: 0.0,
            used_compute_seconds: 0.0,
            used_written_bytes: 0,
            used_transfer_bytes: 0,
            used_storage_byte_hours: 0,
            usage_pattern: None,
            usage_seed: 0,
            charged_until: None,
            modeled_from: now,
            compute_modeled: false,
            quota_due: None,
            quota_blocked_at: None,
            writes_refused: false,
            journal: Journal::default(),
        }
    }

    /// What data and history of all branches take, in bytes.
    pub fn synthetic_size(&self) -> i64 {
        self.synthetic(self.logical_size.max(self.largest_further_branch))
    }

    /// The same, if the largest branch held so much. The emulator keeps no history: a project's is taken to be one to
    /// four times its data, the same for good.
    pub fn synthetic(&self, largest_branch: i64) -> i64 {
        let thousandths = 2_000 + self.id.bytes().fold(0, |hash, byte| mix(hash, u64::from(byte))) % 3_001;
        (i128::from(largest_branch) * i128::from(thousandths) / 1_000) as i64
    }

    /// A new endpoint takes the project's defaults.
    pub fn endpoint_takes_defaults(&mut self) {
        self.endpoint_min_cu = self.default_min_cu;
        self.endpoint_max_cu = self.default_max_cu;
        self.endpoint_suspend_seconds = self.default_suspend_seconds;
        self.endpoint_settings =
            self.default_pg_settings.clone().map(|settings| serde_json::json!({"pg_settings": settings}));
    }

    /// How the root branch of a seeded project is used; nothing where all use is real.
    pub fn activity(&self) -> Option<Activity> {
        self.usage_pattern.filter(|_| self.is_root_branch()).map(|pattern| Activity {
            pattern,
            seed: self.usage_seed as u64,
            born: self.created_at,
        })
    }

    /// Host name of the endpoint in Neon's look; it leads nowhere, clients connect to the proxy's address.
    pub fn host(&self) -> String {
        format!("{}.{}", self.endpoint_id, names::proxy_host(&self.region_id))
    }

    pub fn pooler_host(&self) -> String {
        format!("{}-pooler.{}", self.endpoint_id, names::proxy_host(&self.region_id))
    }
}
