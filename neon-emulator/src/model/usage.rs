//! Consumption of the current billing period. Time is counted from the moments at which the compute started and
//! stopped, so nothing has to tick.

use super::{ComputeState, Project};
use crate::clock::{self, Instant};

impl Project {
    /// Counters begin at zero in each billing period.
    pub(super) fn roll_period(&mut self, now: Instant) {
        let start = clock::period_start(now);
        if self.used_since < start {
            self.forget_usage(start);
        }
    }

    /// Counters at zero, to count from this time on.
    pub fn forget_usage(&mut self, since: Instant) {
        self.used_since = since;
        self.used_active_seconds = 0.0;
        self.used_compute_seconds = 0.0;
        self.used_written_bytes = 0;
        self.used_transfer_bytes = 0;
        self.used_storage_byte_hours = 0;
    }

    /// Adds the run that ends now to the counters.
    pub(super) fn charge_run(&mut self, until: Instant) {
        self.roll_period(until);
        let seconds = self.running_seconds(until);
        self.used_active_seconds += seconds;
        self.used_compute_seconds += seconds * self.endpoint_min_cu;
    }

    /// Seconds of the current run that fall into the current period.
    fn running_seconds(&self, now: Instant) -> f64 {
        let Some(started) = self.compute_started_at.filter(|_| self.compute_state == ComputeState::Active) else {
            return 0.0;
        };
        (now - started.max(self.used_since)).as_seconds_f64().max(0.0)
    }

    /// Wall-clock seconds with a running compute, the current run included.
    pub fn active_seconds(&self, now: Instant) -> i64 {
        whole(self.used_active_seconds + self.running_seconds(now))
    }

    /// CU seconds, the current run included.
    pub fn compute_seconds(&self, now: Instant) -> i64 {
        whole(self.used_compute_seconds + self.running_seconds(now) * self.endpoint_min_cu)
    }

    /// Takes a newly measured size of the backing database; growth counts as written data.
    pub fn measured(&mut self, database_size: i64) {
        let size = self.base_size + (database_size - self.empty_size).max(0);
        self.used_written_bytes += (size - self.logical_size).max(0);
        self.logical_size = size;
    }
}

fn whole(seconds: f64) -> i64 {
    seconds as i64
}
