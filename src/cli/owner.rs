//! `flotilla owner`: which plan an owner has.

use anyhow::Result;
use clap::Subcommand;

use super::plan::{because, tell_effect};
use crate::{
    config::Config,
    output,
    start::{OlderLedger, OpenLedger},
};
use ledger::{OwnerChange, OwnerChanged};

#[derive(Subcommand)]
pub enum Command {
    /// Give an owner another plan; all their databases follow it
    ChangePlan {
        /// The owner's id, as your platform names it
        owner: String,
        /// The plan
        plan: String,
        /// Only say what it would do
        #[arg(long)]
        dry_run: bool,
        /// Why, for the history
        #[arg(long)]
        reason: Option<String>,
    },
}

pub async fn run(config: &Config, command: Command) -> Result<()> {
    let Command::ChangePlan { owner, plan, dry_run, reason } = command;
    let open = OpenLedger::open(config, OlderLedger::Refuse).await?;
    let change = OwnerChange { plan: Some(plan.clone()), ..OwnerChange::default() };
    let outcome = open.ledger.change_owner(&owner, &change, dry_run, &because(reason)?).await;
    open.close().await?;
    let OwnerChanged { effect, .. } = outcome?;
    tell_effect(&effect)?;
    Ok(output::remark(&match dry_run {
        true => String::from("Nothing was saved: leave out --dry-run to do it."),
        false => format!("The owner has the plan {plan} now. A running engine takes its quotas to Neon."),
    })?)
}
