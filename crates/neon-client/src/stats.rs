//! What was called and how it went, counted in memory since the start: for the status strip, the screens and the metrics.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Class, NeonError, Route};

/// Buckets of the histogram of how long calls take: [`CALL_TIME_BOUNDS_MS`], and one for what took longer.
pub const CALL_TIMES: usize = 12;
/// Upper bounds in milliseconds, from sending a call to the end of its answer.
pub const CALL_TIME_BOUNDS_MS: [u32; CALL_TIMES - 1] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallStatus {
    /// Answered with this HTTP status.
    Answered(u16),
    /// Answered with success, but unreadable.
    Garbled,
    Unreachable,
    NoAnswer,
    /// Not sent: no free permit in the budget.
    NotSent,
}

/// Calls of one class to one route with one status, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallCount {
    pub class: Class,
    pub route: Route,
    pub status: CallStatus,
    pub calls: u64,
    /// From sending to the end of the answer, all calls together.
    pub total: Duration,
}

/// Calls of one class to one route with one status, since they were last handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallTally {
    pub class: Class,
    pub route: Route,
    pub status: CallStatus,
    pub calls: u64,
    /// How many took how long: at most [`CALL_TIME_BOUNDS_MS`], the last one longer.
    pub times: [u64; CALL_TIMES],
}

/// How Neon does, as seen from here.
#[derive(Clone, Debug, Default)]
pub struct NeonHealth {
    /// The last answer that shows that Neon works.
    pub last_ok_at: Option<DateTime<Utc>>,
    /// The first outage since then. A single refused call is none.
    pub failing_since: Option<DateTime<Utc>>,
    /// The last thing that went wrong; a project that was busy or gone is not counted as such.
    pub last_error: Option<String>,
    pub last_error_at: Option<DateTime<Utc>>,
    /// How long all calls still pause because Neon asked for it.
    pub paused_for: Option<Duration>,
    /// Calls that wait for a free permit in the budget.
    pub waiting: usize,
    pub calls: Vec<CallCount>,
}

/// The counters behind [`NeonHealth`].
#[derive(Default)]
pub(super) struct Stats {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    health: NeonHealth,
    calls: BTreeMap<Key, (u64, Duration)>,
    /// Not yet handed over. As many entries as there are kinds of calls, so bounded.
    fresh: BTreeMap<Key, [u64; CALL_TIMES]>,
}

type Key = (Class, Route, CallStatus);

impl Stats {
    /// Notes one call. `error` is what came of it, if not success.
    pub fn record(&self, class: Class, route: Route, status: CallStatus, took: Duration, error: Option<&NeonError>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, total) = state.calls.entry((class, route, status)).or_default();
        *calls += 1;
        *total += took;
        state.fresh.entry((class, route, status)).or_default()[time_bucket(took)] += 1;
        let (now, health) = (Utc::now(), &mut state.health);
        if let Some(error) = error.filter(|error| !error.is_everyday() && !error.is_held_back()) {
            health.last_error = Some(error.to_string());
            health.last_error_at = Some(now);
        }
        match error {
            Some(error) if error.is_outage() => {
                health.failing_since.get_or_insert(now);
            }
            Some(error) if error.is_held_back() => {}
            _ => {
                health.last_ok_at = Some(now);
                health.failing_since = None;
            }
        }
    }

    /// What was counted since the last time.
    pub fn take_fresh(&self) -> Vec<CallTally> {
        let fresh = std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).fresh);
        let tally = |((class, route, status), times): (Key, [u64; CALL_TIMES])| CallTally {
            class,
            route,
            status,
            calls: times.iter().sum(),
            times,
        };
        fresh.into_iter().map(tally).collect()
    }

    /// It could not be handed over: the next time counts it too.
    pub fn give_back(&self, tallies: &[CallTally]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for tally in tallies {
            let fresh = state.fresh.entry((tally.class, tally.route, tally.status)).or_default();
            fresh.iter_mut().zip(tally.times).for_each(|(sum, more)| *sum += more);
        }
    }

    pub fn snapshot(&self) -> NeonHealth {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |((class, route, status), (calls, total)): (&(Class, Route, CallStatus), &(u64, Duration))| {
            CallCount { class: *class, route: *route, status: *status, calls: *calls, total: *total }
        };
        NeonHealth { calls: state.calls.iter().map(count).collect(), ..state.health.clone() }
    }
}

fn time_bucket(took: Duration) -> usize {
    CALL_TIME_BOUNDS_MS.partition_point(|bound| took.as_micros() > u128::from(*bound) * 1_000)
}

impl fmt::Display for CallStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status) => write!(f, "{status}"),
            Self::Garbled => f.write_str("garbled"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::NoAnswer => f.write_str("no_answer"),
            Self::NotSent => f.write_str("not_sent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_under_their_upper_bound() {
        let bucket = |micros| time_bucket(Duration::from_micros(micros));
        assert_eq!((bucket(0), bucket(10_000), bucket(10_001)), (0, 0, 1));
        assert_eq!((bucket(30_000_000), bucket(3_000_000_000)), (CALL_TIMES - 2, CALL_TIMES - 1));
    }

    #[test]
    fn what_could_not_be_handed_over_is_handed_over_later() {
        let stats = Stats::default();
        let call = || stats.record(Class::Sync, Route::LIST_PROJECTS, CallStatus::Answered(200), Duration::ZERO, None);
        call();
        let taken = stats.take_fresh();
        assert!(stats.take_fresh().is_empty());
        call();
        stats.give_back(&taken);
        assert_eq!(stats.take_fresh()[0].calls, 2);
    }
}
