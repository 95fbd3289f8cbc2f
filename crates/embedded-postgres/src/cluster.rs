//! PostgreSQL's own data folder: making it, its version, and how the server is set up over it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Settings;
use crate::binaries::Binaries;
use crate::error::{During, Error};
use crate::home::Home;
use crate::process;

/// Making a cluster takes 2 s on a quiet laptop.
const INITDB_LIMIT: Duration = Duration::from_secs(120);

/// The major version that wrote the data, if there are any.
pub(crate) fn version(cluster: &Path) -> Result<Option<u32>, Error> {
    let path = cluster.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).during("read", path),
    }
}

/// Makes the cluster in a draft folder and moves it into place whole: a crash in between leaves no half of one.
pub(crate) fn create(settings: &Settings, home: &Home, binaries: &Binaries) -> Result<(), Error> {
    tracing::info!(data = %home.dir.display(), version = binaries.major, "making a PostgreSQL cluster");
    let draft = home.dir.join("cluster.new");
    if draft.exists() {
        fs::remove_dir_all(&draft).during("remove", &draft)?;
    }
    home.password()?;
    let (log, length) = home.open_log()?;
    let mut initdb = home.account.command(binaries.program("initdb"), &home.dir);
    initdb.args(["--encoding=UTF8", "--locale=C.UTF-8", "--lc-messages=C", "--auth=scram-sha-256", "--data-checksums"]);
    initdb.arg("--username").arg(&settings.user).arg("--pwfile").arg(home.password_file()).arg("--pgdata").arg(&draft);
    if !settings.durable {
        initdb.arg("--no-sync");
    }
    initdb.stdout(log.try_clone().during("open", home.log_file())?).stderr(log);
    if !process::run(initdb, INITDB_LIMIT)?.success() {
        let tail = home.log_tail(length);
        return Err(Error::Initdb { data: home.dir.clone(), log: home.log_file(), hint: hint(&tail), tail });
    }
    fs::rename(&draft, home.cluster()).during("move into place", draft)
}

fn hint(tail: &str) -> &'static str {
    if tail.contains("look up effective user ID") {
        " The user of this program is not in /etc/passwd: add it there (containers started with --user often lack it)."
    } else if tail.contains("No space left") {
        " The disk is full: make room, or choose another data folder."
    } else if tail.contains("could not change permissions") {
        " The file system keeps no permissions: choose a data folder on another one."
    } else {
        ""
    }
}

/// The server's settings, given on its command line so that they hold for clusters that an older version made.
pub(crate) fn server_settings(settings: &Settings, port: u16) -> Vec<String> {
    let durability = if settings.durable {
        ["fsync=on", "synchronous_commit=on", "full_page_writes=on"]
    } else {
        ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    };
    let fixed = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "password_encryption=scram-sha-256",
        // A laptop: some memory, solid-state storage, no replica, quick statements only.
        "shared_buffers=128MB",
        "work_mem=8MB",
        "maintenance_work_mem=128MB",
        "random_page_cost=1.1",
        "jit=off",
        "wal_level=minimal",
        "max_wal_senders=0",
        "timezone=UTC",
        "log_timezone=UTC",
        // The log is for starts, stops and failed sign-ins: errors of statements belong to whoever sent them.
        "log_min_messages=log",
        "log_checkpoints=off",
        "logging_collector=off",
        "log_destination=stderr",
    ];
    let chosen = [format!("port={port}"), format!("max_connections={}", settings.max_connections)];
    fixed
        .into_iter()
        .chain(durability)
        .map(str::to_owned)
        .chain(chosen)
        .chain(settings.tuning.iter().cloned())
        .collect()
}
