//! How long claims take, from the request's arrival to the commit, counted in buckets until the watch duty hands them to the ledger.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use ledger::TIMING_BUCKETS;

/// Bucket i counts durations below 0.25 · 2^i milliseconds; the last one is open.
#[derive(Default)]
pub struct ClaimTimings {
    buckets: [AtomicI64; TIMING_BUCKETS],
}

impl ClaimTimings {
    pub fn record(&self, took: Duration) {
        self.buckets[bucket(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts since the last call.
    pub(super) fn take(&self) -> Vec<i64> {
        self.buckets.iter().map(|count| count.swap(0, Ordering::Relaxed)).collect()
    }
}

fn bucket(took: Duration) -> usize {
    let quarters = (took.as_secs_f64() * 4000.0).max(1.0);
    (quarters.log2().floor() as usize + usize::from(quarters >= 1.0 && took.as_micros() >= 250)).min(TIMING_BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_fall_into_the_bucket_below_whose_bound_they_are() {
        let bucket_of = |micros| bucket(Duration::from_micros(micros));
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(249), 0);
        assert_eq!(bucket_of(250), 1);
        assert_eq!(bucket_of(999), 2);
        assert_eq!(bucket_of(1_000), 3);
        assert_eq!(bucket_of(10_000_000_000), TIMING_BUCKETS - 1);
    }
}
