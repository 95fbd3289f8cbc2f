//! Runs a command beside a temporary PostgreSQL: `with-postgres -- cargo test`.
//!
//! The command finds it in `TEST_DATABASE_URL`, as a superuser. It takes the place of this process, so
//! that signals reach it and its exit code is the answer; the server ends with it.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use embedded_postgres::Postgres;

fn main() -> ExitCode {
    let words: Vec<_> = env::args_os().skip(1).skip_while(|word| word == "--").collect();
    let Some((program, arguments)) = words.split_first() else {
        eprintln!("usage: with-postgres -- <command> [arguments]");
        return ExitCode::from(2);
    };
    let server = match Postgres::temporary() {
        Ok(server) => server,
        Err(error) => {
            eprintln!("with-postgres: {error}");
            return ExitCode::FAILURE;
        }
    };
    let url = server.url("postgres");
    let error = Command::new(program).args(arguments).env("TEST_DATABASE_URL", &url).exec();
    // Only reached if the command could not be started.
    eprintln!("with-postgres: cannot run {}: {error}", program.display());
    drop(server);
    ExitCode::from(127)
}
