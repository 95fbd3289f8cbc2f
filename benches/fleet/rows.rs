//! The fleet that is measured: databases in stock and claimed ones. Both have their projects in the emulator, and nothing has come apart.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use fleet_types::Connection;
use ledger::SeedRow;
use neon_emulator::{Quota, SeedProject, SeededProject};
use uuid::Uuid;

use super::{report::progress, stage::Stage};

/// Rows per bulk insert.
const CHUNK: u32 = 1_000;
const MIB: i64 = 1024 * 1024;
const PLAN: &str = "free";

/// Puts databases into a pool, with their projects.
pub async fn stock(stage: &Stage, pool: &str, count: u32) -> Result<()> {
    let (now, quota) = (Utc::now(), quota_of_plan(stage, PLAN).await?);
    let project = |_, id| SeedProject { quota: Some(quota), ..SeedProject::new(format!("flotilla-{id}"), now) };
    with_projects(stage, count, project, |number, id, _, _| in_stock(stage, pool, number, id)).await
}

/// Makes claimed databases, asleep, with projects in the emulator of which the list tells the same as the ledger knows.
pub async fn fleet(stage: &Stage, pool: &str, count: u32) -> Result<()> {
    let (now, quota) = (Utc::now(), quota_of_plan(stage, PLAN).await?);
    let project = |number, id| project(number, id, quota, now);
    with_projects(stage, count, project, |number, id, seed, made| claimed(stage, pool, number, id, seed, made)).await
}

/// Makes projects in the emulator, and for each the row that knows it.
async fn with_projects(
    stage: &Stage,
    count: u32,
    project: impl Fn(u32, Uuid) -> SeedProject,
    row: impl Fn(u32, Uuid, &SeedProject, &SeededProject) -> Result<SeedRow>,
) -> Result<()> {
    for first in (0..count).step_by(CHUNK as usize) {
        let ids: Vec<(u32, Uuid)> = (first..count.min(first + CHUNK)).map(|number| (number, Uuid::now_v7())).collect();
        let seeds: Vec<SeedProject> = ids.iter().map(|(number, id)| project(*number, *id)).collect();
        let made = stage.emulator.seed(&seeds).await?;
        let rows = ids.iter().zip(&seeds).zip(&made).map(|(((number, id), seed), made)| {
            Ok(SeedRow {
                neon_project_id: Some(made.project_id.clone()),
                neon_branch_id: Some(made.branch_id.clone()),
                neon_endpoint_id: Some(made.endpoint_id.clone()),
                ..row(*number, *id, seed, made)?
            })
        });
        stage.ledger.seed(&rows.collect::<Result<Vec<_>>>()?).await?;
        if (first + CHUNK).is_multiple_of(50_000) {
            progress(&format!("  {} of {count}", first + CHUNK));
        }
    }
    Ok(())
}

/// What a database of this plan is given: Neon's list shows the same.
async fn quota_of_plan(stage: &Stage, plan: &str) -> Result<Quota> {
    let quota = sqlx::query_scalar(
        "SELECT jsonb_build_object('logical_size_bytes', quota_logical_size_bytes, 'active_time_seconds', quota_active_seconds,
           'compute_time_seconds', quota_compute_seconds, 'written_data_bytes', quota_written_bytes, 'data_transfer_bytes', quota_transfer_bytes)
         FROM plans WHERE name = $1",
    )
    .bind(plan)
    .fetch_one(&mut stage.connect().await?)
    .await?;
    Ok(serde_json::from_value(quota)?)
}

fn project(number: u32, id: Uuid, quota: Quota, now: DateTime<Utc>) -> SeedProject {
    let age = Duration::minutes(i64::from(number % 80_000) + 60);
    let mut seed = SeedProject::new(format!("flotilla-{id}"), now - age * 2);
    seed.last_active = (!number.is_multiple_of(5)).then(|| now - age);
    seed.logical_size_bytes = 30 * MIB + i64::from(number % 400) * MIB;
    seed.quota = Some(quota);
    seed
}

fn in_stock(stage: &Stage, pool: &str, number: u32, id: Uuid) -> Result<SeedRow> {
    let connection = Connection {
        uri: format!("postgresql://u:p@127.0.0.1:1/db{number}"),
        pooled_uri: format!("postgresql://u:p@127.0.0.1:1/db{number}"),
        host: String::from("127.0.0.1"),
        port: 1,
        database: format!("db{number}"),
        role: String::from("u"),
        password: String::from("p"),
    };
    row(stage, pool, "available", id, &connection)
}

fn claimed(
    stage: &Stage,
    pool: &str,
    number: u32,
    id: Uuid,
    seed: &SeedProject,
    made: &SeededProject,
) -> Result<SeedRow> {
    let connection = probe::uri::connection(&made.connection_uri.clone().into(), &made.endpoint_id)?;
    Ok(SeedRow {
        owner_id: Some(format!("owner-{number}")),
        email: Some(format!("owner-{number}@mail.example")),
        organisation: number.is_multiple_of(3).then(|| format!("Organisation {}", number % 5_000)),
        plan: Some(String::from(PLAN)),
        requested_at: seed.created_at,
        claimed_at: Some(seed.created_at),
        last_active_at: seed.last_active,
        synthetic_size_bytes: Some(made.synthetic_size_bytes),
        ..row(stage, pool, "claimed", id, &connection)?
    })
}

fn row(stage: &Stage, pool: &str, state: &str, id: Uuid, connection: &Connection) -> Result<SeedRow> {
    let sealed = stage.secrets.seal(id, connection)?;
    Ok(SeedRow {
        id,
        pool: pool.to_owned(),
        region_id: String::from("aws-us-east-1"),
        pg_version: 17,
        state: state.to_owned(),
        neon_project_name: format!("flotilla-{id}"),
        neon_project_id: None,
        neon_branch_id: None,
        neon_endpoint_id: None,
        host: Some(connection.host.clone()),
        database_name: Some(connection.database.clone()),
        role_name: Some(connection.role.clone()),
        sealed_credentials: Some(sealed.iter().map(|byte| format!("{byte:02x}")).collect()),
        owner_id: None,
        email: None,
        organisation: None,
        plan: None,
        claim_id: Uuid::now_v7(),
        requested_at: Utc::now(),
        claimed_at: None,
        deleted_at: None,
        endpoint_state: Some(String::from("idle")),
        last_active_at: None,
        logical_size_bytes: None,
        synthetic_size_bytes: None,
        quota_logical_size_bytes: None,
        used_active_seconds: 0,
        used_compute_seconds: 0,
        last_error: None,
    })
}
