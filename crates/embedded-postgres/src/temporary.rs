//! Clusters for tests: quick, unsafe against power loss, and gone with the program that asked for them, however it ends.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::Error;
use crate::home::{Home, make_open_folders, random_hex};
use crate::{Postgres, Settings};

/// Waits for the end of process $1 and then removes the cluster in $2. It asks the kernel rather than a lock or a pipe,
/// for those would not survive `exec`. A process that ended but was not collected (Z) has ended.
const GUARD: &str = r#"
while [ -d "$2" ] && [ -r "/proc/$1/stat" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; do sleep 0.2; done
[ -d "$2" ] || exit 0
"$3/pg_ctl" stop --silent --mode immediate --pgdata "$2/cluster"
rm -rf "$2"
"#;

impl Postgres {
    /// A cluster of its own in a temporary folder, removed by `stop`, by drop, or at the death of this process.
    pub fn temporary() -> Result<Self, Error> {
        let folder = new_folder()?;
        // Many tests share one server.
        let settings = Settings { durable: false, max_connections: 600, ..Settings::new(&folder) };
        let mut server = Self::start(&settings).inspect_err(|_| drop(std::fs::remove_dir_all(&folder)))?;
        server.make_temporary()?;
        Ok(server)
    }
}

/// Starts the process that outlives us to clean up.
pub(crate) fn guard(home: &Home, binaries: &Binaries) -> Result<Child, Error> {
    let mut guard = home.account.command("/bin/sh", Path::new("/"));
    guard
        .args(["-c", GUARD, "embedded-postgres-guard"])
        .arg(std::process::id().to_string())
        .arg(&home.dir)
        .arg(&binaries.dir);
    guard.stdout(Stdio::null()).stderr(Stdio::null());
    guard.spawn().map_err(|source| Error::Run { program: PathBuf::from("/bin/sh"), source })
}

/// A path for a new folder that every user can reach: the system's temporary folder, unless root's is closed to others.
pub(crate) fn new_folder() -> Result<PathBuf, Error> {
    let us = Account::ourselves()?;
    let server_user = if us.uid == 0 { Account::for_root()? } else { us };
    let asked = env::temp_dir();
    let place = if server_user.can_enter(&asked) { asked } else { Settings::new("").shared_dir.join("tmp") };
    let folder = place.join(format!("embedded-postgres-{}", &random_hex()?[..16]));
    make_open_folders(&folder)?;
    Ok(folder)
}
