//! The emulator as a program: command line, logs, signals.

use std::io::{IsTerminal, stderr};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use neon_emulator::{Config, DEFAULT_ORG, Emulator, Unknowns};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A stand-in for Neon: management API v2 and connection proxy over a real PostgreSQL.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// A PostgreSQL whose role may create databases and roles; the state goes into a database of its own there.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Name of the database with the emulator's state.
    #[arg(long, default_value = "neon_emulator")]
    state_database: String,
    /// Where the management API listens.
    #[arg(long, default_value = "127.0.0.1:8082")]
    listen: SocketAddr,
    /// Where the connection proxy listens.
    #[arg(long, default_value = "127.0.0.1:5434")]
    proxy_listen: SocketAddr,
    /// host:port in connection strings, if clients reach the proxy by another address.
    #[arg(long)]
    proxy_advertise: Option<String>,
    /// An accepted bearer key; may be repeated.
    #[arg(long = "api-key", env = "NEON_API_KEY", hide_env_values = true, required = true)]
    api_keys: Vec<String>,
    /// Id of the organisation that owns all projects.
    #[arg(long, default_value = DEFAULT_ORG)]
    org_id: String,
    /// Factor on the durations of operations; 0 finishes them at once.
    #[arg(long, default_value_t = 1.0)]
    time_scale: f64,
    /// Factor on suspend timeouts.
    #[arg(long, default_value_t = 1.0)]
    suspend_scale: f64,
    /// Seconds of the emulator's time in a real second.
    #[arg(long, default_value_t = 1.0)]
    clock_rate: f64,
    /// How long after its quota was exceeded a project is suspended, in seconds.
    #[arg(long, default_value_t = 900)]
    quota_lag: u64,
    /// No 429 for too many calls.
    #[arg(long)]
    no_rate_limits: bool,
    /// How many projects the plan allows; any number if absent.
    #[arg(long)]
    projects_limit: Option<i64>,
    /// How many branches the plan allows in a project; any number if absent.
    #[arg(long)]
    branches_limit: Option<usize>,
    /// The shortest suspend timeout that the plan allows, in seconds.
    #[arg(long)]
    shortest_suspend_seconds: Option<i64>,
    #[command(flatten, next_help_heading = "Where Neon's behaviour is not documented")]
    unknowns: Unknowns,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal()).init();
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminated = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let emulator = Emulator::start(config(Arguments::parse())).await?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    tracing::info!("the emulator stops");
    emulator.shutdown().await
}

fn config(arguments: Arguments) -> Config {
    Config {
        state_database: arguments.state_database,
        api_listen: arguments.listen,
        proxy_listen: arguments.proxy_listen,
        proxy_advertise: arguments.proxy_advertise,
        api_keys: arguments.api_keys,
        org_id: arguments.org_id,
        operation_time_scale: arguments.time_scale,
        suspend_time_scale: arguments.suspend_scale,
        clock_rate: arguments.clock_rate,
        quota_lag: Duration::from_secs(arguments.quota_lag),
        rate_limits: !arguments.no_rate_limits,
        projects_limit: arguments.projects_limit,
        branches_limit: arguments.branches_limit,
        shortest_suspend_seconds: arguments.shortest_suspend_seconds,
        unknowns: arguments.unknowns,
        ..Config::new(arguments.database_url, "")
    }
}
