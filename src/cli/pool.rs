//! `flotilla pool`: which pools there are.

use anyhow::{Result, bail};
use clap::Subcommand;

use crate::{
    config::Config,
    output,
    start::{OlderLedger, OpenLedger},
};
use fleet_types::{Policy, SizingRate};
use ledger::{By, Ledger, NewPool};

#[derive(Subcommand)]
pub enum Command {
    /// Make a pool; the engine begins to fill it at once
    Create {
        /// Lower-case letters, digits and hyphens, 32 at most
        name: String,
        /// Neon's region, as aws-us-east-1
        #[arg(long)]
        region: String,
        /// Databases to keep ready
        #[arg(long, value_parser = clap::value_parser!(i32).range(0..=100_000))]
        target: i32,
        /// Postgres version
        #[arg(long, default_value_t = 17, value_parser = clap::value_parser!(i32).range(14..=18))]
        pg_version: i32,
        /// Plan whose quotas a database is born with; may be left out where there is only one
        #[arg(long)]
        birth_plan: Option<String>,
        /// Claims that name no pool take from this one
        #[arg(long)]
        default: bool,
    },
    /// List the pools
    List,
    /// Limit how many databases may be created for a pool within an hour
    CreationLimit {
        /// The pool
        name: String,
        /// At most so many an hour; left out, the limit follows the target and the claims of the last hour
        #[arg(long, value_name = "DATABASES", value_parser = clap::value_parser!(i32).range(1..=100_000))]
        per_hour: Option<i32>,
    },
    /// Let a pool find its own target, or stop it
    #[command(subcommand)]
    Policy(PolicyCommand),
}

#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Size the pool by the hours of cover that it shall have; the console shows what a policy would have done before it is set
    Set {
        /// The pool
        name: String,
        /// How long claims go on if Neon stops creating
        #[arg(long, value_name = "HOURS")]
        cover_hours: f64,
        /// The claim rate that the cover is computed from: current, p95 or worst
        #[arg(long, default_value = "p95", value_parser = |text: &str| SizingRate::parse(text).ok_or("choose current, p95 or worst"))]
        rate: SizingRate,
        /// The target is never below this
        #[arg(long)]
        floor: i32,
        /// Never more than this
        #[arg(long)]
        ceiling: i32,
        /// By how much one decision may change the target
        #[arg(long, default_value_t = 50)]
        largest_step: i32,
        /// Minutes that a decrease waits after the last change
        #[arg(long, default_value_t = 60, value_name = "MINUTES")]
        decrease_after: i32,
    },
    /// The target is what an operator sets
    Remove {
        /// The pool
        name: String,
    },
}

pub async fn run(config: &Config, command: Command) -> Result<()> {
    let open = OpenLedger::open(config, OlderLedger::Refuse).await?;
    let outcome = carry_out(&open.ledger, command).await;
    open.close().await?;
    outcome
}

async fn carry_out(ledger: &Ledger, command: Command) -> Result<()> {
    match command {
        Command::Create { name, region, target, pg_version, birth_plan, default } => {
            let birth_plan = match birth_plan {
                Some(plan) => plan,
                None => only_plan(ledger).await?,
            };
            let pool = NewPool {
                name: &name,
                region_id: &region,
                pg_version,
                birth_plan: &birth_plan,
                target,
                is_default: default,
            };
            ledger.create_pool(&pool).await?;
            Ok(output::remark(&format!("The pool {name} is made; a running engine fills it now."))?)
        }
        Command::List => {
            let head = ["pool", "region", "postgres", "target", "available", "claimed"].map(str::to_owned);
            let rows = ledger.pools().await?.into_iter().map(|pool| {
                [
                    pool.name,
                    pool.region,
                    pool.pg_version.to_string(),
                    pool.target.to_string(),
                    pool.available.to_string(),
                    pool.claimed.to_string(),
                ]
            });
            Ok(output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())?)
        }
        Command::CreationLimit { name, per_hour } => {
            ledger.set_creations_per_hour(&name, per_hour, &By::cli()).await?;
            let limit =
                ledger.pools().await?.into_iter().find(|pool| pool.name == name).map(|pool| pool.creation_ceiling);
            let limit = limit.map(|limit| limit.to_string()).unwrap_or_default();
            Ok(output::remark(&format!("At most {limit} databases an hour are created for the pool {name} now."))?)
        }
        Command::Policy(command) => policy(ledger, command).await,
    }
}

async fn only_plan(ledger: &Ledger) -> Result<String> {
    let names: Vec<String> = ledger.plans().await?.into_iter().map(|plan| plan.name).collect();
    match &names[..] {
        [only] => Ok(only.clone()),
        [] => bail!(
            "There is no plan yet, and a database is born with the quotas of one. Make it first, as: flotilla plan create free --storage \"512 MiB\""
        ),
        _ => bail!("Name the plan whose quotas a database is born with: --birth-plan {}", names.join(" or ")),
    }
}

async fn policy(ledger: &Ledger, command: PolicyCommand) -> Result<()> {
    match command {
        PolicyCommand::Set { name, cover_hours, rate, floor, ceiling, largest_step, decrease_after } => {
            let policy =
                Policy { cover_hours, rate, floor, ceiling, largest_step, decrease_after_minutes: decrease_after };
            ledger.set_policy(&name, &policy, None, &By::cli()).await?;
            Ok(output::remark(&format!(
                "The pool {name} keeps {}. A running engine decides within a minute.",
                policy.in_words()
            ))?)
        }
        PolicyCommand::Remove { name } => {
            ledger.remove_policy(&name, &By::cli()).await?;
            Ok(output::remark(&format!("The target of the pool {name} stays as it is until somebody sets another."))?)
        }
    }
}
