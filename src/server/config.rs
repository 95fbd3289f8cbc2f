//! Every setting, read once from the command line and the environment. Nothing else reads the environment.
//!
//! An empty environment variable counts as absent, as compose files and shells tend to leave them so.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::{Args, builder::NonEmptyStringValueParser};
use include_dir::Dir;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

use super::{site::Site, telemetry::LogFormat};

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Config {
    /// PostgreSQL of the ledger, as postgres://user:password@host/database. Without it, Flotilla runs a private PostgreSQL of its own
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true, value_name = "URL")]
    pub database_url: Option<SecretString>,

    /// Folder of the private PostgreSQL and of what else must survive a restart
    #[arg(long, env = "FLOTILLA_DATA_DIR", global = true, default_value = ".flotilla", value_name = "FOLDER")]
    pub data_dir: PathBuf,

    /// Connections to the ledger's PostgreSQL at most
    #[arg(long, env = "FLOTILLA_DATABASE_CONNECTIONS", hide = true, global = true, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=500), value_name = "N")]
    pub database_connections: u32,

    /// Address to listen on; 0.0.0.0 for all
    #[arg(long, env = "FLOTILLA_LISTEN", global = true, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub listen: IpAddr,

    /// Port to listen on; 0 takes a free one
    #[arg(long, env = "PORT", global = true, default_value_t = 8080)]
    pub port: u16,

    /// Address and port on which /metrics and the health checks answer without a token, as 10.0.0.5:9464: for a network that only monitoring
    /// reaches. Without it, /metrics is read on the main address with an API token of the scope read
    #[arg(long, env = "FLOTILLA_METRICS_LISTEN", global = true, value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<String>,

    /// Where browsers reach Flotilla, as https://fleet.example.com; the default is the address it listens on
    #[arg(long, env = "FLOTILLA_PUBLIC_URL", global = true, value_name = "URL")]
    pub public_url: Option<String>,

    /// Networks of the proxies in front of Flotilla, as 10.0.0.0/8,2001:db8::/32: what they write into X-Forwarded-For is believed
    #[arg(
        long,
        env = "FLOTILLA_TRUSTED_PROXIES",
        global = true,
        default_value = "",
        hide_default_value = true,
        value_name = "NETWORKS"
    )]
    pub trusted_proxies: Networks,

    /// Connections at a time at most
    #[arg(long, env = "FLOTILLA_CONNECTIONS", hide = true, global = true, default_value_t = 4_096, value_parser = clap::value_parser!(u16).range(16..), value_name = "N")]
    pub connections: u16,

    /// Connections of one address at a time at most that have not shown a valid token or session within five seconds; trusted proxies are not counted
    #[arg(long, env = "FLOTILLA_CONNECTIONS_PER_ADDRESS", hide = true, global = true, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    pub connections_per_address: u16,

    /// API key of the Neon organisation
    #[arg(long, env = "NEON_API_KEY", hide_env_values = true, global = true, value_name = "KEY")]
    pub neon_api_key: Option<SecretString>,

    /// Neon's management API
    #[arg(long, env = "NEON_API_HOST", global = true, default_value = "https://console.neon.tech/api/v2", value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub neon_api_url: String,

    /// Neon organisation in which projects are made; needed with a personal API key
    #[arg(long, env = "NEON_ORG_ID", global = true, value_name = "ID")]
    pub neon_org_id: Option<String>,

    /// Calls to Neon's API a minute at most, over all replicas together: Neon's limit, less what others use of the account
    #[arg(long, env = "FLOTILLA_NEON_CALLS_PER_MINUTE", global = true, default_value_t = 700, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "N")]
    pub neon_calls_per_minute: u32,

    /// Calls to one route of Neon's API a second at most
    #[arg(long, env = "FLOTILLA_NEON_CALLS_PER_SECOND", hide = true, global = true, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    pub neon_calls_per_second: u32,

    /// Calls for usage history a minute at most, over all replicas together; Neon counts them apart
    #[arg(long, env = "FLOTILLA_NEON_CONSUMPTION_CALLS_PER_MINUTE", hide = true, global = true, default_value_t = 30, value_parser = clap::value_parser!(u32).range(3..=100_000), value_name = "N")]
    pub neon_consumption_calls_per_minute: u32,

    /// What to do when somebody has changed a quota on Neon: send the ledger's again, or only show it
    #[arg(long, env = "FLOTILLA_QUOTA_DRIFT", global = true, value_enum, default_value_t)]
    pub quota_drift: QuotaDrift,

    /// Key that seals the credentials of databases: 32 bytes as hex or base64 (`openssl rand -hex 32`)
    #[arg(long, env = "FLOTILLA_SECRET_KEY", hide_env_values = true, global = true, value_name = "KEY")]
    pub secret_key: Option<SecretString>,

    /// Earlier keys, separated by commas, with which credentials sealed before a change of keys are opened
    #[arg(
        long,
        env = "FLOTILLA_PREVIOUS_SECRET_KEYS",
        hide_env_values = true,
        global = true,
        value_delimiter = ',',
        value_name = "KEYS"
    )]
    pub previous_secret_keys: Vec<SecretString>,

    /// Minutes without a request after which an operator is signed out
    #[arg(long, env = "FLOTILLA_SESSION_IDLE_MINUTES", hide = true, global = true, default_value_t = 30, value_parser = clap::value_parser!(u64).range(5..=1_440), value_name = "MINUTES")]
    pub session_idle_minutes: u64,

    /// Hours after which an operator must sign in again in any case
    #[arg(long, env = "FLOTILLA_SESSION_HOURS", hide = true, global = true, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=168), value_name = "HOURS")]
    pub session_hours: u64,

    /// Logs for people (text) or for machines (json); RUST_LOG says what is logged
    #[arg(long, env = "FLOTILLA_LOG_FORMAT", global = true, value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// Folder of the console's files (stylesheet, script, WebAssembly, icons), to be read instead of those that a release build holds
    #[arg(long, env = "LEPTOS_SITE_ROOT", hide = true, global = true, value_name = "FOLDER")]
    pub site_dir: Option<PathBuf>,

    /// The console's files inside the program, if it is a release build.
    #[arg(skip)]
    pub embedded_site: Option<&'static Dir<'static>>,

    /// Pages may connect to the reload server of cargo-leptos; set by `cargo leptos watch`
    #[arg(long, env = "LEPTOS_WATCH", hide = true, global = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub watch: bool,
}

/// What to do about a quota that is another on Neon than in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum QuotaDrift {
    #[default]
    Reapply,
    Show,
}

/// Networks in the notation 10.0.0.0/8; an address alone is a network of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = |text: &str| {
            text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| {
                format!("“{text}” is no network. Write networks as 10.0.0.0/8 or 2001:db8::/32, with commas between")
            })
        };
        text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(network).collect::<Result<_, _>>().map(Self)
    }
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
    fn an_empty_setting_counts_as_absent() {
        let config = config(&["--database-url", "", "--neon-api-key", " ", "--secret-key", "", "--neon-org-id", ""]);
        assert!(
            config.database_url().is_none()
                && config.neon_api_key().is_none()
                && config.secret_key().is_none()
                && config.neon_org_id().is_none()
        );
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
        let config = config(&[
            "--database-url",
            "postgres://u:hunter2@h/d",
            "--neon-api-key",
            "napi_hunter2",
            "--secret-key",
            "hunter2",
        ]);
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
