//! What was called and how it was answered: an oracle for tests of clients.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
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
    peak_per_second: usize,
    peak_per_minute: usize,
}

impl Recorder {
    pub fn record(&self, route: &Route, status: u16) {
        let now = Instant::now();
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *record.calls.entry((route.clone(), status)).or_default() += 1;
        record.total += 1;
        let in_second = count_window(&mut record.last_second, now, Duration::from_secs(1));
        let in_minute = count_window(&mut record.last_minute, now, Duration::from_secs(60));
        record.peak_per_second = record.peak_per_second.max(in_second);
        record.peak_per_minute = record.peak_per_minute.max(in_minute);
    }

    pub fn read(&self) -> Stats {
        let record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        }
    }

    pub fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Record::default();
    }
}

fn count_window(window: &mut VecDeque<Instant>, now: Instant, length: Duration) -> usize {
    window.push_back(now);
    while window.front().is_some_and(|at| now.duration_since(*at) >= length) {
        window.pop_front();
    }
    window.len()
}
