//! `flotilla database`: giving one up. The server's engine, or the next one that runs, deletes it on Neon.

use anyhow::Result;
use clap::Subcommand;
use uuid::Uuid;

use crate::{
    config::Config,
    output,
    start::{self, OlderLedger, OpenLedger},
};
use fleet_types::text;
use ledger::By;

#[derive(Subcommand)]
pub enum Command {
    /// Give a database up for good: it is deleted on Neon, where it can be recovered for 7 days. One that nobody is known to hold is looked into first
    Release {
        /// The database's id
        id: Uuid,
        /// Why, for the history
        #[arg(long)]
        reason: String,
        /// Of a database that nobody is known to hold: delete it whatever is in it
        #[arg(long)]
        anyway: bool,
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
    let Command::Release { id, reason, anyway } = command;
    let by = By { reason: Some(text::reason(&reason, 1)?), ..By::cli() };
    engine::release(&open.ledger, &start::neon_client(config)?, id, anyway, &by).await?;
    Ok(output::remark(&format!("Database {id} is released: the engine deletes it on Neon."))?)
}
