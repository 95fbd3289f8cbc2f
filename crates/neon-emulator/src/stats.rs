//! What was called and how it was answered: an oracle for tests of clients.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::route::Route;

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
    pub route_peaks: Vec<RoutePeak>,
    pub account_peaks: Vec<AccountPeak>,
}

/// The most calls that came for one account, refused ones included: an organisation by its id, or `person`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountPeak {
    pub account: String,
    pub per_second: usize,
    pub per_minute: usize,
}

/// The most calls that came on one route, refused ones included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoutePeak {
    pub method: String,
    pub route: String,
    pub per_second: usize,
    pub per_minute: usize,
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

    /// The peaks of one route; none if it was never called.
    pub fn peak(&self, method: &str, route: &str) -> Option<&RoutePeak> {
        self.route_peaks.iter().find(|peak| peak.method == method && peak.route == route)
    }

    /// The peaks of one account; none if nothing was called with a key of it.
    pub fn peak_of_account(&self, account: &str) -> Option<&AccountPeak> {
        self.account_peaks.iter().find(|peak| peak.account == account)
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
    all: Rate,
    accounts: BTreeMap<String, Rate>,
    routes: BTreeMap<Route, Rate>,
}

/// The highest number of calls in any second and in any minute so far.
#[derive(Debug, Default)]
struct Rate {
    last_second: VecDeque<Instant>,
    last_minute: VecDeque<Instant>,
    per_second: usize,
    per_minute: usize,
}

impl Rate {
    fn count(&mut self, now: Instant) {
        self.per_second = self.per_second.max(count_window(&mut self.last_second, now, Duration::from_secs(1)));
        self.per_minute = self.per_minute.max(count_window(&mut self.last_minute, now, Duration::from_secs(60)));
    }
}

impl Recorder {
    /// Counts a call when it comes, whatever becomes of it. One without a valid key is of no account.
    pub fn arrived(&self, account: Option<&str>, route: &Route) {
        let now = Instant::now();
        let record = &mut *self.lock();
        record.total += 1;
        record.all.count(now);
        if let Some(account) = account {
            record.accounts.entry(account.into()).or_default().count(now);
        }
        record.routes.entry(route.clone()).or_default().count(now);
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
        let route_peaks = record.routes.iter().map(|(route, rate)| RoutePeak {
            method: route.method.clone(),
            route: route.template.clone(),
            per_second: rate.per_second,
            per_minute: rate.per_minute,
        });
        let account_peaks = record.accounts.iter().map(|(account, rate)| AccountPeak {
            account: account.clone(),
            per_second: rate.per_second,
            per_minute: rate.per_minute,
        });
        Stats {
            calls: calls.collect(),
            total: record.total,
            peak_per_second: record.all.per_second,
            peak_per_minute: record.all.per_minute,
            peak_per_second_and_route: record.routes.values().map(|rate| rate.per_second).max().unwrap_or(0),
            route_peaks: route_peaks.collect(),
            account_peaks: account_peaks.collect(),
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
