//! Neon's rate limits: 700 calls in any 60 seconds for the account, 40 in any second for each route.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::faults::Route;

const PER_MINUTE: usize = 700;
const PER_SECOND_AND_ROUTE: usize = 40;

#[derive(Debug)]
pub struct Limits {
    enabled: bool,
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    account: VecDeque<Instant>,
    routes: HashMap<Route, VecDeque<Instant>>,
}

impl Limits {
    pub fn new(enabled: bool) -> Self {
        Self { enabled, windows: Mutex::default() }
    }

    /// Counts a call, unless it is one too many. Refused calls are not counted.
    pub fn admits(&self, route: &Route) -> bool {
        !self.enabled || self.admits_at(route, Instant::now())
    }

    fn admits_at(&self, route: &Route, now: Instant) -> bool {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let Windows { account, routes } = &mut *windows;
        let on_route = routes.entry(route.clone()).or_default();
        forget(account, now, Duration::from_secs(60));
        forget(on_route, now, Duration::from_secs(1));
        if account.len() >= PER_MINUTE || on_route.len() >= PER_SECOND_AND_ROUTE {
            return false;
        }
        account.push_back(now);
        on_route.push_back(now);
        true
    }
}

fn forget(window: &mut VecDeque<Instant>, now: Instant, length: Duration) {
    while window.front().is_some_and(|at| now.duration_since(*at) >= length) {
        window.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(template: &str) -> Route {
        Route { method: "GET".into(), template: template.into() }
    }

    #[test]
    fn a_route_takes_forty_calls_a_second() {
        let limits = Limits::new(true);
        let start = Instant::now();
        let admitted = |n: usize, at| (0..n).filter(|_| limits.admits_at(&route("/projects"), at)).count();
        assert_eq!(admitted(50, start), 40);
        assert!(limits.admits_at(&route("/regions"), start), "another route has a limit of its own");
        assert_eq!(admitted(50, start + Duration::from_secs(1)), 40);
    }

    #[test]
    fn the_account_takes_seven_hundred_calls_a_minute() {
        let limits = Limits::new(true);
        let start = Instant::now();
        let admitted = (0..800).filter(|n| limits.admits_at(&route(&n.to_string()), start)).count();
        assert_eq!(admitted, 700);
        assert!(!limits.admits_at(&route("/projects"), start + Duration::from_secs(59)));
        assert!(limits.admits_at(&route("/projects"), start + Duration::from_secs(60)));
    }
}
