//! `flotilla key`: the keys that seal the credentials of databases.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use secrecy::zeroize::Zeroizing;

use crate::{
    config::Config,
    output,
    start::{self, OlderLedger, OpenLedger},
};
use fleet_types::grouped;
use secrets::Secrets;

#[derive(Subcommand)]
pub enum Command {
    /// Make a new key and print it, or put it into a file
    Generate {
        /// A new file for it, readable by you alone; a file that exists is never replaced
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Show by their ids the keys that are in use, what each seals, and which can go
    List {
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
}

const KEEP_IT: &str = "Keep it safe, apart from the ledger and its backups: what it seals cannot be opened without it.";

/// # Errors
/// With a text that says what to do.
pub async fn run(config: &Config, command: Command) -> Result<()> {
    match command {
        Command::Generate { file } => generate(file),
        Command::List { json } => list(config, json).await,
    }
}

async fn list(config: &Config, json: bool) -> Result<()> {
    let held = match config.secret_key() {
        Some(_) => start::secrets(config)?.key_ids(),
        None => Vec::new(),
    };
    let open = OpenLedger::open(config, OlderLedger::Refuse).await?;
    let report = open.ledger.key_report().await;
    open.close().await?;
    let report = report?;
    if json {
        return Ok(output::result(&serde_json::to_string_pretty(&report)?)?);
    }
    let mut rows = vec![["KEY", "SEALS", "REPLICAS", "HERE", ""].map(str::to_owned)];
    rows.extend(report.keys.iter().map(|key| {
        let here = match held.iter().position(|id| *id == key.id) {
            Some(0) => "current",
            Some(_) => "previous",
            None => "no",
        };
        let replicas = format!("{} of {}", key.held_by, report.replicas);
        [key.id.clone(), grouped(key.sealed), replicas, here.to_owned(), report.sentence(key)]
    }));
    Ok(output::table(&rows)?)
}

fn generate(file: Option<PathBuf>) -> Result<()> {
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
