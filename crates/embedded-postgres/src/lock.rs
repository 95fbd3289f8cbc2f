//! The lock that says who owns a server: held by the program that starts and stops it, dropped by the kernel when it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;

use crate::error::{During, Error};
use crate::home::Home;

/// Ownership of a server for as long as this lives.
#[derive(Debug)]
pub(crate) struct OwnerLock(
    #[expect(dead_code, reason = "held, not read: the lock lasts as long as the file is open")] File,
);

impl OwnerLock {
    /// Takes the ownership, or answers `None` if a living program has it.
    pub fn try_take(home: &Home) -> Result<Option<Self>, Error> {
        let path = home.lock_file();
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .during("open", &path)?;
        home.account.give(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).during("lock", path),
        }
    }
}
