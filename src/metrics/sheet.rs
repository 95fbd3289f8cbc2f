//! Figures that are read for one scrape.

use prometheus::{CounterVec, GaugeVec, IntCounterVec, Opts, Registry};

/// Figures that are read for one scrape and forgotten after it.
#[derive(Default)]
pub(super) struct Sheet(pub(super) Registry);

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
