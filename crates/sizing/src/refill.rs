//! How fast new databases arrive, from what was observed of them.

use fleet_types::RefillModel;

/// Creations under way at a time in one engine.
const AT_ONCE: f64 = 32.0;
/// What Neon's 700 calls a minute leave for two calls per database.
const MOST_PER_MINUTE: f64 = 335.0;
/// Where none was created yet.
const USUAL_SECONDS: f64 = 10.0;

/// What is known of the creations of late.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed {
    /// From request to available.
    pub p50_seconds: Option<f64>,
    pub p95_seconds: Option<f64>,
    pub created: i64,
    pub failed: i64,
}

/// The latency is the p95, to be on the safe side; how many arrive a minute follows from the median, the engine's permits, Neon's limit and the failures.
pub fn refill_model(observed: &Observed) -> RefillModel {
    let median = observed.p50_seconds.unwrap_or(USUAL_SECONDS).max(0.1);
    let tried = observed.created + observed.failed;
    let succeeding = if tried > 0 { observed.created as f64 / tried as f64 } else { 1.0 };
    RefillModel {
        latency_seconds: observed.p95_seconds.unwrap_or(USUAL_SECONDS).max(median),
        per_minute: (AT_ONCE * 60.0 / median).min(MOST_PER_MINUTE) * succeeding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_or_failing_creations_arrive_more_slowly() {
        assert_eq!(refill_model(&Observed::default()), RefillModel { latency_seconds: 10.0, per_minute: 192.0 });
        let slow = Observed { p50_seconds: Some(60.0), p95_seconds: Some(90.0), created: 3, failed: 1 };
        assert_eq!(refill_model(&slow), RefillModel { latency_seconds: 90.0, per_minute: 24.0 });
        let fast = Observed { p50_seconds: Some(1.0), p95_seconds: Some(2.0), created: 10, failed: 0 };
        assert_eq!(refill_model(&fast).per_minute, MOST_PER_MINUTE);
    }
}
