//! One scrape: what this process has counted, and what is read for the occasion.

use std::time::Duration;

use prometheus::TextEncoder;

use super::{Metrics, fleet, neon, process, sheet::Sheet};
use engine::Engine;
use ledger::{Ledger, LedgerError};

/// Of the text that [`text`] makes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Prometheus gives up after ten seconds, and would then see nothing at all.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(4);

/// Everything, in Prometheus' text format. Without the ledger, what this process knows by itself.
///
/// # Errors
/// When a name or a label is none that Prometheus admits.
pub async fn text(
    metrics: &Metrics,
    ledger: &Ledger,
    engine: &Engine,
    calls_per_minute: u32,
) -> prometheus::Result<String> {
    let sheet = Sheet::default();
    let snapshot = tokio::time::timeout(LEDGER_TIMEOUT, ledger.fleet_snapshot()).await;
    let is_up = matches!(&snapshot, Ok(Ok(_)));
    sheet.value("flotilla_ledger_up", "Whether the ledger answered this scrape.", f64::from(u8::from(is_up)))?;
    match snapshot {
        Ok(Ok(snapshot)) => fleet::write(&sheet, &snapshot)?,
        Ok(Err(error)) => tell(&error),
        Err(_) => tracing::warn!("the ledger did not answer a scrape within {} s", LEDGER_TIMEOUT.as_secs()),
    }
    neon::write(&sheet, &engine.neon_health(), calls_per_minute)?;
    process::write(&sheet, metrics.started_at)?;
    let mut families = metrics.registry.gather();
    families.extend(sheet.0.gather());
    TextEncoder::new().encode_to_string(&families)
}

fn tell(error: &LedgerError) {
    tracing::warn!(error = error as &dyn std::error::Error, "the ledger did not answer a scrape");
}
