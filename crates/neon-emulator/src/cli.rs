//! The emulator as a program: its options, and a run from the start to a signal.

use std::io::{Write as _, stderr};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, builder::FalseyValueParser};
use embedded_postgres::{Postgres, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::{Config, DEFAULT_ORG, DEFAULT_REGION, Emulator, Switches, Unknowns};

/// The key that is accepted unless others are given. It is no secret: what is emulated is for one's own machine.
pub const DEFAULT_KEY: &str = "napi_local";
/// Any database of the private PostgreSQL.
const DATABASE: &str = "postgres";
const CHECK_TIME: Duration = Duration::from_secs(4);

/// A stand-in for Neon on your own machine: management API v2, and a connection proxy in front of real databases
#[derive(Debug, Parser)]
#[command(
    name = "neon-emulator",
    version,
    about,
    max_term_width = 110,
    after_help = "Without any option it starts a PostgreSQL of its own in .neon-emulator, listens on the loopback interface, and says how to call it.\n\
                  Faults, the clock, statistics and whole fleets are switched over HTTP while it runs, under /_emulator: see the README."
)]
pub struct Arguments {
    /// Where the management API listens, and under /_emulator the switches; port 0 takes a free one
    #[arg(long, env = "NEON_EMULATOR_LISTEN", default_value = "127.0.0.1:8082", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,

    /// Where databases are connected to; port 0 takes a free one
    #[arg(long, env = "NEON_EMULATOR_PROXY_LISTEN", default_value = "127.0.0.1:5434", value_name = "ADDRESS:PORT")]
    pub proxy_listen: SocketAddr,

    /// What connection strings name, if clients reach the proxy by another address
    #[arg(long, env = "NEON_EMULATOR_PROXY_ADVERTISE", value_name = "HOST:PORT")]
    pub proxy_advertise: Option<String>,

    /// The management API alone: nothing listens for connections to databases
    #[arg(long, env = "NEON_EMULATOR_NO_CONNECTIONS", value_parser = FalseyValueParser::new())]
    pub no_connections: bool,

    /// An accepted bearer key; may be repeated, in the variable with commas between
    #[arg(long = "api-key", env = "NEON_EMULATOR_API_KEY", hide_env_values = true, default_value = DEFAULT_KEY, value_delimiter = ',', value_name = "KEY")]
    pub api_keys: Vec<String>,

    /// Id of the organisation that owns all projects
    #[arg(long, env = "NEON_EMULATOR_ORG_ID", default_value = DEFAULT_ORG, value_name = "ID")]
    pub org_id: String,

    /// Where a project goes that names no region
    #[arg(long, env = "NEON_EMULATOR_REGION", default_value = DEFAULT_REGION, value_name = "REGION")]
    pub region: String,

    /// Faults that are there from the start: a JSON file, of what PUT /_emulator/faults takes
    #[arg(long, env = "NEON_EMULATOR_FAULTS", value_name = "FILE")]
    pub faults: Option<PathBuf>,

    /// Ask the emulator that listens there whether it is well, and end with 0 if so
    #[arg(long)]
    pub check: bool,

    #[command(flatten, next_help_heading = "PostgreSQL")]
    pub postgres: PostgresArguments,
    #[command(flatten, next_help_heading = "Time")]
    pub time: TimeArguments,
    #[command(flatten, next_help_heading = "Limits")]
    pub limits: LimitArguments,
    #[command(flatten, next_help_heading = "Where Neon's behaviour is not documented")]
    pub unknowns: Unknowns,
}

#[derive(Debug, clap::Args)]
pub struct PostgresArguments {
    /// A running PostgreSQL, 14 or newer, whose role may create databases and roles; without it, one is started
    #[arg(long, env = "NEON_EMULATOR_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// Folder of the PostgreSQL that is started
    #[arg(long, env = "NEON_EMULATOR_DATA_DIR", default_value = ".neon-emulator", value_name = "FOLDER")]
    pub data_dir: PathBuf,

    /// Folder with initdb, pg_ctl and postgres; without it they are searched for on this machine
    #[arg(long, env = "NEON_EMULATOR_POSTGRES_BIN", value_name = "FOLDER")]
    pub postgres_bin: Option<PathBuf>,

    /// Name of the database with the emulator's own state; databases and roles of tenants begin with it
    #[arg(long, env = "NEON_EMULATOR_STATE_DATABASE", default_value = "neon_emulator", value_name = "NAME")]
    pub state_database: String,
}

#[derive(Debug, clap::Args)]
pub struct TimeArguments {
    /// Factor on the durations of operations; 0 finishes them at once
    #[arg(long, env = "NEON_EMULATOR_TIME_SCALE", default_value_t = 1.0, value_parser = factor, value_name = "FACTOR")]
    pub time_scale: f64,

    /// Factor on suspend timeouts
    #[arg(long, env = "NEON_EMULATOR_SUSPEND_SCALE", default_value_t = 1.0, value_parser = factor, value_name = "FACTOR")]
    pub suspend_scale: f64,

    /// Seconds of the emulator's time in a real second
    #[arg(long, env = "NEON_EMULATOR_CLOCK_RATE", default_value_t = 1.0, value_parser = rate, value_name = "RATE")]
    pub clock_rate: f64,

    /// How long after its quota was exceeded a project is suspended, in seconds
    #[arg(long, env = "NEON_EMULATOR_QUOTA_LAG", default_value_t = 900, value_name = "SECONDS")]
    pub quota_lag: u64,

    /// Computes that have been idle for so many seconds are checked, as by Neon; none is, if absent
    #[arg(long, env = "NEON_EMULATOR_AVAILABILITY_CHECKS", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub availability_checks: Option<u64>,
}

#[derive(Debug, clap::Args)]
pub struct LimitArguments {
    /// No 429 for too many calls
    #[arg(long, env = "NEON_EMULATOR_NO_RATE_LIMITS", value_parser = FalseyValueParser::new())]
    pub no_rate_limits: bool,

    /// How many projects the plan allows; any number if absent
    #[arg(long, env = "NEON_EMULATOR_PROJECTS_LIMIT", value_name = "N")]
    pub projects_limit: Option<i64>,

    /// How many branches the plan allows in a project; any number if absent
    #[arg(long, env = "NEON_EMULATOR_BRANCHES_LIMIT", value_name = "N")]
    pub branches_limit: Option<usize>,

    /// The shortest suspend timeout that the plan allows, in seconds
    #[arg(long, env = "NEON_EMULATOR_SHORTEST_SUSPEND", value_name = "SECONDS")]
    pub shortest_suspend_seconds: Option<i64>,
}

fn factor(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| String::from("write a number that is 0 or more, as 0.1"))
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|rate| crate::Clock::is_rate(*rate));
    number.ok_or_else(|| String::from("write a number from 0.000000001 to 1000000"))
}

/// Runs until a signal.
///
/// # Errors
/// With a text that says what could not be started, and what to do.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.check {
        return check(arguments.listen).await;
    }
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminated = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let switches = arguments.faults.as_deref().map(read_faults).transpose()?;
    let postgres = match &arguments.postgres.database_url {
        Some(_) => None,
        None => Some(start_postgres(&arguments.postgres).await?),
    };
    let url = match (&arguments.postgres.database_url, &postgres) {
        (Some(url), _) => url.clone(),
        (None, postgres) => postgres.as_ref().map_or_else(String::new, |postgres| postgres.url(DATABASE)),
    };
    let outcome = async {
        let emulator = Emulator::start(arguments.config(url)).await?;
        if let Some(switches) = switches {
            emulator.faults().switch(switches);
        }
        greet(&emulator, &arguments);
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        tracing::info!("the emulator stops");
        emulator.shutdown().await
    }
    .await;
    if let Some(postgres) = postgres {
        spawn_blocking(|| postgres.stop()).await?.context("the private PostgreSQL could not be stopped")?;
    }
    outcome
}

impl Arguments {
    fn config(&self, database_url: String) -> Config {
        Config {
            state_database: self.postgres.state_database.clone(),
            api_listen: self.listen,
            proxy_listen: self.proxy_listen,
            proxy_advertise: self.proxy_advertise.clone().filter(|address| !address.is_empty()),
            connections: !self.no_connections,
            api_keys: self.api_keys.clone(),
            org_id: self.org_id.clone(),
            default_region: self.region.clone(),
            operation_time_scale: self.time.time_scale,
            suspend_time_scale: self.time.suspend_scale,
            clock_rate: self.time.clock_rate,
            quota_lag: Duration::from_secs(self.time.quota_lag),
            availability_checks: self.time.availability_checks.map(Duration::from_secs),
            rate_limits: !self.limits.no_rate_limits,
            projects_limit: self.limits.projects_limit,
            branches_limit: self.limits.branches_limit,
            shortest_suspend_seconds: self.limits.shortest_suspend_seconds,
            unknowns: self.unknowns.clone(),
            ..Config::new(database_url, "")
        }
    }
}

async fn start_postgres(arguments: &PostgresArguments) -> anyhow::Result<Postgres> {
    let mut settings = Settings::new(&arguments.data_dir);
    settings.bin_dir = arguments.postgres_bin.clone().or(settings.bin_dir);
    // Tenants connect to it through the proxy.
    settings.max_connections = 600;
    spawn_blocking(move || Postgres::start(&settings))
        .await?
        .context("the private PostgreSQL did not start: install PostgreSQL, or name a running one with --database-url")
}

fn read_faults(path: &Path) -> anyhow::Result<Switches> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the faults in {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} holds no faults: write {{\"rules\": [...]}}, as the README shows", path.display()))
}

/// How to use it, for the person at the terminal.
fn greet(emulator: &Emulator, arguments: &Arguments) {
    let (url, key) = (emulator.api_url(), arguments.api_keys.first().map_or(DEFAULT_KEY, String::as_str));
    // Keys of one's own are told to nobody.
    let key = if key == DEFAULT_KEY { key } else { "<your key>" };
    let _ = writeln!(
        stderr(),
        "\nA stand-in for Neon is ready. Ctrl-C stops it; the next start has the same projects.\n\n\
         \x20 curl -s {url}/projects -H 'Authorization: Bearer {key}' -d '{{\"project\":{{\"name\":\"first\"}}}}'\n"
    );
}

async fn check(listen: SocketAddr) -> anyhow::Result<()> {
    let address = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, listen.port())),
        _ => listen,
    };
    let answer = timeout(CHECK_TIME, ask(address)).await.unwrap_or_else(|_| bail!("no answer within {CHECK_TIME:?}"));
    match answer.with_context(|| format!("no emulator answers at {address}"))?.as_str() {
        "HTTP/1.1 200" => Ok(()),
        _ => bail!("the emulator at {address} is not well: its PostgreSQL does not answer"),
    }
}

/// The beginning of the answer.
async fn ask(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /_emulator/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    Ok(String::from_utf8_lossy(&status).into_owned())
}
