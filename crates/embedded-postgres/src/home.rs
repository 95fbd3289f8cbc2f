//! The folder of one cluster, and what lies in it:
//! `cluster/` (PostgreSQL's own data), `password`, `port`, `server.log`, `owner.lock`.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf, absolute};

use crate::Settings;
use crate::account::Account;
use crate::error::{During, Error};

/// A log that has grown beyond this is set aside at the next start, so that two such files are the most there can be.
const LOG_LIMIT: u64 = 10 << 20;

/// Where a cluster lives and who runs it.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub dir: PathBuf,
    pub account: Account,
}

impl Home {
    /// Decides the folder and the account. Data that exist decide both; else the folder that was asked for, if the
    /// server's user can reach it.
    pub fn locate(settings: &Settings) -> Result<Self, Error> {
        let asked = absolute(&settings.data_dir).during("resolve", &settings.data_dir)?;
        let us = Account::ourselves()?;
        if us.uid != 0 {
            return Self::of_user(asked, us);
        }
        let stand_in = settings.shared_dir.join(fingerprint(asked.as_os_str().as_encoded_bytes()));
        if let Some(home) = [&asked, &stand_in].into_iter().find_map(|dir| Self::existing(dir)) {
            return home;
        }
        let account = Account::for_root()?;
        let dir = if account.can_enter(&asked) { asked } else { stand_in };
        Ok(Self { dir, account })
    }

    fn of_user(dir: PathBuf, us: Account) -> Result<Self, Error> {
        match fs::metadata(&dir) {
            Ok(found) if found.uid() != us.uid => {
                Err(Error::ForeignData { data: dir, owner: Account::owner_of(&found).name, us: us.name })
            }
            _ => Ok(Self { dir, account: us }),
        }
    }

    /// For root: the cluster in `dir`, run as the user that owns it.
    fn existing(dir: &Path) -> Option<Result<Self, Error>> {
        let cluster = fs::metadata(dir.join("cluster/PG_VERSION")).ok()?;
        let account = Account::owner_of(&cluster);
        Some(if account.uid == 0 {
            Err(Error::ForeignData {
                data: dir.to_path_buf(),
                owner: account.name,
                us: "postgres or nobody (not root)".to_owned(),
            })
        } else if account.can_enter(dir) {
            Ok(Self { dir: dir.to_path_buf(), account })
        } else {
            Err(Error::DataOutOfReach { user: account.name, path: dir.to_path_buf() })
        })
    }

    /// Makes the folder, closed to everyone but the server's user.
    pub fn prepare(&self) -> Result<(), Error> {
        if let Some(above) = self.dir.parent() {
            make_open_folders(above)?;
        }
        if !self.dir.is_dir() {
            self.make()?;
        }
        fs::set_permissions(&self.dir, Permissions::from_mode(0o700)).during("close to others", &self.dir)?;
        self.account.give(&self.dir)
    }

    /// Makes the folder under another name and moves it into place when the server's user owns it: another program that
    /// looks in between must not see a folder that this user cannot enter, for it would put its cluster elsewhere.
    fn make(&self) -> Result<(), Error> {
        let draft = self.dir.with_extension(format!("new-{}", &random_hex()?[..16]));
        fs::DirBuilder::new().mode(0o700).create(&draft).during("make", &draft)?;
        let moved = self.account.give(&draft).and_then(|()| fs::rename(&draft, &self.dir).during("make", &self.dir));
        if moved.is_err() {
            let _ = fs::remove_dir(&draft);
        }
        // Another program was quicker: its folder is as good.
        if self.dir.is_dir() { Ok(()) } else { moved }
    }

    pub fn cluster(&self) -> PathBuf {
        self.dir.join("cluster")
    }

    pub fn log_file(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    pub fn lock_file(&self) -> PathBuf {
        self.dir.join("owner.lock")
    }

    pub fn port_file(&self) -> PathBuf {
        self.dir.join("port")
    }

    pub fn password_file(&self) -> PathBuf {
        self.dir.join("password")
    }

    /// The superuser's password, made at the first call: 256 bits from the kernel.
    pub fn password(&self) -> Result<String, Error> {
        let path = self.password_file();
        match fs::read_to_string(&path) {
            Ok(password) if !password.trim().is_empty() => return Ok(password.trim().to_owned()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).during("read", &path),
            _ => {}
        }
        let password = random_hex()?;
        self.write_private(&path, &password)?;
        Ok(password)
    }

    /// Writes a small file that only the server's user may read. It appears whole or not at all.
    pub fn write_private(&self, path: &Path, text: &str) -> Result<(), Error> {
        let draft = path.with_extension("new");
        let _ = fs::remove_file(&draft);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).during("make", &draft)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).during("write", &draft)?;
        self.account.give(&draft)?;
        fs::rename(&draft, path).during("write", path)
    }

    /// The log, ready to be appended to, and its length so far.
    pub fn open_log(&self) -> Result<(fs::File, u64), Error> {
        let path = self.log_file();
        if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_LIMIT) {
            fs::rename(&path, path.with_extension("log.old")).during("set aside", &path)?;
        }
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).during("open", &path)?;
        self.account.give(&path)?;
        let length = log.metadata().during("read", &path)?.len();
        Ok((log, length))
    }

    /// The last lines that the log gained since it had the length `from`.
    pub fn log_tail(&self, from: u64) -> String {
        let text = fs::read(self.log_file()).unwrap_or_default();
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(text.len());
        let gained = String::from_utf8_lossy(&text[start..]).into_owned();
        let lines: Vec<&str> = gained.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

/// Makes missing folders so that every user may pass, whatever the umask: the server's user must reach its data.
pub(crate) fn make_open_folders(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_open_folders(above)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o755))).during("make", folder),
    }
}

/// 256 bits of the kernel's randomness as 64 hexadecimal digits.
pub(crate) fn random_hex() -> Result<String, Error> {
    let mut bytes = [0_u8; 32];
    let source = Path::new("/dev/urandom");
    fs::File::open(source).and_then(|mut file| file.read_exact(&mut bytes)).during("read", source)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// FNV-1a: a short name for a path or a build, the same in every version of this program.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread::scope;

    use super::*;

    /// As root this is the moment at which the folder exists and is not yet the server's.
    #[test]
    fn programs_that_start_together_choose_one_folder() {
        let place = crate::temporary::new_folder().unwrap();
        for round in 0..100 {
            let settings =
                Settings { shared_dir: place.join("shared"), ..Settings::new(place.join(format!("pg{round}"))) };
            let together = Barrier::new(4);
            let choose = || {
                together.wait();
                let home = Home::locate(&settings).unwrap();
                home.prepare().unwrap();
                home.dir
            };
            let chosen: Vec<PathBuf> = scope(|scope| {
                let all: Vec<_> = (0..4).map(|_| scope.spawn(choose)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert!(chosen.iter().all(|dir| *dir == chosen[0]), "round {round}: {chosen:?}");
        }
        assert_eq!(fs::read_dir(&place).unwrap().count(), 100, "no draft is left");
        fs::remove_dir_all(&place).unwrap();
    }
}
