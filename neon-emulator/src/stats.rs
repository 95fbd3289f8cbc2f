//! What was called and how it was answered: an oracle for tests of clients.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::faults::Route;

/// The status of a call whose connection was dropped.
pub const NO_ANSWER: u16 = 0;

/// Calls of the API since the start or the last reset. Rates are the highest in any window of that length.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    pub calls: Vec<CallCount>,
    pub total: u64,
    pub peak_per_second: usize,
    pub peak_per_minute: usize,
    /// Of the busiest route.
    pub peak_per_second_and_route: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallCount {
    pub method: String,
    /// Template of the path, as `/projects/{project_id}`.
    pub route: String,
    /// HTTP status; 0 if the connection was dropped without an answer.
    pub status: u16,
    pub count: u64,
}

impl Stats {
    /// Calls of one route, whatever their status.
    pub fn count(&self, method: &str, route: &str) -> u64 {
        self.calls.iter().filter(|call| call.method == method && call.route == route).map(|call| call.count).sum()
    }

    /// Calls answered with one status, whatever their route.
    pub fn count_status(&self, status: u16) -> u64 {
        self.calls.iter().filter(|call| call.status == status).map(|call| call.count).sum()
    }
}

#[derive(Debug, Default)]
pub struct Recorder(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    calls: BTreeMap<(Route, u16), u64>,
    total: u64,
    last_minute: VecDeque<Instant>,
    last_second: VecDeque<Instant>,
    last_second_of_routes: BTreeMap<Route, VecDeque<Instant>>,
    peak_per_second: usize,
    peak_per_minute: usize,
    peak_per_second_and_route: usize,
}

impl Recorder {
    /// Counts a call when it comes, whatever becomes of it.
    pub fn arrived(&self, route: &Route) {
        const SECOND: Duration = Duration::from_secs(1);
        let now = Instant::now();
        let record = &mut *self.lock();
        record.total += 1;
        let of_route = record.last_second_of_routes.entry(route.clone()).or_default();
        record.peak_per_second_and_route = record.peak_per_second_and_route.max(count_window(of_route, now, SECOND));
        record.peak_per_second = record.peak_per_second.max(count_window(&mut record.last_second, now, SECOND));
        record.peak_per_minute = record.peak_per_minute.max(count_window(&mut record.last_minute, now, 60 * SECOND));
    }

    pub fn answered(&self, route: &Route, status: u16) {
        *self.lock().calls.entry((route.clone(), status)).or_default() += 1;
    }

    pub fn read(&self) -> Stats {
        let record = self.lock();
        let calls = record.calls.iter().map(|((route, status), count)| CallCount {
            method: route.method.clone(),
            route: route.template.clone(),
            status: *status,
            count: *count,
        });
        Stats {
            calls: calls.collect(),
            total: record.total,
            peak_per_second: record.peak_per_second,
            peak_per_minute: record.peak_per_minute,
            peak_per_second_and_route: record.peak_per_second_and_route,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn reset(&self) {
        *self.lock() = Record::default();
    }
}

fn count_window(window: &mut VecDeque<Instant>, now: Instant, length: Duration) -> usize {
    window.push_back(now);
    while window.front().is_some_and(|at| now.duration_since(*at) >= length) {
        window.pop_front();
    }
    window.len()
}
