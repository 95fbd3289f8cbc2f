//! What PostgreSQL writes about itself into `postmaster.pid`, and whether it is still true.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{During, Error};

/// A server that says that it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Running {
    pub pid: u32,
    pub port: u16,
    pub ready: bool,
}

/// The server that runs on this data folder, if one does. Every process of a server works in its data folder, so a
/// process with the number in the file that works elsewhere is another one, which got the number after a crash.
pub(crate) fn running(cluster: &Path) -> Option<Running> {
    let running = parse(&fs::read_to_string(file(cluster)).ok()?)?;
    works_in(running.pid, cluster).then_some(running)
}

/// Removes a file that a crash left behind, if its number now belongs to a foreign process: PostgreSQL would take that
/// one for a living server and refuse to start. Any other stale file it judges well itself.
pub(crate) fn remove_if_stale(cluster: &Path) -> Result<(), Error> {
    let path = file(cluster);
    let Some(named) = fs::read_to_string(&path).ok().and_then(|text| parse(&text)) else { return Ok(()) };
    let alive = Path::new("/proc").join(named.pid.to_string()).exists();
    if alive && !works_in(named.pid, cluster) && processes_in(cluster).is_empty() {
        tracing::info!(pid = named.pid, "removing the process file of a PostgreSQL that crashed");
        fs::remove_file(&path).during("remove", path)?;
    }
    Ok(())
}

/// All processes that work in this data folder.
pub(crate) fn processes_in(cluster: &Path) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| works_in(*pid, cluster)).collect()
}

fn file(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

fn works_in(pid: u32, cluster: &Path) -> bool {
    let folder = fs::read_link(format!("/proc/{pid}/cwd")).ok();
    folder.is_some() && folder == fs::canonicalize(cluster).ok()
}

/// Lines 1, 4 and 8 of the file: process, port and status (`starting`, `ready`, `stopping`).
fn parse(text: &str) -> Option<Running> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    Some(Running {
        pid: lines.first()?.parse().ok()?,
        port: lines.get(3).and_then(|port| port.parse().ok()).unwrap_or(0),
        ready: lines.get(7) == Some(&"ready"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_process_port_and_status() {
        let text = "4711\n/data/cluster\n1700000000\n15432\n\n127.0.0.1\n  123 456\nready   \n";
        assert_eq!(parse(text), Some(Running { pid: 4711, port: 15432, ready: true }));
        assert_eq!(
            parse("4711\n/data/cluster\n1700000000\n15432\n"),
            Some(Running { pid: 4711, port: 15432, ready: false })
        );
        assert_eq!(parse(""), None);
    }
}
