//! Running a program with an end to the wait.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::Error;

/// How often a wait looks again. Starting a server takes about 100 ms.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Runs a command to its end; one that takes longer than `limit` is ended.
pub(crate) fn run(mut command: Command, limit: Duration) -> Result<ExitStatus, Error> {
    let program = Path::new(command.get_program()).to_path_buf();
    let failed = |source| Error::Run { program: program.clone(), source };
    let mut child = command.spawn().map_err(failed)?;
    match wait(&mut child, limit).map_err(failed)? {
        Some(status) => Ok(status),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            Err(failed(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it had not ended after {} s", limit.as_secs()),
            )))
        }
    }
}

/// Waits for a child at most so long.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(POLL);
    }
}
