//! `flotilla key`: the key that seals the credentials of databases.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use secrecy::zeroize::Zeroizing;

use crate::output;
use secrets::Secrets;

#[derive(Subcommand)]
pub enum Command {
    /// Make a new key and print it, or put it into a file
    Generate {
        /// A new file for it, readable by you alone; a file that exists is never replaced
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

const KEEP_IT: &str = "Keep it safe, apart from the ledger and its backups: what it seals cannot be opened without it.";

pub fn run(command: Command) -> Result<()> {
    let Command::Generate { file } = command;
    let key = Zeroizing::new(Secrets::generate_key());
    match file {
        None => output::result(&key)?,
        Some(path) => {
            write_new(&path, &key)?;
            output::remark(&format!("{} has a new key; name it in FLOTILLA_SECRET_KEY_FILE.", path.display()))?;
        }
    }
    Ok(output::remark(KEEP_IT)?)
}

/// # Errors
/// When there is such a file, or it cannot be written; then there is none.
fn write_new(path: &Path, key: &str) -> Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!(
                "{} exists and is left as it is: what is sealed with the key in it needs it. Name another file for a new key",
                path.display()
            )
        }
        Err(error) => return Err(error).with_context(|| format!("{} cannot be made", path.display())),
    };
    let written = writeln!(file, "{key}").and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written.with_context(|| format!("{} cannot be written", path.display()))
}
