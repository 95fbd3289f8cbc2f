//! `make bench`: the figures of claims, refill, sweep and memory, as tables in Markdown.
//!
//! The product runs as a child process, from its release build. This process is everything around it: PostgreSQL with its data on disk, the
//! emulated Neon with its limits on, the fleet, and the load. What the machine itself can do (pgbench on the same tables, `pg_test_fsync`) is
//! measured in the same run and stands beside, since only ratios can be carried from one machine to another. No figure makes it fail.

mod claims;
mod load;
mod machine;
mod pgbench;
mod product;
mod refill;
mod report;
mod rows;
mod stage;
mod sweep;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use self::{report::Report, stage::Ground};

/// Measures Flotilla beside what the machine can do, and prints tables in Markdown
#[derive(Parser)]
struct Options {
    /// The product to be measured
    #[arg(long, default_value = "target/release/flotilla")]
    binary: PathBuf,
    /// What to measure; may be given several times
    #[arg(long = "chapter", value_enum, default_values_t = Chapter::ALL)]
    chapters: Vec<Chapter>,
    /// Claims of the run with many clients; the run with one makes a tenth
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(64..=1_000_000))]
    claims: u32,
    /// Clients that claim at the same time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(2..=128))]
    clients: u16,
    /// Databases of the pool that is refilled from empty
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(4..=5_000))]
    refill: u16,
    /// Databases of the fleet that is swept
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(100..=2_000_000))]
    projects: u32,
    /// Seconds of the measurements that are not bound by a count
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(2..=50))]
    seconds: u16,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Chapter {
    Claims,
    Refill,
    Sweep,
}

impl Chapter {
    const ALL: [Self; 3] = [Self::Claims, Self::Refill, Self::Sweep];
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::progress(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    ensure!(options.binary.is_file(), "there is no {}: `make build` makes it", options.binary.display());
    engine::prepare_tls();
    let ground = Ground::prepare().await?;
    let mut report = Report::default();
    let outcome = measure(options, &ground, &mut report).await;
    // What was measured before a failure is worth reading all the same.
    report.print()?;
    ground.clear()?;
    outcome
}

async fn measure(options: &Options, ground: &Ground, report: &mut Report) -> Result<()> {
    machine::describe(options, ground, report).await?;
    for chapter in &options.chapters {
        match chapter {
            Chapter::Claims => claims::measure(options, ground, report).await?,
            Chapter::Refill => refill::measure(options, ground, report).await?,
            Chapter::Sweep => sweep::measure(options, ground, report).await?,
        }
    }
    Ok(())
}
