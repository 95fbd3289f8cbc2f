//! Removes the data of a private PostgreSQL, and ends its server if a crash left it running: `erase-postgres .flotilla/postgres`.

use std::env;
use std::process::ExitCode;

use embedded_postgres::{Postgres, Settings};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1) else {
        eprintln!("usage: erase-postgres <data folder>");
        return ExitCode::from(2);
    };
    match Postgres::erase(&Settings::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("erase-postgres: {error}");
            ExitCode::FAILURE
        }
    }
}
