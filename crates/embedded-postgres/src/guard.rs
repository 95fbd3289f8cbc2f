//! The process that removes a temporary cluster when the program that it was for has ended, however that ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::binaries::Binaries;
use crate::error::Error;
use crate::home::Home;

/// Waits for the end of process $1 and then removes the cluster in $2. It asks the kernel rather than a lock or a pipe,
/// for those would not survive `exec`. A process that ended but was not collected (Z) has ended.
const GUARD: &str = r#"
while [ -d "$2" ] && [ -r "/proc/$1/stat" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; do sleep 0.2; done
[ -d "$2" ] || exit 0
"$3/pg_ctl" stop --silent --mode immediate --pgdata "$2/cluster"
rm -rf "$2"
"#;

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
