//! Logs: one line a person can read alone, or JSON for machines, always to standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// Libraries that say more than an operator wants to read.
const QUIET: &str = "sqlx=warn,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,h2=warn,tower=warn";

/// Flotilla's other crates: in a filter, `flotilla` stands for them too.
const OURS: [&str; 8] = ["engine", "fleet_types", "ledger", "neon_client", "probe", "secrets", "sizing", "trace"];
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line, for machines.
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log filter “{filter}” cannot be read ({cause}); write for example “info” or “info,flotilla=debug”")]
    Filter { filter: String, cause: String },
    #[error("logging was set up twice in one process")]
    Twice,
}

/// Starts logging for the whole process. What the filter does not name stays quiet.
///
/// # Errors
/// A filter that cannot be read, or a second call.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    init_to(io::stderr, io::stderr().is_terminal(), format, filter)
}

/// [`init`], with the lines going elsewhere, coloured or not.
///
/// # Errors
/// As [`init`].
pub fn init_to<W>(writer: W, is_coloured: bool, format: LogFormat, filter: &str) -> Result<(), TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = parse(filter)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(is_coloured);
    let outcome = match format {
        LogFormat::Text => lines.with_target(false).finish().try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    };
    outcome.map_err(|_| TelemetryError::Twice)
}

/// The filter, if it is one. A word alone is a level: what is no level would be taken for the only module that is logged, and everything else be silent.
///
/// # Errors
/// With a text that says what it should look like.
pub fn filter(text: &str) -> Result<String, String> {
    let is_level = |part: &str| LEVELS.contains(&part.to_ascii_lowercase().as_str());
    let is_odd = |part: &&str| !part.contains(['=', '[']) && !is_level(part) && *part != "flotilla";
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    match parts.iter().copied().find(is_odd) {
        Some(odd) => Err(format!(
            "“{odd}” is no level: write off, error, warn, info, debug or trace, and for a part of the program flotilla=debug"
        )),
        None => parse(&parts.join(",")).map(|_| parts.join(",")).map_err(|error| error.to_string()),
    }
}

/// What stands later wins, so the quiet defaults come first, and what is said of a single crate last.
fn parse(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let levels = filter.split(',').filter_map(|directive| directive.trim().strip_prefix("flotilla"));
    let levels = levels.filter(|level| level.is_empty() || level.starts_with('='));
    let ours: String = levels.flat_map(|level| OURS.map(|name| format!("{name}{level},"))).collect();
    EnvFilter::try_new(format!("{QUIET},{ours}{filter}"))
        .map_err(|error| TelemetryError::Filter { filter: filter.to_owned(), cause: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_quiet_and_can_be_overruled() {
        let quiet = parse("info").unwrap().to_string();
        assert!(quiet.contains("sqlx=warn") && quiet.contains("info"), "{quiet}");
        let loud = parse("info,sqlx=debug").unwrap().to_string();
        assert!(loud.contains("sqlx=debug") && !loud.contains("sqlx=warn"), "{loud}");
    }

    #[test]
    fn flotilla_stands_for_all_its_crates() {
        let filter = parse("info,flotilla=debug,ledger=warn").unwrap().to_string();
        for part in ["flotilla=debug", "engine=debug", "neon_client=debug", "ledger=warn"] {
            assert!(filter.contains(part), "{part} in {filter}");
        }
        assert!(!parse("info,flotilla::http=debug").unwrap().to_string().contains("engine"));
    }

    #[test]
    fn a_wrong_filter_is_named() {
        let error = parse("flotilla=everything").unwrap_err();
        assert!(error.to_string().contains("flotilla=everything"), "{error}");
        assert!(
            filter("flotilla=everything").is_err() && filter("infoo").is_err_and(|words| words.contains("“infoo”"))
        );
        for right in ["", "INFO", "info,flotilla=debug", "warn,flotilla::http[request]=trace"] {
            assert_eq!(filter(right).as_deref(), Ok(right));
        }
        assert_eq!(filter(" info , sqlx=warn,").as_deref(), Ok("info,sqlx=warn"));
    }
}
