//! What commands print: results to standard output, so that scripts can take them, and remarks to standard error.

use std::io::{self, Write};

use fleet_types::text;

/// A line of the result.
///
/// # Errors
/// When standard output is closed.
pub fn result(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// A remark for the person at the terminal.
///
/// # Errors
/// When standard error is closed.
pub fn remark(line: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{line}")
}

/// Lines of columns, the first of them the heads. What a terminal would obey is shown instead.
///
/// # Errors
/// When standard output is closed.
pub fn table<const N: usize>(rows: &[[String; N]]) -> io::Result<()> {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| text::visible(cell))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    for row in &rows {
        let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
        result(line.trim_end())?;
    }
    Ok(())
}

/// A time to the minute, or a dash.
pub fn time(time: Option<fleet_types::Time>) -> String {
    time.map_or_else(|| String::from("–"), |time| time.format("%Y-%m-%d %H:%M UTC").to_string())
}
