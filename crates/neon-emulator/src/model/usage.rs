//! Consumption of the current billing period. Time is counted from the moments at which the compute started and
//! stopped, so nothing has to tick. Whatever is really used is noted by the hour as well, for the history.

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
        if let Some(from) = self.real_run_since() {
            self.journal.run(&self.id, from, until, self.endpoint_min_cu);
        }
        self.roll_period(until);
        let seconds = self.running_seconds(until);
        self.used_active_seconds += seconds;
        self.used_compute_seconds += seconds * self.endpoint_min_cu;
        self.charged_until = Some(until);
    }

    /// Since when the compute runs because somebody really uses it, and is not yet charged for.
    pub fn real_run_since(&self) -> Option<Instant> {
        let runs = self.compute_state == ComputeState::Active && !self.compute_modeled;
        self.charged_until.filter(|_| runs)
    }

    /// Seconds of the current run that fall into the current period and stand in no counter.
    pub(super) fn running_seconds(&self, now: Instant) -> f64 {
        let since = self.real_run_since().map(|since| since.max(self.used_since));
        since.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0))
    }

    /// Wall-clock seconds with a running compute, the current run included.
    pub fn active_seconds(&self, now: Instant) -> i64 {
        whole(self.used_active_seconds + self.running_seconds(now))
    }

    /// CU seconds, the current run included.
    pub fn compute_seconds(&self, now: Instant) -> i64 {
        whole(self.used_compute_seconds + self.running_seconds(now) * self.endpoint_min_cu)
    }

    pub fn count_written(&mut self, bytes: i64, at: Instant) {
        self.roll_period(at);
        self.used_written_bytes += bytes;
        self.journal.hour(&self.id, at).written_bytes += bytes;
    }

    pub fn count_transfer(&mut self, bytes: i64, at: Instant) {
        self.roll_period(at);
        self.used_transfer_bytes += bytes;
        self.journal.hour(&self.id, at).transfer_bytes += bytes;
    }

    /// Takes a newly measured size of all backing databases; growth counts as written data. The base holds one empty
    /// database, whichever others there are or have been.
    pub fn measured(&mut self, databases_size: i64, at: Instant) {
        let size = self.base_size + (databases_size - self.empty_size).max(0);
        let growth = size - self.logical_size;
        if growth > 0 {
            self.count_written(growth, at);
        }
        self.logical_size = size;
    }
}

fn whole(seconds: f64) -> i64 {
    // A hair below a whole second is a sum of parts of that second.
    (seconds + 1e-7) as i64
}
