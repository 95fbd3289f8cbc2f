//! `flotilla database`: giving one up. The server's engine, or the next one that runs, deletes it on Neon.

use anyhow::Result;
use clap::Subcommand;
use uuid::Uuid;

use crate::{
    config::Config,
    output,
    start::{self, OlderLedger, OpenLedger},
};
use engine::{Releaser, Terms};
use fleet_types::text;
use ledger::By;
use secrets::Secrets;

#[derive(Subcommand)]
pub enum Command {
    /// Give a database up for good: it is deleted on Neon, where it can be recovered for 7 days. One that nobody is known to hold is looked into first
    Release {
        /// The database's id
        id: Uuid,
        /// Why, for the history
        #[arg(long)]
        reason: String,
        /// Of a database that nobody is known to hold: delete it whatever is in it. Refused when somebody holds it
        #[arg(long)]
        anyway: bool,
        /// Only if nobody has claimed it: for one of a list that may be old by now
        #[arg(long)]
        only_unclaimed: bool,
    },
}

/// # Errors
/// With a text that says what to do.
pub async fn run(config: &Config, command: Command) -> Result<()> {
    let open = OpenLedger::open(config, OlderLedger::Refuse).await?;
    let outcome = carry_out(config, &open, command).await;
    open.close().await?;
    outcome
}

async fn carry_out(config: &Config, open: &OpenLedger, command: Command) -> Result<()> {
    let Command::Release { id, reason, anyway, only_unclaimed } = command;
    let by = By { reason: Some(text::reason(&reason, 1)?), ..By::cli() };
    let (neon, secrets) = (start::neon_client(config)?, secrets(config)?);
    let releaser = Releaser { ledger: &open.ledger, neon: &neon, secrets: &secrets };
    releaser.release(id, Terms { anyway, only_unclaimed }, &by).await?;
    Ok(output::remark(&format!("Database {id} is released: the engine deletes it on Neon."))?)
}

/// Without the server's key it is still seen that somebody holds a project by its name, and not who.
fn secrets(config: &Config) -> Result<Secrets> {
    match config.secret_key() {
        Some(_) => start::secrets(config),
        None => Ok(Secrets::from_keys(&Secrets::generate_key(), &[""; 0])?),
    }
}
