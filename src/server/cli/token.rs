//! `flotilla token`: API tokens, shown once when they are made.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;

use super::output;
use crate::{
    server::{
        auth::{API_TOKEN_PREFIX, Scope},
        config::Config,
        ledger::{By, Ledger, NewApiToken},
        secrets,
        start::OpenLedger,
    },
    types::text,
};

/// Characters of a token that are kept to recognise it by.
const VISIBLE: usize = 10;

#[derive(Subcommand)]
pub enum Command {
    /// Make a token and print it; it cannot be shown again
    Create {
        /// By which it is listed and stands in the history
        name: String,
        /// What it may do: claim (claim databases), read (see the fleet), manage (also change it). May be given several times
        #[arg(long = "scope", required = true)]
        scopes: Vec<Scope>,
        /// Days after which it stops working; never if left out
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
    let open = OpenLedger::open(config).await?;
    let outcome = carry_out(&open.ledger, command).await;
    open.close().await?;
    outcome
}

async fn carry_out(ledger: &Ledger, command: Command) -> Result<()> {
    match command {
        Command::Create { name, scopes, days } => {
            let token = create(ledger, &name, &scopes, days.map(|days| Duration::from_secs(days * 86_400))).await?;
            output::remark("Keep it safe, it cannot be shown again:")?;
            Ok(output::result(&token)?)
        }
        Command::List => list(ledger).await,
        Command::Revoke { name } => {
            ledger.revoke_api_token(&name, &By::cli()).await?;
            Ok(output::remark(&format!("The token {name} is revoked."))?)
        }
    }
}

/// Makes a token and gives it out, the only time.
///
/// # Errors
/// When the name is taken or is none.
pub async fn create(ledger: &Ledger, name: &str, scopes: &[Scope], valid_for: Option<Duration>) -> Result<String> {
    let name = &text::label(name, 1..=100).context("the token's name")?;
    let token = secrets::random_token(API_TOKEN_PREFIX);
    let mut scopes: Vec<String> = scopes.iter().map(|scope| scope.as_str().to_owned()).collect();
    scopes.sort();
    scopes.dedup();
    let prefix = token.get(..VISIBLE).unwrap_or(API_TOKEN_PREFIX);
    ledger
        .create_api_token(
            &NewApiToken { name, prefix, token_hash: secrets::hash_token(&token), scopes, valid_for },
            &By::cli(),
        )
        .await?;
    Ok(token)
}

async fn list(ledger: &Ledger) -> Result<()> {
    let mut rows = vec![["NAME", "BEGINS", "SCOPES", "CREATED", "LAST USED", "EXPIRES", "REVOKED"].map(String::from)];
    for token in ledger.api_tokens().await? {
        let revoked = token.revoked_at.map(|at| output::time(Some(at))).unwrap_or_default();
        let times = [Some(token.created_at), token.last_used_at, token.expires_at].map(output::time);
        let [created, used, expires] = times;
        rows.push([token.name, format!("{}…", token.prefix), token.scopes.join(" "), created, used, expires, revoked]);
    }
    Ok(output::table(&rows)?)
}
