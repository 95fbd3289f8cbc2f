//! The command line. Everything it does lives in the library.

use std::{io::Write, process::ExitCode};

use flotilla::{cli::Cli, config::Misconfigured, telemetry};
use include_dir::Dir;

/// Pages are rendered on the threads that answer requests: with fewer, one that waits for another could wait for ever.
const LEAST_THREADS: usize = 4;
/// As clap ends where an argument is wrong.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG_USAGE));
        }
    };
    cli.config.embedded_site = embedded_site();
    if let Err(error) = telemetry::init(cli.config.log_format, &cli.config.log_filter) {
        let _ = writeln!(std::io::stderr(), "{error}");
        return ExitCode::FAILURE;
    }
    let threads = std::thread::available_parallelism().map_or(LEAST_THREADS, |cores| cores.get().max(LEAST_THREADS));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no threads to run on");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(cli.run());
    // What hangs beyond its time must not keep the process alive.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            if error.is::<Misconfigured>() { ExitCode::from(WRONG_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// The console's files in a release build (`build.rs` decides). Here and not in the library, so that another site means this file alone is compiled anew.
#[cfg(embed_site)]
fn embedded_site() -> Option<&'static Dir<'static>> {
    static SITE: Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/target/site");
    Some(&SITE)
}

/// Other builds read them from their folder, where they may change.
#[cfg(not(embed_site))]
fn embedded_site() -> Option<&'static Dir<'static>> {
    None
}
