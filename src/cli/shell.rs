//! What a shell and `man` know of the command line, made from the same description as `--help`.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::command;
use crate::output;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Fish,
    Zsh,
}

/// Prints the completions for this shell.
///
/// # Errors
/// When standard output is closed.
pub fn completions(shell: Shell) -> Result<()> {
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    let mut command = command();
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut command, "flotilla", &mut script);
    Ok(io::Write::write_all(&mut io::stdout().lock(), &script)?)
}

/// Writes `flotilla.1`, and a page for each command, into this folder.
///
/// # Errors
/// When it cannot be written to.
pub fn manual(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command(), folder)).with_context(|| {
        format!("The pages cannot be written into {}: name a folder that is yours", folder.display())
    })?;
    Ok(output::remark(&format!("Read them with `man -l {}`.", folder.join("flotilla.1").display()))?)
}
