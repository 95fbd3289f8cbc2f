//! `flotilla pool`: which pools there are.

use anyhow::Result;
use clap::Subcommand;

use super::output;
use crate::server::{
    config::Config,
    ledger::{Ledger, NewPool},
    start::OpenLedger,
};

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
        /// Plan whose quotas a database is born with
        #[arg(long, default_value = "free")]
        birth_plan: String,
        /// Claims that name no pool take from this one
        #[arg(long)]
        default: bool,
    },
    /// List the pools
    List,
}

pub async fn run(config: &Config, command: Command) -> Result<()> {
    let open = OpenLedger::open(config).await?;
    let outcome = carry_out(&open.ledger, command).await;
    open.close().await?;
    outcome
}

async fn carry_out(ledger: &Ledger, command: Command) -> Result<()> {
    match command {
        Command::Create { name, region, target, pg_version, birth_plan, default } => {
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
    }
}
