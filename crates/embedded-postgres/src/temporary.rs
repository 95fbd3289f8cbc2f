//! Clusters for tests: quick, unsafe against power loss, and gone with the program that asked for them, however it ends.

use std::env;
use std::path::PathBuf;

use crate::account::Account;
use crate::error::Error;
use crate::home::{make_open_folders, random_hex};
use crate::{Postgres, Settings};

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
