//! Every setting, read once from the command line, the environment and the files that these name. Nothing else reads the environment.
//!
//! An empty environment variable counts as absent, as compose files and shells tend to leave them so. A secret is never an argument, which everybody on
//! the machine can see in `ps`: see [`secret`]. What cannot be right is refused before anything is started.

mod check;
mod secret;
mod values;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use include_dir::Dir;
use secrecy::{ExposeSecret, SecretString};

pub use secret::Environment;
pub use values::Networks;

use crate::{
    site::Site,
    telemetry::{self, LogFormat},
};

/// The settings in groups, by which `--help` shows them: see `cli::groups_of`.
pub const LEDGER: &str = "Ledger";
pub const ADDRESS: &str = "Address";
pub const SERVER: &str = "Server";
pub const NEON: &str = "Neon";
pub const KEYS: &str = "Keys that seal credentials";
pub const LOGS: &str = "Logs";

/// A setting, or two of them together, that cannot be right. Ends the program with the exit code of wrong usage.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(pub String);

#[derive(Args, Clone, Debug)]
pub struct Config {
    #[arg(skip)]
    pub database_url: Option<SecretString>,

    /// File with the address of the ledger's PostgreSQL, postgres://user:password@host/database; or put the address itself into DATABASE_URL. Without
    /// either, Flotilla runs a private PostgreSQL of its own
    #[arg(long, env = "DATABASE_URL_FILE", help_heading = LEDGER, global = true, value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,

    /// Connections to the ledger's PostgreSQL that requests share, 2 to 500; the engine has 15 more
    #[arg(long, env = "FLOTILLA_DATABASE_CONNECTIONS", help_heading = LEDGER, global = true, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=500), value_name = "N")]
    pub database_connections: u32,

    /// Folder of the private PostgreSQL and of what else must survive a restart
    #[arg(long, env = "FLOTILLA_DATA_DIR", help_heading = LEDGER, global = true, default_value = ".flotilla", value_name = "FOLDER")]
    pub data_dir: PathBuf,

    /// Folder with initdb, pg_ctl and postgres for the private PostgreSQL; without it they are searched for on this machine
    #[arg(long, env = embedded_postgres::BINARIES_VARIABLE, help_heading = LEDGER, global = true, value_name = "FOLDER", value_parser = values::folder)]
    pub postgres_bin: Option<PathBuf>,

    /// Address to listen on; 0.0.0.0 for all
    #[arg(long, env = "FLOTILLA_LISTEN", help_heading = ADDRESS, global = true, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub listen: IpAddr,

    /// Port to listen on, 1 to 65535
    #[arg(long, env = "PORT", help_heading = ADDRESS, global = true, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,

    /// Where browsers reach Flotilla, as https://fleet.example.com; the default is the address it listens on
    #[arg(long, env = "FLOTILLA_PUBLIC_URL", help_heading = ADDRESS, global = true, value_name = "URL", value_parser = values::public_url)]
    pub public_url: Option<String>,

    /// Address and port on which /metrics and the health checks answer without a token, as 10.0.0.5:9464: for a network that only monitoring
    /// reaches. Without it, /metrics is read on the main address with an API token of the scope read
    #[arg(long, env = "FLOTILLA_METRICS_LISTEN", help_heading = ADDRESS, global = true, value_name = "ADDRESS:PORT", value_parser = values::address_with_port)]
    pub metrics_listen: Option<String>,

    /// Networks of the proxies in front of Flotilla, as 10.0.0.0/8,2001:db8::/32: what they write into X-Forwarded-For is believed
    #[arg(long, env = "FLOTILLA_TRUSTED_PROXIES", help_heading = SERVER, global = true, default_value = "", hide_default_value = true, value_name = "NETWORKS")]
    pub trusted_proxies: Networks,

    /// Connections at a time at most, 16 to 65535; fewer if the process may open fewer files
    #[arg(long, env = "FLOTILLA_CONNECTIONS", help_heading = SERVER, global = true, default_value_t = 4_096, value_parser = clap::value_parser!(u16).range(16..), value_name = "N")]
    pub connections: u16,

    /// Connections of one address at a time at most that have not shown a valid token or session within five seconds, 1 to 65535; trusted proxies are not
    /// counted
    #[arg(long, env = "FLOTILLA_CONNECTIONS_PER_ADDRESS", help_heading = SERVER, global = true, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    pub connections_per_address: u16,

    /// Minutes without a request after which an operator is signed out, 5 to 1440
    #[arg(long, env = "FLOTILLA_SESSION_IDLE_MINUTES", help_heading = SERVER, global = true, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=1_440), value_name = "MINUTES")]
    pub session_idle_minutes: u64,

    /// Hours after which an operator must sign in again in any case, 1 to 168
    #[arg(long, env = "FLOTILLA_SESSION_HOURS", help_heading = SERVER, global = true, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=168), value_name = "HOURS")]
    pub session_hours: u64,

    /// Seconds after SIGTERM for which /readyz answers 503 and everything else goes on, so that load balancers look elsewhere; 0 to 300
    #[arg(long, env = "FLOTILLA_UNREADY_SECONDS", help_heading = SERVER, global = true, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=300), value_name = "SECONDS")]
    pub unready_seconds: u64,

    /// Seconds after that for which requests under way are waited for, 0 to 3600; a claim may wait 30
    #[arg(long, env = "FLOTILLA_DRAIN_SECONDS", help_heading = SERVER, global = true, default_value_t = 45, value_parser = clap::value_parser!(u64).range(0..=3_600), value_name = "SECONDS")]
    pub drain_seconds: u64,

    /// Folder of the console's files (stylesheet, script, WebAssembly, icons), to be read instead of those that a release build holds
    #[arg(long, env = "LEPTOS_SITE_ROOT", help_heading = SERVER, global = true, value_name = "FOLDER")]
    pub site_dir: Option<PathBuf>,

    /// The console's files inside the program, if it is a release build.
    #[arg(skip)]
    pub embedded_site: Option<&'static Dir<'static>>,

    /// Pages may connect to the reload server of cargo-leptos; set by `cargo leptos watch`
    #[arg(long, env = "LEPTOS_WATCH", help_heading = SERVER, global = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub watch: bool,

    #[arg(skip)]
    pub neon_api_key: Option<SecretString>,

    /// File with the API key of the Neon organisation; or put the key itself into NEON_API_KEY
    #[arg(long, env = "NEON_API_KEY_FILE", help_heading = NEON, global = true, value_name = "FILE")]
    pub neon_api_key_file: Option<PathBuf>,

    /// Neon organisation in which projects are made, as org-bold-sun-12345678; needed with a personal API key, and for data transfer by day
    #[arg(long, env = "NEON_ORG_ID", help_heading = NEON, global = true, value_name = "ID", value_parser = values::id)]
    pub neon_org_id: Option<String>,

    /// Neon's management API
    #[arg(long, env = "NEON_API_HOST", help_heading = NEON, global = true, default_value = "https://console.neon.tech/api/v2", value_name = "URL", value_parser = values::http_url)]
    pub neon_api_url: String,

    /// Calls to Neon's API a minute at most, over all replicas together, 10 to 100000: Neon's limit, less what others use of the account
    #[arg(long, env = "FLOTILLA_NEON_CALLS_PER_MINUTE", help_heading = NEON, global = true, default_value_t = 700, value_parser = clap::value_parser!(u32).range(10..=100_000), value_name = "N")]
    pub neon_calls_per_minute: u32,

    /// Calls to one route of Neon's API a second at most, over all replicas together, 3 to 10000
    #[arg(long, env = "FLOTILLA_NEON_CALLS_PER_SECOND", help_heading = NEON, global = true, default_value_t = 40, value_parser = clap::value_parser!(u32).range(3..=10_000), value_name = "N")]
    pub neon_calls_per_second: u32,

    /// Calls for usage history a minute at most, over all replicas together, 3 to 100000; Neon counts them apart
    #[arg(long, env = "FLOTILLA_NEON_CONSUMPTION_CALLS_PER_MINUTE", help_heading = NEON, global = true, default_value_t = 30, value_parser = clap::value_parser!(u32).range(3..=100_000), value_name = "N")]
    pub neon_consumption_calls_per_minute: u32,

    /// What to do when somebody has changed a quota on Neon: send the ledger's again, or only show it
    #[arg(long, env = "FLOTILLA_QUOTA_DRIFT", help_heading = NEON, global = true, value_enum, default_value_t)]
    pub quota_drift: QuotaDrift,

    #[arg(skip)]
    pub secret_key: Option<SecretString>,

    /// File with the key that seals the credentials of databases, as `flotilla key generate` makes it: 32 bytes in base64 or hexadecimal; or put the
    /// key itself into FLOTILLA_SECRET_KEY
    #[arg(long, env = "FLOTILLA_SECRET_KEY_FILE", help_heading = KEYS, global = true, value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,

    #[arg(skip)]
    pub previous_secret_keys: Vec<SecretString>,

    /// File with earlier keys, one a line, with which credentials sealed before a change of keys are opened; or put them into
    /// FLOTILLA_PREVIOUS_SECRET_KEYS, with commas between
    #[arg(long, env = "FLOTILLA_PREVIOUS_SECRET_KEYS_FILE", help_heading = KEYS, global = true, value_name = "FILE")]
    pub previous_secret_keys_file: Option<PathBuf>,

    /// Ids of keys that are lost for good, with commas between, as the refusal to start without them names them: what they sealed stays closed
    #[arg(long, env = "FLOTILLA_LOST_SECRET_KEYS", help_heading = KEYS, global = true, value_delimiter = ',', value_name = "IDS", value_parser = values::key_id)]
    pub lost_secret_keys: Vec<String>,

    /// What is logged: off, error, warn, info, debug or trace, and where it shall be another, as info,flotilla=debug
    #[arg(long = "log", env = "RUST_LOG", help_heading = LOGS, global = true, default_value = "info", value_name = "FILTER", value_parser = telemetry::filter)]
    pub log_filter: String,

    /// Logs for people (text) or for machines (json)
    #[arg(long, env = "FLOTILLA_LOG_FORMAT", help_heading = LOGS, global = true, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// What to do about a quota that is another on Neon than in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum QuotaDrift {
    #[default]
    Reapply,
    Show,
}

impl Config {
    pub fn database_url(&self) -> Option<&str> {
        present(self.database_url.as_ref())
    }

    pub fn neon_api_key(&self) -> Option<&SecretString> {
        self.neon_api_key.as_ref().filter(|key| !key.expose_secret().trim().is_empty())
    }

    pub fn neon_org_id(&self) -> Option<&str> {
        self.neon_org_id.as_deref().map(str::trim).filter(|id| !id.is_empty())
    }

    pub fn secret_key(&self) -> Option<&str> {
        present(self.secret_key.as_ref())
    }

    pub fn previous_secret_keys(&self) -> Vec<&str> {
        self.previous_secret_keys.iter().filter_map(|key| present(Some(key))).collect()
    }

    /// Where the console's files are: in the folder that was named, else in the program, else where a build leaves them.
    pub fn site(&self) -> Site {
        let named = self.site_dir.clone().filter(|folder| !folder.as_os_str().is_empty());
        match (named, self.embedded_site) {
            (Some(folder), _) => Site::Folder(folder),
            (None, Some(files)) => Site::Embedded(files),
            (None, None) => Site::Folder(PathBuf::from("target/site")),
        }
    }

    pub fn listen_address(&self) -> SocketAddr {
        SocketAddr::new(self.listen, self.port)
    }

    pub fn metrics_listen(&self) -> Option<&str> {
        self.metrics_listen.as_deref().map(str::trim).filter(|address| !address.is_empty())
    }

    /// Where browsers reach this server, without a slash at the end.
    pub fn public_url(&self) -> String {
        match self.public_url.as_deref().map(str::trim).filter(|url| !url.is_empty()) {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if self.listen.is_unspecified() => format!("http://127.0.0.1:{}", self.port),
            None => format!("http://{}", self.listen_address()),
        }
    }

    /// Whether browsers speak TLS with us or with the proxy in front of us.
    pub fn is_https(&self) -> bool {
        self.public_url().starts_with("https://")
    }

    /// The folder of the private PostgreSQL's programs, if it is named.
    pub fn postgres_bin(&self) -> Option<PathBuf> {
        self.postgres_bin.clone().filter(|folder| !folder.as_os_str().is_empty())
    }

    pub fn session_idle(&self) -> Duration {
        Duration::from_secs(self.session_idle_minutes * 60)
    }

    pub fn session_limit(&self) -> Duration {
        Duration::from_secs(self.session_hours * 3_600)
    }
}

fn present(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(|secret| secret.expose_secret().trim()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        config: Config,
    }

    fn config(arguments: &[&str]) -> Config {
        Only::try_parse_from([&["flotilla"], arguments].concat()).expect("valid").config
    }

    #[test]
    fn the_public_url_follows_from_the_address_unless_given() {
        assert_eq!(config(&["--port", "9000"]).public_url(), "http://127.0.0.1:9000");
        assert_eq!(config(&["--port", "9000", "--listen", "0.0.0.0"]).public_url(), "http://127.0.0.1:9000");
        assert_eq!(config(&["--port", "9000", "--listen", "::1"]).public_url(), "http://[::1]:9000");
        let behind_tls = config(&["--public-url", "https://fleet.example.com/"]);
        assert_eq!(behind_tls.public_url(), "https://fleet.example.com");
        assert!(behind_tls.is_https());
    }

    #[test]
    fn trusted_proxies_are_networks_and_anything_else_is_named() {
        let trusted = config(&["--trusted-proxies", "10.0.0.0/8, 192.0.2.7,2001:db8::/32"]).trusted_proxies;
        let trusts = |address: &str| trusted.contains(address.parse().expect("an address"));
        assert!(trusts("10.1.2.3") && trusts("192.0.2.7") && trusts("2001:db8::1") && trusts("::ffff:10.1.2.3"));
        assert!(!trusts("192.0.2.8") && !trusts("2001:db9::1"));
        assert_eq!(config(&["--trusted-proxies", ""]).trusted_proxies, Networks::default());
        let Err(error) = Only::try_parse_from(["flotilla", "--trusted-proxies", "10.0.0.0/8,proxy.example"]) else {
            panic!("accepted")
        };
        assert!(error.to_string().contains("“proxy.example” is no network"), "{error}");
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let mut config = config(&[]);
        let secrets = |name: &str| match name {
            "DATABASE_URL" => Some("postgres://u:hunter2@h/d".into()),
            "NEON_API_KEY" => Some("napi_hunter2".into()),
            "FLOTILLA_SECRET_KEY" => Some("aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnQ=".into()),
            _ => None,
        };
        config.read_secrets(&secrets).expect("read");
        assert!(config.secret_key().is_some() && config.neon_api_key().is_some() && config.database_url().is_some());
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVy"), "{shown}");
    }
}
