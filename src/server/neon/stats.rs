//! What was called and how it went, counted in memory since the start: for the status strip, the screens and the metrics.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;

use super::{Class, NeonError, Route};
use crate::types::Time;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallStatus {
    /// Answered with this HTTP status.
    Answered(u16),
    /// Answered with success, but unreadable.
    Garbled,
    Unreachable,
    NoAnswer,
    /// Not sent: no free place in the budget.
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

/// How Neon does, as seen from here.
#[derive(Clone, Debug, Default)]
pub struct NeonHealth {
    /// The last answer that shows that Neon works.
    pub last_ok_at: Option<Time>,
    /// The first outage since then. A single refused call is none.
    pub failing_since: Option<Time>,
    /// The last thing that went wrong; a project that was busy or gone is not counted as such.
    pub last_error: Option<String>,
    pub last_error_at: Option<Time>,
    /// How long all calls still pause because Neon asked for it.
    pub paused_for: Option<Duration>,
    /// Calls that wait for a free place in the budget.
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
    calls: BTreeMap<(Class, Route, CallStatus), (u64, Duration)>,
}

impl Stats {
    /// Notes one call. `error` is what came of it, if not success.
    pub fn record(&self, class: Class, route: Route, status: CallStatus, took: Duration, error: Option<&NeonError>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, total) = state.calls.entry((class, route, status)).or_default();
        *calls += 1;
        *total += took;
        let (now, health) = (Utc::now(), &mut state.health);
        if let Some(error) = error.filter(|error| !error.is_everyday()) {
            health.last_error = Some(error.to_string());
            health.last_error_at = Some(now);
        }
        match error {
            Some(error) if error.is_outage() => {
                health.failing_since.get_or_insert(now);
            }
            Some(NeonError::BudgetExhausted { .. }) => {}
            _ => {
                health.last_ok_at = Some(now);
                health.failing_since = None;
            }
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
