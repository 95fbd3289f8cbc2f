//! What monitoring sees of Flotilla, in Prometheus' text format.
//!
//! Two kinds of figures stand side by side. What happens in this process (claims, runs of duties, requests) is counted here as it happens.
//! What is true of the whole fleet is read at the scrape, from a few small rows of the ledger and never by counting databases, so that a
//! scrape of a million costs as much as one of a hundred; only what is wrong is counted, open findings and blocked databases. Labels come
//! from closed sets: routes by their template, pools, states, classes, kinds, invariants.

mod fleet;
mod neon;
mod process;
mod scrape;
mod sheet;

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

pub use scrape::{CONTENT_TYPE, text};

use engine::{Duty, Outcomes};
use ledger::{Claim, ClaimKind, ClaimStatus, DutyOutcome, LedgerError};

/// In seconds. Warm claims take milliseconds, cold ones wait for a database to be made.
const CLAIM_BUCKETS: [f64; 17] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
const REQUEST_BUCKETS: [f64; 12] = [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
const DUTY_BUCKETS: [f64; 10] = [0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 60.0, 300.0];

/// What this process counts. The start of the process is the time at which it was made.
pub struct Metrics {
    registry: Registry,
    claims: IntCounterVec,
    claim_seconds: HistogramVec,
    duty_runs: IntCounterVec,
    duty_seconds: HistogramVec,
    request_seconds: HistogramVec,
    refused: IntCounterVec,
    connections: IntGauge,
    started_at: f64,
}

impl Metrics {
    /// # Errors
    /// None that could happen at run time: a name or a label that Prometheus does not admit.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let claims = Opts::new(
            "flotilla_claims_total",
            "Claims by how they were answered: served, waiting, repeated, refused or failed. A claim that waited is counted again when it is served.",
        );
        let duty_runs = Opts::new("flotilla_duty_runs_total", "Runs of duties in this process by outcome.");
        let refused =
            Opts::new("flotilla_http_refused_total", "What was turned away at the door, by the limit that it met.");
        let connections = IntGauge::new("flotilla_http_connections", "Connections that are open.")?;
        registry.register(Box::new(connections.clone()))?;
        let metrics = Self {
            claims: counter(&registry, claims, &["kind", "outcome"])?,
            claim_seconds: histogram(
                &registry,
                "flotilla_claim_seconds",
                "From a claim's arrival to its database: warm to the answer, cold until it was served.",
                &CLAIM_BUCKETS,
                &["kind"],
            )?,
            duty_runs: counter(&registry, duty_runs, &["duty", "outcome"])?,
            duty_seconds: histogram(
                &registry,
                "flotilla_duty_run_seconds",
                "How long runs of duties took in this process.",
                &DUTY_BUCKETS,
                &["duty"],
            )?,
            request_seconds: histogram(
                &registry,
                "flotilla_http_request_seconds",
                "From a request's arrival to the beginning of its answer.",
                &REQUEST_BUCKETS,
                &["method", "route", "status"],
            )?,
            refused: counter(&registry, refused, &["limit"])?,
            connections,
            registry,
            started_at: chrono::Utc::now().timestamp_millis() as f64 / 1_000.0,
        };
        metrics.begin_at_zero();
        Ok(metrics)
    }

    /// A rate needs a first value: what can be named beforehand is there from the start.
    fn begin_at_zero(&self) {
        for (kind, outcome) in
            [("warm", "served"), ("warm", "repeated"), ("cold", "waiting"), ("cold", "served"), ("none", "failed")]
        {
            self.claims.with_label_values(&[kind, outcome]);
        }
        for limit in Refused::ALL {
            self.refused.with_label_values(&[limit.as_str()]);
        }
        for kind in ["warm", "cold"] {
            self.claim_seconds.with_label_values(&[kind]);
        }
        for duty in Duty::ALL {
            for outcome in [DutyOutcome::Idle, DutyOutcome::Done, DutyOutcome::Partial, DutyOutcome::Failed] {
                self.duty_runs.with_label_values(&[duty.name(), outcome.as_str()]);
            }
        }
    }

    /// What the ledger made of a claim.
    pub fn claim_recorded(&self, outcome: &Result<Claim, LedgerError>) {
        let labels = match outcome {
            Ok(claim) => match (claim.is_new, claim.status) {
                (true, ClaimStatus::Waiting) => [kind(claim.kind), "waiting"],
                (true, _) => [kind(claim.kind), "served"],
                (false, _) => [kind(claim.kind), "repeated"],
            },
            Err(LedgerError::Sql(_)) => ["none", "failed"],
            Err(_) => ["none", "refused"],
        };
        self.claims.with_label_values(&labels).inc();
    }

    /// A claim was answered with a database out of the pool.
    pub fn warm_claim_took(&self, took: Duration) {
        self.claim_seconds.with_label_values(&[kind(ClaimKind::Warm)]).observe(took.as_secs_f64());
    }

    /// Somebody was turned away, or had to make way.
    pub fn refused(&self, limit: Refused) {
        self.refused.with_label_values(&[limit.as_str()]).inc();
    }

    /// How often that has happened.
    pub fn refusals(&self, limit: Refused) -> u64 {
        self.refused.with_label_values(&[limit.as_str()]).get()
    }

    pub fn connections_open(&self, count: usize) {
        self.connections.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// `route` is a template, never an address.
    pub fn request_answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = [known(method), route, class(status)];
        self.request_seconds.with_label_values(&labels).observe(took.as_secs_f64());
    }
}

impl Outcomes for Metrics {
    fn duty_ran(&self, duty: Duty, outcome: DutyOutcome, took: Duration) {
        self.duty_runs.with_label_values(&[duty.name(), outcome.as_str()]).inc();
        self.duty_seconds.with_label_values(&[duty.name()]).observe(took.as_secs_f64());
    }

    fn cold_claim_served(&self, waited_seconds: f64) {
        self.claims.with_label_values(&[kind(ClaimKind::Cold), "served"]).inc();
        self.claim_seconds.with_label_values(&[kind(ClaimKind::Cold)]).observe(waited_seconds);
    }
}

/// A limit that somebody met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Connections in all.
    Connection,
    /// Connections of one address.
    ConnectionOfAddress,
    /// Time for a request's body.
    Body,
    /// Requests under way.
    Request,
    /// Attempts to sign in.
    SignIn,
}

impl Refused {
    const ALL: [Self; 5] = [Self::Connection, Self::ConnectionOfAddress, Self::Body, Self::Request, Self::SignIn];

    fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connections",
            Self::ConnectionOfAddress => "connections_of_address",
            Self::Body => "body_time",
            Self::Request => "requests",
            Self::SignIn => "sign_in",
        }
    }
}

fn kind(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Warm => "warm",
        ClaimKind::Cold => "cold",
    }
}

/// Anybody may send any word as a method.
fn known(method: &str) -> &str {
    match method {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => method,
        _ => "other",
    }
}

fn class(status: u16) -> &'static str {
    match status {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    }
}

fn counter(registry: &Registry, opts: Opts, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    let counter = IntCounterVec::new(opts, labels)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> prometheus::Result<HistogramVec> {
    let histogram = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_methods_and_odd_statuses_make_no_new_series() {
        let metrics = Metrics::new().expect("metrics");
        for (method, status) in [("GET", 200), ("BREW", 418), ("X\"}", 499), ("GET", 299)] {
            metrics.request_answered(method, "/healthz", status, Duration::from_millis(1));
        }
        let families = metrics.registry.gather();
        let requests = families.iter().find(|family| family.name() == "flotilla_http_request_seconds");
        assert_eq!(requests.map(|family| family.get_metric().len()), Some(2));
    }

    #[test]
    fn what_the_ledger_refuses_is_told_from_what_it_could_not_do() {
        let metrics = Metrics::new().expect("metrics");
        metrics.claim_recorded(&Err(LedgerError::Conflict(String::new())));
        metrics.claim_recorded(&Err(LedgerError::Sql(sqlx::Error::PoolTimedOut)));
        let count = |outcome| metrics.claims.with_label_values(&["none", outcome]).get();
        assert_eq!((count("refused"), count("failed")), (1, 1));
    }
}
