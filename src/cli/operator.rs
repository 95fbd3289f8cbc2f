//! `flotilla operator`: the first operator comes from here, since there is no account that everybody knows.

use std::{
    io::{BufRead, IsTerminal, stdin},
    time::Duration,
};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use secrecy::SecretString;

use crate::{
    auth::{link, password},
    config::Config,
    output,
    start::{OlderLedger, OpenLedger},
};
use fleet_types::Role;
use ledger::{By, Ledger, NewOperator};

#[derive(Subcommand)]
pub enum Command {
    /// Add an operator and print a link that signs them in once
    Add(Add),
    /// List the operators
    List,
    /// Print a link that signs an operator in once
    Link {
        /// The operator's e-mail address
        email: String,
        /// Minutes for which the link can be used
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=10_080))]
        minutes: u64,
    },
    /// Give an operator another role; it acts at once
    Role {
        /// The operator's e-mail address
        email: String,
        /// viewer, support, operator or admin
        #[arg(value_parser = parse_role)]
        role: Role,
    },
    /// Sign an operator out everywhere and let them in no more
    Disable {
        /// The operator's e-mail address
        email: String,
    },
}

#[derive(Args)]
pub struct Add {
    /// The operator's e-mail address, with which they sign in
    email: String,
    /// Their name; the address if left out
    #[arg(long)]
    name: Option<String>,
    /// viewer, support, operator or admin
    #[arg(long, default_value = "viewer", value_parser = parse_role)]
    role: Role,
    /// Read a password of 12 characters or more from standard input, instead of printing a link
    #[arg(long)]
    password_stdin: bool,
}

pub async fn run(config: &Config, command: Command) -> Result<()> {
    let open = OpenLedger::open(config, OlderLedger::Refuse).await?;
    let outcome = carry_out(config, &open.ledger, command).await;
    open.close().await?;
    outcome
}

async fn carry_out(config: &Config, ledger: &Ledger, command: Command) -> Result<()> {
    match command {
        Command::Add(new) => add(config, ledger, new).await,
        Command::List => list(ledger).await,
        Command::Link { email, minutes } => print_link(config, ledger, &email, Duration::from_secs(minutes * 60)).await,
        Command::Role { email, role } => {
            ledger.set_role(&email, role, &By::cli()).await?;
            Ok(output::remark(&format!("{email} is {} now.", role.as_str()))?)
        }
        Command::Disable { email } => {
            ledger.disable_operator(&email, &By::cli()).await?;
            Ok(output::remark(&format!("{email} is signed out and may sign in no more."))?)
        }
    }
}

async fn add(config: &Config, ledger: &Ledger, new: Add) -> Result<()> {
    let password_hash = if new.password_stdin { Some(password::hash(read_password()?).await?) } else { None };
    let name = new.name.as_deref().unwrap_or(&new.email);
    let operator = NewOperator { email: &new.email, name, role: new.role, password_hash: password_hash.as_deref() };
    let operator = ledger.create_operator(&operator, &By::cli()).await?;
    output::remark(&format!("{} may sign in as {}.", operator.email, operator.role.as_str()))?;
    if password_hash.is_some() {
        Ok(())
    } else {
        print_link(config, ledger, &operator.email, Duration::from_secs(15 * 60)).await
    }
}

async fn print_link(config: &Config, ledger: &Ledger, email: &str, valid_for: Duration) -> Result<()> {
    let link = link::create(config, ledger, email, valid_for).await?;
    output::remark(&format!(
        "This link signs in once, by the button on its page, within {} minutes:",
        valid_for.as_secs() / 60
    ))?;
    Ok(output::result(&link)?)
}

async fn list(ledger: &Ledger) -> Result<()> {
    let mut rows = vec![["E-MAIL", "NAME", "ROLE", "PASSWORD", "LAST SIGNED IN", "DISABLED"].map(String::from)];
    for account in ledger.operators().await? {
        let password = if account.has_password { "yes" } else { "links only" };
        let disabled = account.disabled_at.map(|at| output::time(Some(at))).unwrap_or_default();
        let operator = account.operator;
        let role = operator.role.as_str().to_owned();
        rows.push([
            operator.email,
            operator.name,
            role,
            password.to_owned(),
            output::time(account.last_signed_in_at),
            disabled,
        ]);
    }
    Ok(output::table(&rows)?)
}

fn read_password() -> Result<SecretString> {
    if stdin().is_terminal() {
        output::remark(
            "Type the password, then Enter. It is shown as you type; pipe it in to keep it off the screen.",
        )?;
    }
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => bail!("No password came on standard input."),
        password => Ok(SecretString::from(password)),
    }
}

fn parse_role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| String::from("write viewer, support, operator or admin"))
}
