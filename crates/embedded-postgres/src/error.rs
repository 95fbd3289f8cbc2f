//! What can go wrong, in words that say what to do.

use std::io;
use std::path::PathBuf;

use crate::BINARIES_VARIABLE;

/// Why the server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither the machine nor `node_modules` has a usable server.
    #[error(
        "no usable PostgreSQL server was found. Looked at:\n{looked}\nInstall one (Debian: apt-get install postgresql), or run `npm ci` \
         in the project folder, or name the folder of initdb in {BINARIES_VARIABLE}"
    )]
    NoServer { looked: String },

    /// The data were written by a major version that is not on this machine.
    #[error(
        "the data in {data} were written by PostgreSQL {cluster}, but this machine has {found}. Install PostgreSQL {cluster}, or name \
         the folder of its initdb in {BINARIES_VARIABLE}, or move {data} away to start with an empty database"
    )]
    WrongVersion { data: PathBuf, cluster: u32, found: String },

    /// The data belong to a user that this program cannot act for.
    #[error(
        "the data in {data} belong to user {owner}, but this program runs as user {us}. Run it as {owner} or as root, \
         or choose another data folder"
    )]
    ForeignData { data: PathBuf, owner: String, us: String },

    /// PostgreSQL refuses to run as root, and there is nobody to run it as.
    #[error(
        "PostgreSQL does not run as root, and /etc/passwd has neither a user postgres nor nobody. \
         Add one (useradd --system postgres) or start the program as an ordinary user"
    )]
    NoAccount,

    /// The server's user may not enter the folder of data that exist already.
    #[error(
        "the server runs as user {user}, who cannot enter {path}. Allow it (chmod o+x on the folders above) or move the data"
    )]
    DataOutOfReach { user: String, path: PathBuf },

    /// The server's user may not run the binaries, and they are not of a kind that can be copied.
    #[error(
        "the server runs as user {user}, who cannot run {path}: {reason}. Allow it (chmod o+x on the folders above), or name other binaries in {BINARIES_VARIABLE}"
    )]
    BinariesOutOfReach { user: String, path: PathBuf, reason: String },

    /// `initdb` failed.
    #[error("PostgreSQL could not make a new cluster in {data}.{hint} Its log {log} ends:\n{tail}")]
    Initdb { data: PathBuf, log: PathBuf, tail: String, hint: &'static str },

    /// The server ended while it was starting.
    #[error("PostgreSQL ended while it was starting. Its log {log} ends:\n{tail}")]
    Exited { log: PathBuf, tail: String },

    /// The server is still busy starting.
    #[error("PostgreSQL was not ready after {seconds} s. It may be recovering: read {log}, then start again")]
    NotReady { seconds: u64, log: PathBuf },

    /// Another program owns the server and does not get it ready.
    #[error(
        "another program holds {lock} and its PostgreSQL was not ready after {seconds} s. Stop that program, then start again"
    )]
    Busy { seconds: u64, lock: PathBuf },

    /// A living program uses the data that should be removed.
    #[error("a program is using the data in {data}. Stop it, then try again")]
    InUse { data: PathBuf },

    /// Processes of a server that crashed still use the data.
    #[error(
        "the PostgreSQL of {data} crashed and left processes behind: {pids}. End them (kill {pids}), then start again"
    )]
    LeftBehind { data: PathBuf, pids: String },

    /// No free port, or the wanted one is taken.
    #[error("port {port} of 127.0.0.1 cannot be used: {source}. Choose another port, or end the program that has it")]
    Port { port: u16, source: io::Error },

    /// The server does not stop.
    #[error("PostgreSQL (process {pid}) did not stop. Read {log}, then end it with: kill -QUIT {pid}")]
    NotStopped { pid: u32, log: PathBuf },

    /// A program could not be run or did not end in time.
    #[error("{program} could not be run: {source}")]
    Run { program: PathBuf, source: io::Error },

    /// A file or folder could not be used.
    #[error("cannot {action} {path}: {source}")]
    File { action: &'static str, path: PathBuf, source: io::Error },
}

/// Adds to an input/output error what was being done, and to which file.
pub(crate) trait During<T> {
    fn during(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::File { action, path: path.into(), source })
    }
}
