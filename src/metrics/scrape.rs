//! One scrape: what this process has counted, and what is read for the occasion.

use std::time::Duration;

use prometheus::{CounterVec, GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};

use super::{fleet, neon, process};
use crate::state::AppState;
use ledger::LedgerError;

/// Of the text that [`text`] makes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Prometheus gives up after ten seconds, and would then see nothing at all.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(4);

/// Figures that are read for one scrape and forgotten after it.
#[derive(Default)]
pub(super) struct Sheet(Registry);

impl Sheet {
    pub fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    /// A gauge without labels.
    pub fn value(&self, name: &str, help: &str, value: f64) -> prometheus::Result<()> {
        self.gauge(name, help, &[])?.with_label_values::<&str>(&[]).set(value);
        Ok(())
    }

    pub fn counter(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        super::counter(&self.0, Opts::new(name, help), labels)
    }

    pub fn seconds_counter(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<CounterVec> {
        let counter = CounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }
}

/// Everything, in Prometheus' text format. Without the ledger, what this process knows by itself.
///
/// # Errors
/// When a name or a label is none that Prometheus admits.
pub async fn text(state: &AppState) -> prometheus::Result<String> {
    let sheet = Sheet::default();
    let snapshot = tokio::time::timeout(LEDGER_TIMEOUT, state.ledger.fleet_snapshot()).await;
    let is_up = matches!(&snapshot, Ok(Ok(_)));
    sheet.value("flotilla_ledger_up", "Whether the ledger answered this scrape.", f64::from(u8::from(is_up)))?;
    match snapshot {
        Ok(Ok(snapshot)) => fleet::write(&sheet, &snapshot)?,
        Ok(Err(error)) => tell(&error),
        Err(_) => tracing::warn!("the ledger did not answer a scrape within {} s", LEDGER_TIMEOUT.as_secs()),
    }
    neon::write(&sheet, &state.engine.neon_health(), state.config.neon_calls_per_minute)?;
    process::write(&sheet, state.metrics.started_at)?;
    let mut families = state.metrics.registry.gather();
    families.extend(sheet.0.gather());
    TextEncoder::new().encode_to_string(&families)
}

fn tell(error: &LedgerError) {
    tracing::warn!(error = error as &dyn std::error::Error, "the ledger did not answer a scrape");
}
