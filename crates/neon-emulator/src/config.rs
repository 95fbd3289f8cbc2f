//! What an emulator is started with. Every field has a default that suits a test on the loopback interface.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::clock::Clock;
use crate::keys::Key;
use crate::model::Organization;
use crate::regions::DEFAULT_REGION;
use crate::unknowns::Unknowns;

/// The one organisation that there is unless the configuration names others.
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
    /// Bearer keys that are accepted until they are revoked.
    pub api_keys: Vec<Key>,
    /// At least one; what names no organisation belongs to the first. Those of earlier starts stay beside them.
    pub organizations: Vec<Organization>,
    /// Where a project goes that names no region.
    pub default_region: String,
    /// Factor on the durations of operations: 1 is what was measured on Neon, 0 finishes at once.
    pub operation_time_scale: f64,
    /// Factor on suspend timeouts: 0.01 turns 300 s into 3 s.
    pub suspend_time_scale: f64,
    /// 700 calls a minute for each account, 40 a second for each of its routes.
    pub rate_limits: bool,
    /// How long a deleted project can be recovered; then its database is dropped.
    pub recovery_window: Duration,
    /// How long after its quota was exceeded a project is suspended: Neon's metrics are renewed every 15 minutes.
    pub quota_lag: Duration,
    /// How often Neon renews the data of the consumption history; zero is at once.
    pub consumption_refresh: Duration,
    /// Calls of the consumption history that an account has in a minute; Neon's pages say 30 and 50.
    pub consumption_calls_per_minute: u32,
    /// Computes that have been idle for so long are checked by Neon (`check_availability`), which moves their last activity; none is, if absent.
    pub availability_checks: Option<Duration>,
    /// How many branches a project may have, the root branch included, in place of what its plan says; creation beyond it is refused with 422.
    pub branches_limit: Option<usize>,
    /// A shorter suspend timeout is refused with 412, whatever the plan says.
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

/// Without the secrets.
impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("state_database", &self.state_database)
            .field("api_listen", &self.api_listen)
            .field("proxy_listen", &self.proxy_listen)
            .field("organizations", &self.organizations)
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
            api_keys: vec![Key::of_organization(api_key, DEFAULT_ORG)],
            organizations: vec![Organization::new(DEFAULT_ORG).named("Emulator")],
            default_region: DEFAULT_REGION.into(),
            operation_time_scale: 1.0,
            suspend_time_scale: 1.0,
            rate_limits: true,
            recovery_window: Duration::from_secs(7 * 24 * 3600),
            quota_lag: Duration::from_secs(15 * 60),
            consumption_refresh: Duration::from_secs(15 * 60),
            consumption_calls_per_minute: 30,
            availability_checks: None,
            branches_limit: None,
            shortest_suspend_seconds: None,
            proxy_max_connections: 500,
            clock: Clock::default(),
            clock_rate: 1.0,
            unknowns: Unknowns::default(),
        }
    }

    /// Where a project goes that names no organisation.
    pub fn first_org_id(&self) -> &str {
        self.organizations.first().map_or(DEFAULT_ORG, |organization| &organization.id)
    }
}
