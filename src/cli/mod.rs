//! The command line: what `flotilla` can be told to do, one file per command that has something of its own to do.

mod database;
mod doctor;
mod health;
mod key;
mod ledger;
mod migrate;
mod neon;
mod openapi;
pub mod operator;
mod owner;
mod plan;
mod pool;
mod settings;
mod shell;
pub mod token;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{
    config::Config,
    demo,
    start::{self, Role},
    stop::Stop,
};

pub use settings::command;

/// A fleet console and pool engine for platforms that give every user a Postgres database on Neon
#[derive(Parser)]
#[command(
    name = "flotilla",
    version,
    about,
    max_term_width = 110,
    after_help = "Start with `flotilla demo`: it needs no account and no setting."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub config: Config,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve console and API, and run the engine
    Serve {
        /// Leave the engine's duties to other processes
        #[arg(long)]
        no_engine: bool,
    },
    /// Run the engine alone, beside servers that were started with --no-engine
    Engine,
    /// Bring the ledger's schema up to date and exit; serve, engine and demo do so too, other commands refuse a ledger of an older Flotilla
    Migrate,
    /// Check that everything holds which must always hold, in the ledger and on Neon; ends with 1 if not, with 2 if it could not be checked
    Doctor(doctor::Options),
    /// Ask the server on this machine whether it is alive; ends with 0 if so, else with 1 and the reason
    Health(health::Options),
    /// After the ledger was restored, or copied: rebuild it from Neon, or give it an identity of its own
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Find out how Neon behaves for this account where that is documented nowhere
    #[command(subcommand)]
    Neon(neon::Command),
    /// Release a database
    #[command(subcommand)]
    Database(database::Command),
    /// Manage the plans: what owners are given
    #[command(subcommand)]
    Plan(plan::Command),
    /// Change an owner
    #[command(subcommand)]
    Owner(owner::Command),
    /// Manage the pools
    #[command(subcommand)]
    Pool(pool::Command),
    /// Manage who may sign in to the console
    #[command(subcommand)]
    Operator(operator::Command),
    /// Manage the tokens with which programs use the API
    #[command(subcommand)]
    Token(token::Command),
    /// Make a key that seals the credentials of databases, and see which are in use
    #[command(subcommand)]
    Key(key::Command),
    /// Try Flotilla without an account: an emulated Neon with real databases, a fleet with a history, simulated signups
    Demo(demo::Options),
    /// Print the OpenAPI document of the API
    Openapi,
    /// Print what completes commands and options in a shell, as `flotilla completions bash > /etc/bash_completion.d/flotilla`
    Completions { shell: shell::Shell },
    /// Write the manual pages into a folder
    Manual { folder: PathBuf },
}

impl Cli {
    /// # Errors
    /// With a text that says what to do.
    pub async fn run(self) -> Result<ExitCode> {
        let config = self.config;
        match self.command {
            Command::Doctor(options) => return doctor::run(&config, &options).await,
            Command::Neon(command) => return neon::run(&config, command).await,
            Command::Serve { no_engine } => {
                start::run(config, Role { serves: true, runs_duties: !no_engine }, Stop::default()).await
            }
            Command::Engine => start::run(config, Role { serves: false, runs_duties: true }, Stop::default()).await,
            Command::Migrate => migrate::run(&config).await,
            Command::Health(options) => health::run(&config, options).await,
            Command::Ledger(command) => ledger::run(&config, command).await,
            Command::Database(command) => database::run(&config, command).await,
            Command::Plan(command) => plan::run(&config, command).await,
            Command::Owner(command) => owner::run(&config, command).await,
            Command::Pool(command) => pool::run(&config, command).await,
            Command::Operator(command) => operator::run(&config, command).await,
            Command::Token(command) => token::run(&config, command).await,
            Command::Key(command) => key::run(&config, command).await,
            Command::Demo(options) => demo::run(config, options).await,
            Command::Openapi => openapi::run(),
            Command::Completions { shell } => shell::completions(shell),
            Command::Manual { folder } => shell::manual(&folder),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn settings_may_stand_behind_the_command() {
        let cli = Cli::try_parse_from(["flotilla", "serve", "--no-engine", "--port", "9001"]).expect("valid");
        assert!(matches!(cli.command, Command::Serve { no_engine: true }));
        assert_eq!(cli.config.port, 9001);
    }
}
