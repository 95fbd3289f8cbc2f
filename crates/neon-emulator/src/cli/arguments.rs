//! The options of the program. Each is an environment variable too; secrets also come from files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, builder::FalseyValueParser};

use super::secret;
use crate::{Clock, Config, DEFAULT_ORG, DEFAULT_REGION, Key, Organization, Unknowns};

/// The key that is accepted unless others are given. It is no secret: what is emulated is for one's own machine.
pub const DEFAULT_KEY: &str = "napi_local";

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

    /// An accepted bearer key; may be repeated, in the variable with commas between. Without any it is napi_local
    #[arg(
        long = "api-key",
        env = "NEON_EMULATOR_API_KEY",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "KEY"
    )]
    pub api_keys: Vec<String>,

    /// A file with such keys, one a line, in place of --api-key, which `ps` shows to everybody
    #[arg(long, env = "NEON_EMULATOR_API_KEY_FILE", value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,

    /// An organisation: its id, name, plan (free, agent-free, launch, scale, agent-paid) and how many projects it may have; may be repeated, in the variable with commas between. Without any there is one of the Scale plan
    #[arg(long = "organization", env = "NEON_EMULATOR_ORGANIZATIONS", value_delimiter = ',', value_parser = str::parse::<Organization>, value_name = "ID[:NAME[:PLAN[:MAX_PROJECTS]]]")]
    pub organizations: Vec<Organization>,

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

    /// Another answer to what Neon documents nowhere; may be repeated, in the variable with commas between
    #[arg(long = "unknown", env = "NEON_EMULATOR_UNKNOWN", value_delimiter = ',', value_parser = switch, value_name = "NAME=VALUE", help_heading = "Where Neon's behaviour is not documented", long_help = meanings())]
    pub unknowns: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct PostgresArguments {
    /// A running PostgreSQL, 14 or newer, whose role may create databases and roles; without it, one is started
    #[arg(long, env = "NEON_EMULATOR_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,

    /// A file that holds this URL with its password, in place of --database-url, which `ps` shows to everybody
    #[arg(long, env = "NEON_EMULATOR_DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,

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

    /// Calls of the consumption history that an account has in a minute; Neon's pages say 30 and 50
    #[arg(long, env = "NEON_EMULATOR_CONSUMPTION_CALLS", default_value_t = 30, value_name = "N")]
    pub consumption_calls: u32,

    /// How many branches a project may have; what its plan says if absent
    #[arg(long, env = "NEON_EMULATOR_BRANCHES_LIMIT", value_name = "N")]
    pub branches_limit: Option<usize>,

    /// The shortest suspend timeout that is accepted, in seconds, whatever the plan says
    #[arg(long, env = "NEON_EMULATOR_SHORTEST_SUSPEND", value_name = "SECONDS")]
    pub shortest_suspend_seconds: Option<i64>,
}

fn factor(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| String::from("write a number that is 0 or more, as 0.1"))
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|rate| Clock::is_rate(*rate));
    number.ok_or_else(|| String::from("write a number from 0.000000001 to 1000000"))
}

fn switch(text: &str) -> Result<String, String> {
    Unknowns::default().set(text).map(|()| text.into())
}

/// Every switch with its meaning.
fn meanings() -> String {
    let line = |(name, meaning): &(&str, &str)| format!("\n  {}: {}", name.replace('_', "-"), meaning.trim());
    let lines: String = Unknowns::MEANINGS.iter().map(line).collect();
    format!(
        "Another answer to what Neon documents nowhere; may be repeated, in the variable with commas between. `NAME` alone is `NAME=true`.{lines}"
    )
}

/// A key with its holder.
fn held(text: &str, first_org_id: &str) -> Key {
    match text.rsplit_once('@') {
        Some((token, "person")) => Key::personal(token),
        Some((token, org_id)) => Key::of_organization(token, org_id),
        None => Key::of_organization(text, first_org_id),
    }
}

impl Arguments {
    /// The PostgreSQL that runs already, if one is named.
    pub(super) fn database_url(&self) -> anyhow::Result<Option<String>> {
        let given = secret::given(self.postgres.database_url.as_deref(), self.postgres.database_url_file.as_deref());
        given.context("the database URL (--database-url, --database-url-file)")
    }

    /// At least one.
    fn organizations(&self) -> Vec<Organization> {
        let default = || vec![Organization::new(DEFAULT_ORG).named("Emulator")];
        if self.organizations.is_empty() { default() } else { self.organizations.clone() }
    }

    /// The keys that are accepted.
    pub(super) fn api_keys(&self) -> anyhow::Result<Vec<Key>> {
        let keys = secret::given(Some(&self.api_keys.join("\n")), self.api_key_file.as_deref());
        let keys = keys.context("the API keys (--api-key, --api-key-file)")?.unwrap_or_else(|| DEFAULT_KEY.into());
        let first = self.organizations().swap_remove(0).id;
        Ok(keys.lines().map(str::trim).filter(|key| !key.is_empty()).map(|key| held(key, &first)).collect())
    }

    /// Each is known to be right.
    fn unknowns(&self) -> Unknowns {
        let mut unknowns = Unknowns::default();
        for text in &self.unknowns {
            let _ = unknowns.set(text);
        }
        unknowns
    }

    /// What the emulator is started with, with these secrets.
    pub(super) fn config(&self, database_url: String, api_keys: Vec<Key>) -> Config {
        Config {
            state_database: self.postgres.state_database.clone(),
            api_listen: self.listen,
            proxy_listen: self.proxy_listen,
            proxy_advertise: self.proxy_advertise.clone().filter(|address| !address.is_empty()),
            connections: !self.no_connections,
            api_keys,
            organizations: self.organizations(),
            default_region: self.region.clone(),
            operation_time_scale: self.time.time_scale,
            suspend_time_scale: self.time.suspend_scale,
            clock_rate: self.time.clock_rate,
            quota_lag: Duration::from_secs(self.time.quota_lag),
            availability_checks: self.time.availability_checks.map(Duration::from_secs),
            rate_limits: !self.limits.no_rate_limits,
            consumption_calls_per_minute: self.limits.consumption_calls,
            branches_limit: self.limits.branches_limit,
            shortest_suspend_seconds: self.limits.shortest_suspend_seconds,
            unknowns: self.unknowns(),
            ..Config::new(database_url, "")
        }
    }
}
