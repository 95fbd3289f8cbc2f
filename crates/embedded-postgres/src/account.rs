//! The user that the server runs as: ourselves, or, as PostgreSQL refuses root, an ordinary user that root switches to.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::error::{During, Error};
use crate::process;

/// A signal needs a shell, and that no disk.
const SIGNAL_LIMIT: Duration = Duration::from_secs(5);

/// A user of the machine, and whether commands must switch to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub name: String,
    pub uid: u32,
    gid: u32,
    switch: bool,
}

impl Account {
    /// Who runs this program.
    pub fn ourselves() -> Result<Self, Error> {
        let us = fs::metadata("/proc/self").during("read", "/proc/self")?;
        let name = passwd()
            .into_iter()
            .find(|account| account.uid == us.uid())
            .map_or_else(|| us.uid().to_string(), |account| account.name);
        Ok(Self { name, uid: us.uid(), gid: us.gid(), switch: false })
    }

    /// Whom root runs a new server as.
    pub fn for_root() -> Result<Self, Error> {
        let accounts = passwd();
        let named = |name: &str| accounts.iter().find(|account| account.name == name && account.uid != 0).cloned();
        named("postgres").or_else(|| named("nobody")).ok_or(Error::NoAccount)
    }

    /// The user that owns a file, as root would act for it.
    pub fn owner_of(file: &Metadata) -> Self {
        let unknown = Self { name: file.uid().to_string(), uid: file.uid(), gid: file.gid(), switch: true };
        passwd().into_iter().find(|account| account.uid == file.uid()).unwrap_or(unknown)
    }

    /// Whether the folder and all above it let this user through. Folders that do not exist yet will.
    pub fn can_enter(&self, folder: &Path) -> bool {
        folder.ancestors().filter_map(|path| fs::metadata(path).ok()).all(|found| {
            let bit = if found.uid() == self.uid {
                0o100
            } else if found.gid() == self.gid {
                0o010
            } else {
                0o001
            };
            found.mode() & bit != 0
        })
    }

    /// Hands a file or folder that we made to this user.
    pub fn give(&self, path: &Path) -> Result<(), Error> {
        if !self.switch {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid)).during("hand over to the server's user", path)
    }

    /// A command run as this user, in its own process group so that Ctrl-C in the terminal does not reach it, and with
    /// none of the PG* variables that would change what the server's tools do. Root's other groups are dropped by std.
    pub fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(folder).stdin(Stdio::null()).process_group(0);
        for kept in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.env("LC_ALL", "C.UTF-8").env("HOME", folder);
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Sends a signal to a process of this user.
    pub fn signal(&self, signal: &str, pid: u32) -> Result<ExitStatus, Error> {
        let mut kill = self.command("/bin/sh", Path::new("/"));
        kill.args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal]).arg(pid.to_string());
        kill.stdout(Stdio::null()).stderr(Stdio::null());
        process::run(kill, SIGNAL_LIMIT)
    }
}

/// The accounts of this machine, as root would switch to them.
fn passwd() -> Vec<Account> {
    let file = fs::read_to_string("/etc/passwd").unwrap_or_default();
    file.lines().filter_map(account).collect()
}

fn account(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { name, uid, gid, switch: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_passwd_names_user_and_group() {
        let account = account("postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash").unwrap();
        assert_eq!((account.name.as_str(), account.uid, account.gid), ("postgres", 101, 104));
        assert_eq!(super::account("# a comment"), None);
    }

    #[test]
    fn a_folder_of_mode_700_lets_only_its_owner_through() {
        let folder = crate::temporary::new_folder().unwrap();
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let owner = Account::ourselves().unwrap();
        let stranger = Account { name: "stranger".into(), uid: owner.uid + 4242, gid: owner.gid + 4242, switch: true };
        assert!(owner.can_enter(&folder.join("not/made/yet")));
        assert!(!stranger.can_enter(&folder.join("not/made/yet")));
        fs::remove_dir(&folder).unwrap();
    }
}
