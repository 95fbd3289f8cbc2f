//! The ceiling: the same writes on the same tables by pgbench, which comes with PostgreSQL.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::time::Instant;

use super::{
    load::{Outcome, Sample},
    stage::Stage,
};

const SCRIPT: &str = "benches/fleet/claim.sql";
const LOG_PREFIX: &str = "target/bench-pgbench";

/// Where a program of PostgreSQL is: on the path, or where Debian keeps the newest.
pub fn program(name: &str) -> Option<PathBuf> {
    let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let mut versions: Vec<PathBuf> =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    versions.sort();
    let installed = versions.into_iter().rev().map(|version| version.join("bin"));
    on_path.into_iter().chain(installed).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// So many claims by so many clients. `None` without pgbench.
pub async fn claims(stage: &Stage, pool: &str, clients: u32, total: u32) -> Result<Option<Outcome>> {
    let Some(pgbench) = program("pgbench") else { return Ok(None) };
    remove_logs()?;
    let address = stage.address()?;
    let mut command = Command::new(pgbench);
    command
        .args(["--no-vacuum", "--protocol=prepared", "--log", "--log-prefix", LOG_PREFIX, "--file", SCRIPT])
        .args(["--client", &clients.to_string(), "--jobs", &clients.min(2).to_string()])
        .args(["--transactions", &(total / clients).to_string()])
        .args(["--define", &format!("pool={}", stage.pool_id(pool).await?), "--define", "mark=0"])
        .args(["--host", address.host_str().unwrap_or("127.0.0.1")])
        .args(["--port", &address.port().unwrap_or(5432).to_string(), "--username", address.username()])
        .arg(address.path().trim_start_matches('/'))
        .env("PGPASSWORD", address.password().unwrap_or_default())
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await?.context("pgbench did not start")?;
    let (told, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "pgbench failed: {complaint}");
    let tps: f64 = told
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("pgbench told no rate: {told}"))?;
    let samples = read_logs()?;
    let elapsed = Duration::from_secs_f64(samples.len() as f64 / tps);
    remove_logs()?;
    Ok(Some(Outcome { samples, elapsed }))
}

/// Lines of `client transaction microseconds script seconds microseconds`.
fn read_logs() -> Result<Vec<Sample>> {
    let now = Instant::now();
    let mut samples = Vec::new();
    for log in logs()? {
        for line in fs::read_to_string(log)?.lines() {
            let micros = line.split(' ').nth(2).and_then(|field| field.parse().ok());
            samples.extend(micros.map(|micros| Sample { due: now, took: Duration::from_micros(micros), status: 0 }));
        }
    }
    ensure!(!samples.is_empty(), "pgbench logged nothing");
    Ok(samples)
}

fn remove_logs() -> Result<()> {
    logs()?.into_iter().try_for_each(|log| Ok(fs::remove_file(log)?))
}

fn logs() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir("target")?.flatten().map(|entry| entry.path());
    Ok(entries.filter(|path| path.to_string_lossy().starts_with(&format!("{LOG_PREFIX}."))).collect())
}
