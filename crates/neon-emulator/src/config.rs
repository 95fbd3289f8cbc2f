//! What an emulator is started with. Every field has a default that suits a test on the loopback interface.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use crate::clock::Clock;
use crate::regions::DEFAULT_REGION;

/// The organisation that every key belongs to unless the configuration names another.
pub const DEFAULT_ORG: &str = "org-quiet-harbour-10000001";

#[derive(Clone)]
pub struct Config {
    /// Any database of a server in which this role may create databases and roles.
    pub database_url: String,
    /// Name of the database with the emulator's own state, beside the given one; created when missing.
    /// The databases and roles of tenants begin with it and a dot.
    pub state_database: String,
    /// Where the management API listens; port 0 takes a free one.
    pub api_listen: SocketAddr,
    /// Where the connection proxy listens; port 0 takes a free one.
    pub proxy_listen: SocketAddr,
    /// `host:port` to put in connection strings when clients reach the proxy by another address.
    pub proxy_advertise: Option<String>,
    /// Whether databases can be connected to; else the proxy does not listen.
    pub connections: bool,
    /// Bearer keys that are accepted until they are revoked. All belong to one account.
    pub api_keys: Vec<String>,
    pub org_id: String,
    /// Where a project goes that names no region.
    pub default_region: String,
    /// Factor on the durations of operations: 1 is what was measured on Neon, 0 finishes at once.
    pub operation_time_scale: f64,
    /// Factor on suspend timeouts: 0.01 turns 300 s into 3 s.
    pub suspend_time_scale: f64,
    /// 700 calls a minute for the account, 40 a second for each route.
    pub rate_limits: bool,
    /// How long a deleted project can be recovered; then its database is dropped.
    pub recovery_window: Duration,
    /// How long after its quota was exceeded a project is suspended: Neon's metrics are renewed every 15 minutes.
    pub quota_lag: Duration,
    /// How often Neon renews the data of the consumption history; zero is at once.
    pub consumption_refresh: Duration,
    /// Calls of the consumption history that the account has in a minute.
    pub consumption_calls_per_minute: u32,
    /// Computes that have been idle for so long are checked by Neon (`check_availability`), which moves their last activity; none is, if absent.
    pub availability_checks: Option<Duration>,
    /// How many projects the plan allows; creation beyond it is refused with 422.
    pub projects_limit: Option<i64>,
    /// How many branches a project may have, the root branch included; creation beyond it is refused with 422.
    pub branches_limit: Option<usize>,
    /// The shortest suspend timeout that the plan allows; a shorter one is refused with 412.
    pub shortest_suspend_seconds: Option<i64>,
    /// Connections through the proxy at once; further ones are refused.
    pub proxy_max_connections: usize,
    /// Where the emulator's time comes from; a test may keep its clock across a restart.
    pub clock: Clock,
    /// How many seconds the emulator's time moves in a real second. Operations, suspend timeouts, billing periods and
    /// quotas follow it; rate limits and faults do not.
    pub clock_rate: f64,
    pub unknowns: Unknowns,
}

/// Where Neon's behaviour is documented nowhere: one switch each, the default being the likelier reading.
///
/// They are options of the program, too.
#[derive(Debug, Clone, Default, Args)]
#[command(about = None, long_about = None)]
pub struct Unknowns {
    /// A PATCH merges its quota into the stored one; else it replaces it.
    #[arg(long)]
    pub quota_patch_merges: bool,
    /// Seconds in `Retry-After` with a 429 of the rate limit; else the header is not sent.
    #[arg(long, value_name = "SECONDS")]
    pub rate_limit_retry_after: Option<u32>,
    /// The given keys are those of a person, so that lists need `org_id`; else they are the organisation's.
    #[arg(long)]
    pub personal_keys: bool,
    /// The pooled form is what `connection_uri` answers without `pooled`; else the direct one.
    #[arg(long)]
    pub pooled_by_default: bool,
    /// The counters of GET /projects/{project_id} stay zero, as was seen on newer paid plans; else they move.
    #[arg(long)]
    pub counters_stay_zero: bool,
    /// Status of a start that a quota forbids; else 422.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=599))]
    pub quota_refusal_status: Option<u16>,
    /// Status of a deletion that a protected branch forbids; else 422.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=499))]
    pub protected_refusal_status: Option<u16>,
    /// Deleting a project that is deleted already is answered with 404; else with 200 and a thinner project.
    #[arg(long)]
    pub second_deletion_is_404: bool,
    /// The frame that `to` of the consumption history falls into is left out; else it is there as far as it has come.
    #[arg(long)]
    pub consumption_cuts_last_frame: bool,
    /// Calls of the consumption history count against their own limit only; else against the account's 700 a minute too.
    #[arg(long)]
    pub consumption_counts_apart: bool,
    /// Deleted projects count towards the limit until they are purged; else they do not.
    #[arg(long)]
    pub deleted_count_towards_limit: bool,
}

/// Without the secrets.
impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("state_database", &self.state_database)
            .field("api_listen", &self.api_listen)
            .field("proxy_listen", &self.proxy_listen)
            .field("org_id", &self.org_id)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Loopback, free ports, Neon's own durations and limits.
    pub fn new(database_url: impl Into<String>, api_key: impl Into<String>) -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            database_url: database_url.into(),
            state_database: "neon_emulator".into(),
            api_listen: anywhere,
            proxy_listen: anywhere,
            proxy_advertise: None,
            connections: true,
            api_keys: vec![api_key.into()],
            org_id: DEFAULT_ORG.into(),
            default_region: DEFAULT_REGION.into(),
            operation_time_scale: 1.0,
            suspend_time_scale: 1.0,
            rate_limits: true,
            recovery_window: Duration::from_secs(7 * 24 * 3600),
            quota_lag: Duration::from_secs(15 * 60),
            consumption_refresh: Duration::from_secs(15 * 60),
            consumption_calls_per_minute: 30,
            availability_checks: None,
            projects_limit: None,
            branches_limit: None,
            shortest_suspend_seconds: None,
            proxy_max_connections: 500,
            clock: Clock::default(),
            clock_rate: 1.0,
            unknowns: Unknowns::default(),
        }
    }
}
