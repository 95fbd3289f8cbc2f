//! `flotilla ledger`: after a restore, or for a copy.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::{
    config::Config,
    keys, output,
    start::{self, OlderLedger, OpenLedger},
};
use engine::{NamedOwner, Repair, RepairReport, UNKNOWN_EMAIL};
use fleet_types::text;
use ledger::{By, Ledger, Whereabouts};

#[derive(Subcommand)]
pub enum Command {
    /// Show what can be rebuilt from Neon in a ledger that was restored, and what a person must decide; changes nothing without --apply
    Repair(RepairOptions),
    /// Make this ledger an installation of its own: for a copy that is to run beside the original. Its databases belong to the original and are not touched any more
    NewIdentity {
        /// Do it
        #[arg(long)]
        yes: bool,
        /// How many claimed databases are left to the original, where there are any
        #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true, requires = "yes")]
        abandon: i64,
        /// Do it although it has an id of its own and databases under it: it was copied from that installation
        #[arg(long, requires = "yes")]
        again: bool,
    },
    /// Give a database back to its owner: one that is withheld, being released, or deleted here and alive on Neon
    GiveBack(Given),
}

#[derive(Args)]
pub struct Given {
    /// The id of the database or of its project, as `repair` prints it
    database: String,
    /// The owner's id, as your platform names it
    #[arg(long)]
    owner: String,
    /// The owner's address, if neither the ledger nor the project's name on Neon knows it
    #[arg(long, default_value = UNKNOWN_EMAIL)]
    email: String,
    /// The owner's plan, if neither the ledger nor the project's name on Neon knows it
    #[arg(long)]
    plan: Option<String>,
}

#[derive(Args)]
pub struct RepairOptions {
    /// Give back and rebuild what can be
    #[arg(long)]
    apply: bool,
    /// End safe mode, when nothing is left to repair or decide: what is still withheld stays so, deletions go on
    #[arg(long)]
    end: bool,
    /// End it although something is left
    #[arg(long, requires = "end")]
    anyway: bool,
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
    let ledger = &open.ledger;
    match command {
        Command::NewIdentity { yes, abandon, again } => {
            let Whereabouts { installation, database, server, claimed } = ledger.whereabouts().await?;
            output::remark(&format!(
                "This is installation {installation}: the database {database} on {server}, with {claimed} claimed databases."
            ))?;
            if !yes {
                let abandon = if claimed > 0 { format!(" --abandon {claimed}") } else { String::new() };
                return Ok(output::remark(&format!(
                    "With --yes{abandon} it gets a new id: only for a copy, never for the ledger that was there first. None of the databases that it has is touched any more, by nobody here; its pools are filled with new ones. Its servers must be stopped."
                ))?);
            }
            let id = ledger.new_identity(abandon, again, &By::cli()).await?;
            Ok(output::remark(&format!(
                "This is installation {id} now. If its original has gone into safe mode because of it, that hands out again within two minutes; run `flotilla ledger repair` there."
            ))?)
        }
        Command::GiveBack(given) => give_back(&repair_of(config, open).await?, given).await,
        Command::Repair(options) => repair(&repair_of(config, open).await?, &options).await,
    }
}

async fn repair_of(config: &Config, open: &OpenLedger) -> Result<Repair> {
    if open.ledger.pools().await?.is_empty() {
        bail!(
            "This ledger is empty: it has no pool. Name the server's ledger in DATABASE_URL and give the command the server's other settings."
        );
    }
    let secrets = Arc::new(start::secrets(config)?);
    keys::check(config, &secrets, &open.ledger).await?;
    Ok(Repair { ledger: open.ledger.clone(), neon: start::neon_client(config)?, secrets })
}

async fn give_back(repair: &Repair, given: Given) -> Result<()> {
    let Given { database, owner, email, plan } = given;
    let (id, known_plan) = owner_of(&repair.ledger, owner).await?;
    let email = text::email(&email).context("--email")?;
    let owner = NamedOwner { id, email, plan: known_plan.or(plan) };
    let id = repair.give(&database, &owner, &By::cli()).await?;
    Ok(output::remark(&format!("Database {id} is {}'s again.", owner.id))?)
}

/// The id by which the ledger knows this owner, with their plan; else the id as it is kept.
async fn owner_of(ledger: &Ledger, written: String) -> Result<(String, Option<String>)> {
    if let Some(plan) = ledger.plan_of(&written).await? {
        return Ok((written, Some(plan)));
    }
    let id = text::id(&written).context("--owner")?;
    let plan = ledger.plan_of(&id).await?;
    Ok((id, plan))
}

async fn repair(repair: &Repair, options: &RepairOptions) -> Result<()> {
    let report = repair.run(options.apply, &By::cli()).await?;
    print(&report, options)?;
    if options.end && report.is_provisional {
        bail!(
            "There is no safe mode to end yet: start `flotilla serve` with this ledger. If it is an old one, safe mode begins by itself, and ends with this command."
        );
    }
    if options.end && repair.ledger.safe_mode().await?.is_none() {
        bail!("There is no safe mode to end.");
    }
    if options.end && !options.anyway && is_unfinished(&report, options.apply) {
        bail!(
            "Safe mode goes on: what stands above is not settled. Repair with --apply, settle what a person must decide, or add --anyway."
        );
    }
    if options.end {
        repair.ledger.end_safe_mode(&By::cli()).await?;
        output::remark("Safe mode is over: deletions go on.")?;
    }
    Ok(())
}

fn is_unfinished(report: &RepairReport, applied: bool) -> bool {
    let is_repaired = applied || report.given_back.is_empty() && report.rebuilt.is_empty() && report.quotas.is_empty();
    !is_repaired || !report.decisions.is_empty() || report.unasked > 0
}

fn print(report: &RepairReport, options: &RepairOptions) -> Result<()> {
    let applied = options.apply;
    if report.is_provisional {
        output::remark(
            "These lists are provisional: no server runs with this ledger, so nothing that it has as unclaimed is withheld. Start `flotilla serve` with it, and run this again.",
        )?;
    }
    let (given, rebuilt, quotas) = match applied {
        true => ("Given back to their owners", "Rebuilt with their owners", "Quotas taken from Neon"),
        false => (
            "Would be given back to their owners",
            "Would be rebuilt with their owners",
            "Quotas that would be taken from Neon",
        ),
    };
    for (title, lines) in [
        (given, &report.given_back),
        (rebuilt, &report.rebuilt),
        (quotas, &report.quotas),
        ("For a person to decide", &report.decisions),
    ] {
        output::result(&format!("{title}: {}", lines.len()))?;
        for line in lines {
            output::result(&format!("  {line}"))?;
        }
    }
    output::result(&format!(
        "Withheld without a sign of use: {}. Keep them until nobody can miss them. A release looks into each first, and refuses when something was made in it: `flotilla database release ID --reason WHY`.",
        report.unused
    ))?;
    print_absent(report)?;
    if report.unknown > 0 {
        output::result(&format!(
            "Projects that this ledger does not know, without a sign of use: {}. They stay; each waits for a decision on the screen Problems.",
            report.unknown
        ))?;
    }
    if !report.namesakes.is_empty() {
        output::result(&format!(
            "Projects with the name of a database that has another one: {}. They stay; the screen Problems shows each as a twin.",
            report.namesakes.len()
        ))?;
    }
    for line in &report.namesakes {
        output::result(&format!("  {line}"))?;
    }
    if !applied && !options.end {
        output::remark("Nothing was changed. Run it with --apply to do it, and with --end when all is settled.")?;
    }
    Ok(())
}

/// What Neon's list does not have.
fn print_absent(report: &RepairReport) -> Result<()> {
    if report.gone > 0 {
        output::result(&format!(
            "Withheld, and Neon has nothing of them any more: {}. They were released or replaced since the backup: release them.",
            report.gone
        ))?;
    }
    let unasked = report.unasked + report.withheld_unasked;
    if unasked > 0 {
        output::result(&format!(
            "Not in Neon's list, or without their quota there, and not asked for by their ids yet: {unasked}, of which {} are claimed. So many are asked for in one run: settle what stands above, and run it again with --apply.",
            report.unasked
        ))?;
    }
    if report.unlisted > 0 {
        output::result(&format!(
            "Neon's list lacked projects that live: {}. Nothing is wrong with these; run it again for what else it may have lacked.",
            report.unlisted
        ))?;
    }
    Ok(())
}
