//! Neon's rate limits: 700 calls in any 60 seconds for an account, 40 in any second for each of its routes, and for the
//! consumption history a bucket of its own that fills evenly. An account is an organisation, or the person.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::route::Route;

const PER_MINUTE: usize = 700;
const PER_SECOND_AND_ROUTE: usize = 40;

#[derive(Debug)]
pub struct Limits {
    enabled: bool,
    consumption_per_minute: u32,
    /// Calls of the consumption history are left out of the account's.
    consumption_apart: bool,
    /// All accounts are one.
    is_shared: bool,
    accounts: Mutex<HashMap<String, Windows>>,
}

#[derive(Debug, Default)]
struct Windows {
    account: VecDeque<Instant>,
    routes: HashMap<Route, VecDeque<Instant>>,
    consumption: Option<Bucket>,
}

/// Full at first, it holds a minute's calls.
#[derive(Debug)]
struct Bucket {
    calls: f64,
    filled_at: Instant,
}

impl Bucket {
    fn fill(&mut self, per_minute: f64, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.calls = (self.calls + seconds * per_minute / 60.0).min(per_minute);
        self.filled_at = now;
    }
}

impl Limits {
    pub fn new(config: &Config) -> Self {
        Self {
            enabled: config.rate_limits,
            consumption_per_minute: config.consumption_calls_per_minute,
            consumption_apart: config.unknowns.consumption_counts_apart,
            is_shared: config.unknowns.rate_limit_is_shared,
            accounts: Mutex::default(),
        }
    }

    /// Counts a call, unless it is one too many. Refused calls are not counted.
    pub fn admits(&self, account: &str, route: &Route) -> bool {
        !self.enabled || self.admits_at(account, route, Instant::now())
    }

    fn admits_at(&self, account: &str, route: &Route, now: Instant) -> bool {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = if self.is_shared { "" } else { account };
        let Windows { account, routes, consumption } = accounts.entry(account.into()).or_default();
        let on_route = routes.entry(route.clone()).or_default();
        forget(account, now, Duration::from_secs(60));
        forget(on_route, now, Duration::from_secs(1));
        let is_consumption = route.template.starts_with("/consumption_history");
        let in_account = !(is_consumption && self.consumption_apart);
        if in_account && account.len() >= PER_MINUTE || on_route.len() >= PER_SECOND_AND_ROUTE {
            return false;
        }
        if is_consumption {
            let per_minute = f64::from(self.consumption_per_minute);
            let bucket = consumption.get_or_insert(Bucket { calls: per_minute, filled_at: now });
            bucket.fill(per_minute, now);
            if bucket.calls < 1.0 {
                return false;
            }
            bucket.calls -= 1.0;
        }
        if in_account {
            account.push_back(now);
        }
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

    fn limits(tune: impl FnOnce(&mut Config)) -> Limits {
        let mut config = Config::new("postgres://nowhere", "napi_test");
        tune(&mut config);
        Limits::new(&config)
    }

    fn route(template: &str) -> Route {
        Route { method: "GET".into(), template: template.into() }
    }

    #[test]
    fn a_route_takes_forty_calls_a_second() {
        let limits = limits(|_| {});
        let start = Instant::now();
        let admitted = |n: usize, at| (0..n).filter(|_| limits.admits_at("org-a", &route("/projects"), at)).count();
        assert_eq!(admitted(50, start), 40);
        assert!(limits.admits_at("org-a", &route("/regions"), start), "another route has a limit of its own");
        assert_eq!(admitted(50, start + Duration::from_secs(1)), 40);
    }

    #[test]
    fn the_account_takes_seven_hundred_calls_a_minute() {
        let limits = limits(|_| {});
        let start = Instant::now();
        let admitted = (0..800).filter(|n| limits.admits_at("org-a", &route(&n.to_string()), start)).count();
        assert_eq!(admitted, 700);
        assert!(!limits.admits_at("org-a", &route("/projects"), start + Duration::from_secs(59)));
        assert!(limits.admits_at("org-a", &route("/projects"), start + Duration::from_secs(60)));
    }

    #[test]
    fn each_account_has_limits_of_its_own_unless_it_is_switched() {
        for is_shared in [false, true] {
            let limits = limits(|config| config.unknowns.rate_limit_is_shared = is_shared);
            let start = Instant::now();
            let admitted = (0..40).filter(|_| limits.admits_at("org-a", &route("/projects"), start)).count();
            assert_eq!(admitted, 40);
            assert!(!limits.admits_at("org-a", &route("/projects"), start));
            assert_eq!(limits.admits_at("org-b", &route("/projects"), start), !is_shared);
        }
    }

    #[test]
    fn calls_for_consumption_count_in_the_account_unless_it_is_switched() {
        for apart in [false, true] {
            let limits = limits(|config| config.unknowns.consumption_counts_apart = apart);
            let start = Instant::now();
            let ask = |route: &Route| limits.admits_at("org-a", route, start);
            assert_eq!((0..20).filter(|_| ask(&route("/consumption_history/projects"))).count(), 20);
            let admitted = (0..800).filter(|n| ask(&route(&n.to_string()))).count();
            assert_eq!(admitted, if apart { 700 } else { 680 });
            assert_eq!(ask(&route("/consumption_history/v2/projects")), apart);
        }
    }

    #[test]
    fn both_consumption_routes_share_a_bucket() {
        let limits = limits(|_| {});
        let start = Instant::now();
        let (current, legacy) = (route("/consumption_history/v2/projects"), route("/consumption_history/projects"));
        let admitted =
            |at| (0..40).filter(|n| limits.admits_at("org-a", if n % 2 == 0 { &current } else { &legacy }, at)).count();
        assert_eq!(admitted(start), 30);
        assert_eq!(admitted(start + Duration::from_secs(10)), 5);
        assert!(limits.admits_at("org-a", &route("/projects"), start + Duration::from_secs(10)), "other routes go on");
    }
}
