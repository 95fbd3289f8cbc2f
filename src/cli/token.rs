//! `flotilla token`: API tokens, shown once when they are made.

use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;

use crate::{
    auth::token::{self, NewToken},
    config::Config,
    output,
    start::{OlderLedger, OpenLedger},
};
use ledger::{By, Ledger};

#[derive(Subcommand)]
pub enum Command {
    /// Make a token and print it; it cannot be shown again
    Create(NewToken),
    /// Give a token another secret and print it; name, client, scopes, pools and rate stay
    Replace {
        /// The token's name
        name: String,
        /// Hours for which the old secret is still accepted; 0 to end it at once
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u64).range(0..=720))]
        keep_hours: u64,
        /// Days after which the new one stops working; as long as the old one was made for if left out
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_650))]
        days: Option<u64>,
    },
    /// List the tokens
    List,
    /// Let a token in no more; it acts at once
    Revoke {
        /// The token's name
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
        Command::Create(new) => print(&token::create(ledger, &new).await?),
        Command::Replace { name, keep_hours, days } => {
            let keep_previous_for = Duration::from_secs(keep_hours * 3_600);
            print(&token::replace(ledger, &name, keep_previous_for, days.map(token::from_days)).await?)
        }
        Command::List => list(ledger).await,
        Command::Revoke { name } => {
            ledger.revoke_api_token(&name, &By::cli()).await?;
            Ok(output::remark(&format!("The token {name} is revoked."))?)
        }
    }
}

fn print(token: &str) -> Result<()> {
    output::remark("Keep it safe, it cannot be shown again:")?;
    Ok(output::result(token)?)
}

async fn list(ledger: &Ledger) -> Result<()> {
    let heads = ["NAME", "CLIENT", "BEGINS", "SCOPES", "POOLS", "RATE", "CREATED", "LAST USED", "EXPIRES", "REVOKED"];
    let mut rows = vec![heads.map(String::from)];
    for token in ledger.api_tokens().await? {
        let revoked = token.revoked_at.map(|at| output::time(Some(at))).unwrap_or_default();
        let [created, used, expires] = [Some(token.created_at), token.last_used_at, token.expires_at].map(output::time);
        let pools = token.pools.map_or_else(|| String::from("all"), |pools| pools.join(" "));
        let rate = token.calls_per_minute.map_or_else(|| String::from("–"), |rate| format!("{rate}/min"));
        let (begins, scopes) = (format!("{}…", token.prefix), token.scopes.join(" "));
        rows.push([token.name, token.client, begins, scopes, pools, rate, created, used, expires, revoked]);
    }
    Ok(output::table(&rows)?)
}
