//! The machine, without which no figure means anything: what it is, and what a sync of its disk costs.

use std::{fs, process::Command};

use anyhow::Result;

use super::{
    Options, pgbench,
    report::{Report, or_dash, progress},
    stage::Ground,
};

pub async fn describe(options: &Options, ground: &Ground, report: &mut Report) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or_else(|_| String::from("?"), |cores| cores.to_string());
    let facts = [
        ("cores", format!("{cores}, {}", line_of("/proc/cpuinfo", "model name"))),
        ("memory", line_of("/proc/meminfo", "MemTotal")),
        ("system", answer_of(Command::new("uname").args(["-sr"]))),
        ("load before", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()),
        ("PostgreSQL", ground.postgres_version().await?),
        ("one sync of its disk", or_dash(sync_cost(ground), |cost| cost)),
        ("Flotilla", answer_of(Command::new(&options.binary).arg("--version"))),
        ("build", options.binary.display().to_string()),
    ];
    report.heading("Machine");
    report.table(["what", "is"], &facts.map(|(what, is)| [what.to_owned(), is]));
    report.note("PostgreSQL, the emulated Neon, the load and the product share these cores.");
    Ok(())
}

/// `fdatasync` of one page, as `pg_test_fsync` measures it beside the ledger's data.
fn sync_cost(ground: &Ground) -> Option<String> {
    progress("what a sync costs (half a minute)");
    let file = ground.data_dir().join("fsync-test");
    let output = Command::new(pgbench::program("pg_test_fsync")?).args(["-s", "1", "-f"]).arg(&file).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.trim_start().starts_with("fdatasync"))?;
    Some(line.split_whitespace().skip(1).collect::<Vec<_>>().join(" "))
}

fn line_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':').map(|(_, value)| value));
    line.unwrap_or("?").trim().to_owned()
}

fn answer_of(command: &mut Command) -> String {
    let output = command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    output.unwrap_or_else(|error| error.to_string())
}
