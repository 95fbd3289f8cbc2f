//! `flotilla doctor`: does everything hold that must always hold? Ends with 0 when it does, 1 when something is violated, 2 when something could not be
//! checked.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{
    config::Config,
    output,
    start::{self, OlderLedger, OpenLedger},
};
use engine::{Doctor, Extent};
use fleet_types::{CheckVerdict, Examination};
use ledger::By;

#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Leave Neon out: check the ledger alone
    #[arg(long)]
    no_neon: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// # Errors
/// When the result cannot be printed. What could not be checked is part of the exit code.
pub async fn run(config: &Config, options: &Options) -> Result<ExitCode> {
    let found = match examine(config, options).await {
        Ok(found) => found,
        Err(error) => {
            tracing::error!("{error:#}");
            return Ok(ExitCode::from(2));
        }
    };
    if options.json {
        output::result(&serde_json::to_string_pretty(&found)?)?;
    } else {
        print(&found)?;
    }
    Ok(match found.verdict() {
        CheckVerdict::Holds => ExitCode::SUCCESS,
        CheckVerdict::Violated => ExitCode::from(1),
        CheckVerdict::Unknown => ExitCode::from(2),
    })
}

async fn examine(config: &Config, options: &Options) -> Result<Examination> {
    let extent = match options.no_neon {
        true => Extent::LedgerOnly,
        false => match start::neon_client(config) {
            Ok(neon) => Extent::WithNeon(neon),
            Err(error) => Extent::WithoutClient(format!("{error:#}")),
        },
    };
    let open = OpenLedger::open(config, OlderLedger::Refuse).await?;
    let found = Doctor::new(open.ledger.clone()).examine(extent, &By::cli().actor).await;
    open.close().await?;
    Ok(found?)
}

fn print(found: &Examination) -> Result<()> {
    let mut rows = vec![["CHECK", "VERDICT", "SINCE", "WHAT MUST HOLD"].map(str::to_owned)];
    rows.extend(found.checks.iter().map(|check| {
        let since = check.violated_since.map(|since| output::time(Some(since))).unwrap_or_default();
        [check.name.clone(), check.verdict.as_str().to_owned(), since, check.statement.clone()]
    }));
    output::table(&rows)?;
    for check in found.checks.iter().filter(|check| check.verdict != CheckVerdict::Holds) {
        output::result(&format!("\n{} is {}", check.name, check.verdict.as_str()))?;
        for line in check.note.iter().chain(&check.evidence) {
            output::result(&format!("  {line}"))?;
        }
    }
    Ok(())
}
