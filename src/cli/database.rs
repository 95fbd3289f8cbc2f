//! `flotilla database`: giving one up, or relieving it. The server's engine, or the next one that runs, takes it to Neon.

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
use ledger::{By, Relief};
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
    /// Raise one used-up quota for at most a day, within the cap of the owner's plan; it falls back by itself
    Relieve {
        /// The database's id
        id: Uuid,
        /// logical_size_bytes, active_time_seconds, compute_time_seconds, written_data_bytes or data_transfer_bytes
        limit: String,
        /// For how long
        #[arg(long, default_value_t = 24)]
        hours: i64,
        /// To how many per cent of the plan's; left out, to the plan's cap
        #[arg(long)]
        percent: Option<i32>,
        /// Why, for the history
        #[arg(long)]
        reason: String,
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
    let (id, reason, terms) = match command {
        Command::Release { id, reason, anyway, only_unclaimed } => (id, reason, Terms { anyway, only_unclaimed }),
        Command::Relieve { id, limit, hours, percent, reason } => {
            let by = By { reason: Some(text::reason(&reason, 1)?), ..By::cli() };
            let warning = open.ledger.relieve(id, &Relief { limit, percent, hours }, &by).await?;
            let done = "The quota is raised; a running engine takes it to Neon.";
            return Ok(output::remark(
                &warning.map_or_else(|| done.to_owned(), |warning| format!("{done} {warning}")),
            )?);
        }
    };
    let by = By { reason: Some(text::reason(&reason, 1)?), ..By::cli() };
    let (neon, secrets) = (start::neon_client(config)?, secrets(config)?);
    let releaser = Releaser { ledger: &open.ledger, neon: &neon, secrets: &secrets };
    releaser.release(id, terms, &by).await?;
    Ok(output::remark(&format!("Database {id} is released: the engine deletes it on Neon."))?)
}

/// Without the server's key it is still seen that somebody holds a project by its name, and not who.
fn secrets(config: &Config) -> Result<Secrets> {
    match config.secret_key() {
        Some(_) => start::secrets(config),
        None => Ok(Secrets::from_keys(&Secrets::generate_key(), &[""; 0])?),
    }
}
