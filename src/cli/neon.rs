//! `flotilla neon`: how Neon behaves for this account. Needs no ledger, only the key and the address of Neon.
//!
//! What was found out goes to standard output and holds no secret, no id and no name of the account, so that it can be sent to others. What is for whoever runs
//! it goes to standard error.

use std::{
    io::{BufRead, IsTerminal, stdin},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Result, bail};
use chrono::Utc;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    config::Config,
    output, start,
    stop::{GracePeriod, Stop},
};
use engine::{CheckRow, NeonCheck, NeonCheckReport, Verdict};

#[derive(Subcommand)]
pub enum Command {
    /// Try on this account what Neon documents nowhere, or in two ways, on a project of its own that is deleted afterwards; says first what it will do and cost. Ends with 1 if nothing could be tried or the project may be left
    Check(CheckOptions),
}

#[derive(Args)]
pub struct CheckOptions {
    /// Do it without asking
    #[arg(long)]
    yes: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Neon's region for the project
    #[arg(long, default_value = "aws-us-east-1")]
    region: String,
    /// Wait so many minutes longer for what Neon counts late: a used-up quota takes up to an hour to be noticed
    #[arg(long, default_value_t = 0, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(0..=60))]
    wait_minutes: u64,
}

/// # Errors
/// With a text that says what to do.
pub async fn run(config: &Config, command: Command) -> Result<ExitCode> {
    let Command::Check(options) = command;
    let neon = start::neon_client(config)?;
    output::remark(&NeonCheck::announcement(&options.region, options.wait_minutes))?;
    if !options.yes && !is_agreed()? {
        output::remark("Nothing was done.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = Stop::default();
    stop.on_signal(GracePeriod::default())?;
    let wait = Duration::from_secs(options.wait_minutes * 60);
    let check = NeonCheck::new(&neon, &options.region, wait, stop.ending.clone());
    let name = check.project_name().to_owned();
    let Some(report) = stop.cut.run_until_cancelled(check.run(show_progress)).await else {
        bail!("Stopped before it could clean up: delete the project {name} in Neon's console, if it is there");
    };
    let report = report?;
    match options.json {
        true => output::result(&serde_json::to_string_pretty(&as_json(&report))?)?,
        false => print(&report)?,
    }
    for line in &report.left {
        output::remark(line)?;
    }
    let is_tried = report.rows.iter().any(|row| row.verdict != Verdict::NotTried);
    Ok(if is_tried && report.is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_agreed() -> Result<bool> {
    if !stdin().is_terminal() {
        bail!("Nothing was done: there is no terminal to ask at. Say --yes to do what is written above");
    }
    output::remark("Go on? Type yes, then Enter.")?;
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn show_progress(row: &CheckRow) {
    // That standard error is closed must not keep the project from being deleted.
    let _ = output::remark(&format!("{}: {}", row.name, row.verdict.as_str()));
}

fn print(report: &NeonCheckReport) -> Result<()> {
    output::result(&format!(
        "Neon as Flotilla {} found it on {}\n",
        env!("CARGO_PKG_VERSION"),
        Utc::now().date_naive()
    ))?;
    let mut rows = vec![["CHECK", "VERDICT", "TOOK", "NEON ANSWERED"].map(str::to_owned)];
    rows.extend(
        report
            .rows
            .iter()
            .map(|row| [row.name.to_owned(), row.verdict.as_str().to_owned(), took(row), row.answered.clone()]),
    );
    output::table(&rows)?;
    for row in &report.rows {
        output::result(&format!("\n{}\n  tried       {}", row.name, row.tried))?;
        output::result(&format!("  documented  {}\n  where       {}", row.documented, row.source))?;
    }
    output::result(&format!("\n{}", summary(report)))?;
    if let Some(switches) = switches(report) {
        output::result(&format!("\nAn emulator that answers as this account does: neon-emulator {switches}"))?;
    }
    Ok(())
}

fn took(row: &CheckRow) -> String {
    format!("{:.1} s", row.took.as_secs_f64())
}

fn summary(report: &NeonCheckReport) -> String {
    let count = |verdict: Verdict| report.rows.iter().filter(|row| row.verdict == verdict).count();
    let project = if report.is_clean { "its project is gone" } else { "its project may be left" };
    format!(
        "{} as expected, {} differ, {} could not be tried; {} calls; {project}; {} projects of earlier checks deleted",
        count(Verdict::AsExpected),
        count(Verdict::Differs),
        count(Verdict::NotTried),
        report.calls,
        report.leftovers_deleted,
    )
}

/// As neon-emulator takes them.
fn switches(report: &NeonCheckReport) -> Option<String> {
    let switches: Vec<String> =
        report.rows.iter().filter_map(|row| Some(format!("--unknown {}", row.emulator_switch.as_ref()?))).collect();
    (!switches.is_empty()).then(|| switches.join(" "))
}

fn as_json(report: &NeonCheckReport) -> Value {
    let row = |row: &CheckRow| {
        json!({
            "name": row.name, "tried": row.tried, "documented": row.documented, "source": row.source,
            "answered": row.answered, "verdict": row.verdict.as_str(), "took_ms": row.took.as_millis() as u64,
            "emulator_switch": row.emulator_switch,
        })
    };
    json!({
        "flotilla": env!("CARGO_PKG_VERSION"),
        "checked_at": Utc::now(),
        "checks": report.rows.iter().map(row).collect::<Vec<_>>(),
        "calls": report.calls,
        "leftovers_deleted": report.leftovers_deleted,
        "is_clean": report.is_clean,
    })
}
