//! The tables, collected as they are measured; progress goes to standard error.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    time::Duration,
};

#[derive(Default)]
pub struct Report(String);

impl Report {
    pub fn heading(&mut self, text: &str) {
        let _ = write!(self.0, "\n## {text}\n\n");
    }

    pub fn note(&mut self, text: &str) {
        let _ = write!(self.0, "\n{text}\n");
    }

    pub fn table<const N: usize>(&mut self, head: [&str; N], rows: &[[String; N]]) {
        let _ = writeln!(self.0, "| {} |\n|{}", head.join(" | "), "---|".repeat(N));
        for row in rows {
            let _ = writeln!(self.0, "| {} |", row.join(" | "));
        }
    }

    pub fn print(&self) -> io::Result<()> {
        io::stdout().write_all(self.0.as_bytes())
    }
}

/// Tells whoever waits what is being done.
pub fn progress(text: &str) {
    let _ = writeln!(io::stderr(), "bench: {text}");
}

pub fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1_000.0;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

/// Of something that may not have been measured.
pub fn or_dash<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| String::from("–"), text)
}

pub fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / 1_048_576.0)
}
