//! Forgetting a cluster: its server stopped, its folder removed.

use std::fs;

use crate::error::{During, Error};
use crate::home::Home;
use crate::lock::OwnerLock;
use crate::{Postgres, Settings, pidfile};

impl Postgres {
    /// Removes the data that `start` with these settings would use, wherever they are. Refused while a program uses them.
    pub fn erase(settings: &Settings) -> Result<(), Error> {
        let home = Home::locate(settings)?;
        if !home.dir.exists() {
            return Ok(());
        }
        let Some(owner) = OwnerLock::try_take(&home)? else {
            return Err(Error::InUse { data: home.dir });
        };
        if pidfile::running(&home.cluster()).is_some() {
            let settings = Settings { leave_running: false, ..settings.clone() };
            Self::start_as_owner(&settings, home.clone(), owner)?.stop()?;
        }
        fs::remove_dir_all(&home.dir).during("remove", home.dir)
    }
}
