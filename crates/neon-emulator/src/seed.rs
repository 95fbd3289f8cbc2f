//! Projects with a past, for fleets that have been running for a while.

use chrono::TimeDelta;
use serde::Serialize;

use crate::clock::{self, Instant};
use crate::connection_string::connection_uri;
use crate::context::Context;
use crate::model::{ComputeState, Pattern, Project, Quota, Refusal, Timing, VIRGIN_SIZE};
use crate::names;
use crate::regions::DEFAULT_REGION;

/// A project to seed. It has run so far; its database is made when somebody connects.
#[derive(Debug, Clone)]
pub struct SeedProject {
    pub name: String,
    /// The first organisation, if absent.
    pub org_id: Option<String>,
    pub region_id: String,
    pub pg_version: i16,
    pub created_at: Instant,
    /// When its compute was last in use; never if absent.
    pub last_active: Option<Instant>,
    /// What its branch measures, in bytes; with its history it takes two to five times that.
    pub logical_size_bytes: i64,
    pub quota: Option<Quota>,
    pub min_cu: f64,
    pub max_cu: f64,
    /// 0 is Neon's default of 300 s, -1 never.
    pub suspend_timeout_seconds: i64,
    /// The compute runs; it falls idle by its timeout.
    pub active: bool,
    pub usage: SeedUsage,
    /// Who uses it from its creation on and from now on. Then `last_active`, `active` and `usage` follow from the
    /// pattern and are ignored here. Without a pattern nobody uses it until somebody connects.
    pub pattern: Option<Pattern>,
    /// Tells projects of the same pattern apart.
    pub pattern_seed: u64,
}

/// Consumption in the current billing period. It stands in the counters of the project, but in no history.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeedUsage {
    pub active_time_seconds: i64,
    pub compute_time_seconds: i64,
    pub written_data_bytes: i64,
    pub data_transfer_bytes: i64,
    pub data_storage_bytes_hour: i64,
}

impl SeedProject {
    /// An idle project of Neon's defaults, made at this time and not used since.
    pub fn new(name: impl Into<String>, created_at: Instant) -> Self {
        Self {
            name: name.into(),
            org_id: None,
            region_id: DEFAULT_REGION.into(),
            pg_version: 17,
            created_at,
            last_active: None,
            logical_size_bytes: VIRGIN_SIZE,
            quota: None,
            min_cu: 0.25,
            max_cu: 0.25,
            suspend_timeout_seconds: 0,
            active: false,
            usage: SeedUsage::default(),
            pattern: None,
            pattern_seed: 0,
        }
    }
}

/// What a client of the API would know about a seeded project.
#[derive(Debug, Clone, Serialize)]
pub struct SeededProject {
    pub name: String,
    pub project_id: String,
    pub branch_id: String,
    pub endpoint_id: String,
    pub host: String,
    pub role: String,
    pub password: String,
    pub database: String,
    pub connection_uri: String,
    pub pooled_uri: String,
    /// As a list shows it.
    pub synthetic_size_bytes: i64,
}

/// Rows that are in memory at once.
const CHUNK: usize = 2_000;

pub(crate) async fn seed(context: &Context, seeds: &[SeedProject]) -> Result<Vec<SeededProject>, Refusal> {
    let now = context.clock.now();
    let mut all = Vec::with_capacity(seeds.len());
    for chunk in seeds.chunks(CHUNK) {
        let rows = rows(context, chunk, now).await?;
        context.store.insert_many(&rows).await?;
        all.extend(rows.iter().map(|project| seeded(project, &context.proxy_address)));
    }
    context.store.analyze_after(seeds.len()).await?;
    Ok(all)
}

/// The rows of a chunk.
pub(crate) async fn rows(context: &Context, seeds: &[SeedProject], now: Instant) -> Result<Vec<Project>, Refusal> {
    let mut named = seeds.iter().filter_map(|seed| seed.org_id.as_deref());
    if named.any(|org_id| context.organizations.get(org_id).is_none()) {
        return Err(Refusal::NotFound("organization"));
    }
    let ids = context.store.next_database_ids(i64::try_from(seeds.len()).unwrap_or(i64::MAX)).await?;
    Ok(seeds.iter().zip(ids).map(|(seed, id)| row(seed, id, context, now)).collect())
}

fn row(seed: &SeedProject, database_id: i64, context: &Context, now: Instant) -> Project {
    let org_id = seed.org_id.as_deref().unwrap_or_else(|| context.config.first_org_id());
    let mut project = Project::virgin(org_id, seed.region_id.clone(), seed.created_at);
    project.id = names::numbered_project_id(database_id);
    project.name.clone_from(&seed.name);
    project.pg_version = seed.pg_version;
    project.quota = seed.quota.filter(|quota| !quota.is_empty());
    project.default_min_cu = seed.min_cu;
    project.default_max_cu = seed.max_cu;
    project.default_suspend_seconds = seed.suspend_timeout_seconds;
    project.endpoint_takes_defaults();
    project.database_id = database_id;
    project.base_size = seed.logical_size_bytes;
    project.logical_size = seed.logical_size_bytes;
    match seed.pattern {
        Some(pattern) => follow_pattern(&mut project, pattern, seed, context, now),
        None => set_usage(&mut project, seed, context, now),
    }
    project
}

/// The project as its pattern has left it, with the suspensions for its quota that it has been through.
fn follow_pattern(project: &mut Project, pattern: Pattern, seed: &SeedProject, context: &Context, now: Instant) {
    project.usage_pattern = Some(pattern);
    project.usage_seed = seed.pattern_seed as i64;
    project.compute_state = ComputeState::Idle;
    project.compute_modeled = true;
    project.used_since = clock::period_start(seed.created_at);
    project.plan_quota(seed.created_at, &context.timing);
    project.settle(now, &context.timing);
}

/// The project as the seed says. If it is over its quota, it is suspended already.
fn set_usage(project: &mut Project, seed: &SeedProject, context: &Context, now: Instant) {
    project.used_since = clock::period_start(now).max(seed.created_at);
    project.used_active_seconds = seed.usage.active_time_seconds as f64;
    project.used_compute_seconds = seed.usage.compute_time_seconds as f64;
    project.used_written_bytes = seed.usage.written_data_bytes;
    project.used_transfer_bytes = seed.usage.data_transfer_bytes;
    project.used_storage_byte_hours = seed.usage.data_storage_bytes_hour;
    set_compute(project, seed, context, now);
    let timing = Timing { quota_lag: TimeDelta::zero(), ..context.timing };
    project.plan_quota(now, &timing);
    project.settle(now, &timing);
}

fn set_compute(project: &mut Project, seed: &SeedProject, context: &Context, now: Instant) {
    project.compute_last_active = seed.last_active;
    let timeout = context.timing.idle_timeout(seed.suspend_timeout_seconds);
    if seed.active {
        project.compute_state = ComputeState::Active;
        // What it ran before is in the counters already.
        project.compute_started_at = Some(now);
        project.charged_until = Some(now);
        project.compute_last_active = Some(seed.last_active.unwrap_or(now));
        project.compute_idle_due = timeout.map(|timeout| now + timeout);
    } else {
        project.compute_state = ComputeState::Idle;
        project.compute_started_at = seed.last_active;
        let stayed = timeout.unwrap_or(TimeDelta::zero());
        project.compute_suspended_at = seed.last_active.map(|at| (at + stayed).min(now));
    }
}

fn seeded(project: &Project, proxy_address: &str) -> SeededProject {
    SeededProject {
        name: project.name.clone(),
        project_id: project.id.clone(),
        branch_id: project.branch_id.clone(),
        endpoint_id: project.endpoint_id.clone(),
        host: project.host(),
        role: project.role_name.clone(),
        password: project.role_password.clone(),
        database: project.database_name.clone(),
        connection_uri: connection_uri(project, proxy_address, false),
        pooled_uri: connection_uri(project, proxy_address, true),
        synthetic_size_bytes: project.synthetic_size(),
    }
}
