//! The command line as a whole: the arguments of each command, the settings that it uses, and where a value came from when it is wrong.

use std::{env, ffi::OsString};

use clap::{
    Arg, CommandFactory, FromArgMatches,
    builder::{OsStr, Resettable},
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{Cli, Command, key};
use crate::config::{ADDRESS, Environment, KEYS, LEDGER, LOGS, NEON, SERVER};

/// The groups of settings that a command uses. The others are accepted, since one environment often serves all commands, and left out of its help.
fn groups_of(command: &str) -> &'static [&'static str] {
    match command {
        "serve" | "engine" | "demo" => &[LEDGER, ADDRESS, SERVER, NEON, KEYS, LOGS],
        "doctor" => &[LEDGER, NEON, LOGS],
        "ledger" => &[LEDGER, NEON, KEYS, LOGS],
        "key" => &[LEDGER, KEYS, LOGS],
        // It prints links.
        "operator" => &[LEDGER, ADDRESS, LOGS],
        "health" => &[ADDRESS, LOGS],
        "neon" => &[NEON, LOGS],
        "migrate" | "owner" | "plan" | "pool" | "token" => &[LEDGER, LOGS],
        _ => &[],
    }
}

impl Cli {
    /// What this process was started with: arguments, environment, and the files that they name.
    ///
    /// # Errors
    /// Clap's, to be printed: it ends with the exit code 2, or 0 where help was asked for.
    pub fn read() -> Result<Self, clap::Error> {
        Self::read_from(env::args_os(), &|name: &str| env::var_os(name))
    }

    /// [`Self::read`] of these arguments and secrets. What is no secret clap itself takes from the environment of the process.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_from(
        arguments: impl IntoIterator<Item = OsString>,
        environment: &impl Environment,
    ) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let matches = match without_blanks(command()).try_get_matches_from(&arguments) {
            Ok(matches) => matches,
            // For whoever reads the help, a variable that is empty is a variable all the same.
            Err(error) if error.kind() == ErrorKind::DisplayHelp => command().try_get_matches_from(&arguments)?,
            Err(error) => return Err(with_variable(error)),
        };
        let mut cli = Self::from_arg_matches(&matches)?;
        if !cli.command.needs_no_secrets() {
            let outcome = cli.config.read_secrets(environment).and_then(|()| cli.config.check());
            outcome.map_err(|why| command().error(ErrorKind::ValueValidation, why))?;
        }
        Ok(cli)
    }
}

impl Command {
    /// Then it works whatever they are.
    fn needs_no_secrets(&self) -> bool {
        matches!(
            self,
            Self::Health(_)
                | Self::Key(key::Command::Generate { .. })
                | Self::Openapi
                | Self::Completions { .. }
                | Self::Manual { .. }
        )
    }
}

/// The command line, each command with the settings that it uses.
pub fn command() -> clap::Command {
    let whole = Cli::command();
    let settings: Vec<Arg> = whole.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    let hide_others = |command: clap::Command, used: &[&str]| {
        let is_used = |arg: &&Arg| arg.get_help_heading().is_none_or(|group| used.contains(&group));
        // What a command has itself is not taken over from the whole.
        let hidden = settings.iter().filter(|arg| !is_used(arg)).map(|arg| arg.clone().hide(true));
        command.args(hidden.collect::<Vec<_>>())
    };
    whole.mut_subcommands(|command| {
        let used = groups_of(command.get_name());
        let command = hide_others(command, used);
        match command.get_name() {
            "key" => command.mut_subcommand("generate", |generate| hide_others(generate, &[])),
            _ => command,
        }
    })
}

/// An empty variable counts as absent.
fn without_blanks(command: clap::Command) -> clap::Command {
    let is_blank = |arg: &Arg| {
        let value = arg.get_env().and_then(env::var_os);
        value.is_some_and(|value| value.to_string_lossy().trim().is_empty())
    };
    command
        .mut_args(|arg| if is_blank(&arg) { arg.env(Resettable::<OsStr>::Reset) } else { arg })
        .mut_subcommands(without_blanks)
}

/// Names the variable beside the argument that is wrong: most settings come by it.
fn with_variable(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return error };
    let whole = command();
    let every = whole.get_arguments().chain(whole.get_subcommands().flat_map(clap::Command::get_arguments));
    let flag = argument.split([' ', '=']).next().and_then(|flag| flag.strip_prefix("--"));
    let variable = every.filter(|arg| arg.get_long() == flag).find_map(Arg::get_env);
    if let Some(variable) = variable {
        let both = format!("{argument} or {}", variable.to_string_lossy());
        error.insert(ContextKind::InvalidArg, ContextValue::String(both));
    }
    error
}
