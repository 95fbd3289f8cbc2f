//! A fleet with a past: projects in the emulator and their rows in the ledger, in bulk, all marked as simulated.

use anyhow::Context;
use chrono::{DateTime, Duration, Utc};
use neon_emulator::{Emulator, Pattern, Quota, SeedProject, SeededProject};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use uuid::Uuid;

use super::{
    people::{Person, person},
    plans,
};
use fleet_types::{Connection, Storage};
use ledger::{Ledger, NewPool, SeedRow};
use secrets::Secrets;

/// Rows per bulk insert.
const CHUNK: u64 = 2_000;
/// How far back the fleet reaches.
const DAYS: f64 = 60.0;
/// Of a database without a storage quota.
const LARGEST: i64 = 100 << 30;

/// The pools of the demonstration; the first is the default one.
pub const POOLS: [NewPool<'static>; 2] = [
    NewPool {
        name: "standard",
        region_id: "aws-us-east-1",
        pg_version: 17,
        birth_plan: "free",
        target: 40,
        is_default: true,
    },
    NewPool {
        name: "europe",
        region_id: "aws-eu-central-1",
        pg_version: 17,
        birth_plan: "free",
        target: 15,
        is_default: false,
    },
];

/// What a simulated database has been through.
struct Past {
    person: Person,
    pool: &'static NewPool<'static>,
    id: Uuid,
    state: &'static str,
    requested_at: DateTime<Utc>,
    claimed_at: Option<DateTime<Utc>>,
    deleted_at: Option<DateTime<Utc>>,
    logical_size_bytes: i64,
    /// Who uses it; the emulated Neon works out from it what was used when, and the engine finds out as it does anywhere.
    pattern: Option<Pattern>,
}

/// Makes `count` databases. `progress` is told how many stand.
///
/// # Errors
/// The emulator's or the ledger's.
pub async fn seed(
    count: u64,
    emulator: &Emulator,
    ledger: &Ledger,
    secrets: &Secrets,
    progress: impl Fn(u64),
) -> anyhow::Result<()> {
    let now = Utc::now();
    for first in (0..count).step_by(CHUNK as usize) {
        let pasts: Vec<Past> = (first..count.min(first + CHUNK)).map(|number| past(number, count, now)).collect();
        let living: Vec<&Past> = pasts.iter().filter(|past| past.state == "claimed").collect();
        let seeds: Vec<SeedProject> = living.iter().map(|past| project(past)).collect();
        let mut made = emulator.seed(&seeds).await.context("seeding the emulator")?.into_iter();
        let rows = pasts
            .iter()
            .map(|past| row(past, if past.state == "claimed" { made.next() } else { None }, secrets))
            .collect::<anyhow::Result<Vec<SeedRow>>>()?;
        ledger.seed(&rows).await.context("seeding the ledger")?;
        progress((first + CHUNK).min(count));
    }
    ledger.roll_up().await?;
    Ok(())
}

fn past(number: u64, count: u64, now: DateTime<Utc>) -> Past {
    let mut rng = SmallRng::seed_from_u64(number);
    let person = person(number);
    // The fleet grows: later days have more signups than earlier ones, and working hours more than nights.
    let share = ((number + 1) as f64 / count as f64).sqrt();
    let days_ago = DAYS * (1.0 - share) + rng.random_range(0.0..0.5);
    let claimed_at = at_a_busy_hour(now - Duration::seconds((days_ago * 86_400.0) as i64), &mut rng, now);
    let age = (now - claimed_at).num_seconds().max(60);
    let state = match rng.random_range(0..1000) {
        0..4 => "failed",
        4..40 => "deleted",
        _ => "claimed",
    };
    let logical_size_bytes = size(&person, &mut rng);
    Past {
        pool: &POOLS[usize::from(rng.random_bool(0.28))],
        id: Uuid::now_v7(),
        state,
        requested_at: claimed_at - Duration::seconds(rng.random_range(600..7_200)),
        claimed_at: (state != "failed").then_some(claimed_at),
        deleted_at: (state == "deleted").then(|| claimed_at + Duration::seconds(age / 2)),
        logical_size_bytes,
        pattern: pattern(&mut rng),
        person,
    }
}

/// Moves most moments of the night into the day.
fn at_a_busy_hour(at: DateTime<Utc>, rng: &mut SmallRng, now: DateTime<Utc>) -> DateTime<Utc> {
    let hour = at.timestamp().rem_euclid(86_400) / 3_600;
    let moved = if !(7..20).contains(&hour) && rng.random_bool(0.7) {
        at + Duration::hours(rng.random_range(6..11))
    } else {
        at
    };
    if moved < now { moved } else { at.min(now - Duration::minutes(5)) }
}

/// Most are asleep most of the time, some follow the working day, few are heavy or kept awake by something that polls; some were never used.
fn pattern(rng: &mut SmallRng) -> Option<Pattern> {
    match rng.random_range(0..1000) {
        0..180 => None,
        180..800 => Some(Pattern::Asleep),
        800..970 => Some(Pattern::Diurnal),
        970..990 => Some(Pattern::Heavy),
        _ => Some(Pattern::Polled),
    }
}

/// Most are small, a few near their storage quota, very few over it.
fn size(person: &Person, rng: &mut SmallRng) -> i64 {
    let quota = quota(person.plan).logical_size_bytes.unwrap_or(LARGEST);
    let share = match rng.random_range(0..1000) {
        0..5 => rng.random_range(1.0..1.06),
        5..45 => rng.random_range(0.8..0.99),
        _ => rng.random_range(0.0_f64..0.85).powi(3),
    };
    (neon_emulator::VIRGIN_SIZE).max((quota as f64 * share) as i64)
}

fn project(past: &Past) -> SeedProject {
    let plan = quota(past.person.plan);
    SeedProject {
        region_id: past.pool.region_id.to_owned(),
        logical_size_bytes: past.logical_size_bytes,
        quota: Some(plan),
        pattern: past.pattern,
        pattern_seed: past.id.as_u64_pair().1,
        ..SeedProject::new(format!("flotilla-{}", past.id), past.requested_at)
    }
}

/// As the emulated Neon has it.
fn quota(plan: &str) -> Quota {
    let quota = plans::terms(plan).quota;
    Quota {
        logical_size_bytes: quota.logical_size_bytes,
        active_time_seconds: quota.active_time_seconds,
        compute_time_seconds: quota.compute_time_seconds,
        written_data_bytes: quota.written_data_bytes,
        data_transfer_bytes: quota.data_transfer_bytes,
    }
}

fn row(past: &Past, made: Option<SeededProject>, secrets: &Secrets) -> anyhow::Result<SeedRow> {
    let sealed = made
        .as_ref()
        .map(|project| secrets.seal(past.id, &connection(project)?).map_err(anyhow::Error::from))
        .transpose()?;
    let has_owner = past.state != "failed";
    let made = made.as_ref();
    Ok(SeedRow {
        id: past.id,
        pool: past.pool.name.to_owned(),
        region_id: past.pool.region_id.to_owned(),
        pg_version: past.pool.pg_version,
        state: past.state.to_owned(),
        neon_project_name: format!("flotilla-{}", past.id),
        neon_project_id: made.map(|project| project.project_id.clone()),
        neon_branch_id: made.map(|project| project.branch_id.clone()),
        neon_endpoint_id: made.map(|project| project.endpoint_id.clone()),
        host: made.map(|project| project.host.clone()),
        database_name: made.map(|project| project.database.clone()),
        role_name: made.map(|project| project.role.clone()),
        sealed_credentials: sealed.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        owner_id: has_owner.then(|| past.person.id.clone()),
        email: has_owner.then(|| past.person.email.clone()),
        organisation: past.person.organisation.clone().filter(|_| has_owner),
        plan: has_owner.then(|| past.person.plan.to_owned()),
        claim_id: Uuid::now_v7(),
        requested_at: past.requested_at,
        claimed_at: past.claimed_at,
        deleted_at: past.deleted_at,
        // Whether and when it was used is for the engine to observe.
        endpoint_state: made.map(|_| String::from("idle")),
        last_active_at: None,
        logical_size_bytes: made.filter(|project| may_be_near_quota(past, project)).map(|_| past.logical_size_bytes),
        synthetic_size_bytes: made.map(|project| project.synthetic_size_bytes),
        quota_logical_size_bytes: None,
        used_active_seconds: 0,
        used_compute_seconds: 0,
        last_error: (past.state == "failed").then(|| {
            String::from("Neon failed while working on the call (500: internal error), eight times in a row.")
        }),
    })
}

/// Only such a database has been measured.
fn may_be_near_quota(past: &Past, made: &SeededProject) -> bool {
    let quota = quota(past.person.plan).logical_size_bytes;
    Storage::of(None, Some(made.synthetic_size_bytes), quota) == Storage::Unknown
}

fn connection(project: &SeededProject) -> anyhow::Result<Connection> {
    Ok(probe::uri::connection(&project.connection_uri.clone().into(), &project.endpoint_id)?)
}
