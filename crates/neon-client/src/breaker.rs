//! A circuit breaker per route: after several failures in a row that speak against the route, calls to it are refused here for
//! a few seconds instead of waiting for the next failure; then one call finds out whether it works again.
//!
//! What speaks against a route: it answers 5xx, does not answer in time, or cannot be reached. A refusal (4xx, also 423) shows
//! that it works. A 429 says nothing, nor does an answer that was lost or garbled on its way: such a call may have been carried
//! out, and whoever made it has to look, soon. Where every tenth call fails at random, eight failures in a row are one chance
//! in a hundred million, so single failures never open it; and it opens for so short a time that it hardly delays a recovery.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{NeonError, Route};

/// Failures in a row that open it.
const FAILURES: u32 = 8;
/// How long it stays open before one call is let through.
const COOL_DOWN: Duration = Duration::from_secs(5);
/// A call that was given less time than this and ran out of it says nothing.
const FAIR_TIME: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(super) struct Breakers(Mutex<BTreeMap<Route, Breaker>>);

#[derive(Debug, Default)]
struct Breaker {
    failures_in_a_row: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    until: Instant,
    cause: String,
    /// A call is finding out whether the route works again.
    is_probed: bool,
}

/// A route that is not called for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBreaker {
    pub route: Route,
    pub failures_in_a_row: u32,
    pub cause: String,
    pub open_for: Duration,
    /// Until it is tried again; zero while a call is finding out.
    pub left: Duration,
}

/// Leave to call. Must be [settled](Pass::settle) when the call has ended; dropped before, it says nothing.
pub(super) struct Pass<'a> {
    breakers: &'a Breakers,
    route: Route,
    is_probe: bool,
}

enum Verdict {
    Works,
    Fails(String),
    Unknown,
}

impl Breakers {
    /// # Errors
    /// [`NeonError::CircuitOpen`].
    pub fn admit(&self, route: Route) -> Result<Pass<'_>, NeonError> {
        self.admit_at(route, Instant::now())
    }

    fn admit_at(&self, route: Route, now: Instant) -> Result<Pass<'_>, NeonError> {
        let mut breakers = self.lock();
        let breaker = breakers.entry(route).or_default();
        let Some(open) = &mut breaker.open else { return Ok(Pass { breakers: self, route, is_probe: false }) };
        if now >= open.until && !open.is_probed {
            open.is_probed = true;
            return Ok(Pass { breakers: self, route, is_probe: true });
        }
        let retry_in = open.until.saturating_duration_since(now).max(Duration::from_secs(1));
        let (failures, cause) = (breaker.failures_in_a_row, open.cause.clone());
        Err(NeonError::CircuitOpen { route: route.to_string(), retry_in, failures, cause })
    }

    pub fn open(&self) -> Vec<OpenBreaker> {
        let now = Instant::now();
        let describe = |(route, breaker): (&Route, &Breaker)| {
            let open = breaker.open.as_ref()?;
            Some(OpenBreaker {
                route: *route,
                failures_in_a_row: breaker.failures_in_a_row,
                cause: open.cause.clone(),
                open_for: now - open.since,
                left: open.until.saturating_duration_since(now),
            })
        };
        self.lock().iter().filter_map(describe).collect()
    }

    fn note(&self, route: Route, verdict: Verdict, was_probe: bool, now: Instant) {
        let mut breakers = self.lock();
        let breaker = breakers.entry(route).or_default();
        match verdict {
            Verdict::Works => {
                if breaker.open.is_some() {
                    tracing::info!(neon.route = %route, "the route works again and is called as before");
                }
                *breaker = Breaker::default();
            }
            Verdict::Fails(cause) => breaker.fail(route, cause, was_probe, now),
            Verdict::Unknown => {
                if let Some(open) = breaker.open.as_mut().filter(|_| was_probe) {
                    open.is_probed = false;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Route, Breaker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Breaker {
    fn fail(&mut self, route: Route, cause: String, was_probe: bool, now: Instant) {
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        match &mut self.open {
            // Calls that were under way when it opened prolong nothing.
            Some(open) if was_probe => {
                *open = Open { until: now + COOL_DOWN, cause, is_probed: false, since: open.since }
            }
            Some(_) => {}
            None if self.failures_in_a_row >= FAILURES => {
                tracing::warn!(neon.route = %route, cause, "the route failed {FAILURES} times in a row; it is not called for {} s", COOL_DOWN.as_secs());
                self.open = Some(Open { since: now, until: now + COOL_DOWN, cause, is_probed: false });
            }
            None => {}
        }
    }
}

impl Pass<'_> {
    /// Tells what came of the call. `took` of `limit` tells whether it was given a fair time.
    pub fn settle(self, error: Option<&NeonError>, took: Duration, limit: Duration) {
        self.settle_at(error, took, limit, Instant::now());
    }

    fn settle_at(mut self, error: Option<&NeonError>, took: Duration, limit: Duration, now: Instant) {
        self.breakers.note(self.route, verdict(error, took, limit), self.is_probe, now);
        self.is_probe = false;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breakers.note(self.route, Verdict::Unknown, true, Instant::now());
        }
    }
}

fn verdict(error: Option<&NeonError>, took: Duration, limit: Duration) -> Verdict {
    use NeonError::{Garbled, NoAnswer, RateLimited, Server, Unavailable, Unreachable};
    match error {
        Some(error @ (Server { .. } | Unavailable { .. } | Unreachable { .. })) => Verdict::Fails(error.to_string()),
        Some(error @ NoAnswer { .. }) if took >= limit && limit >= FAIR_TIME => Verdict::Fails(error.to_string()),
        Some(NoAnswer { .. } | Garbled { .. } | RateLimited { .. }) => Verdict::Unknown,
        _ => Verdict::Works,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: Route = Route::CREATE_PROJECT;
    const LIMIT: Duration = Duration::from_secs(30);

    fn failure() -> NeonError {
        NeonError::Server { status: 500, message: String::from("internal"), request_id: None }
    }

    fn lost() -> NeonError {
        NeonError::NoAnswer { cause: String::from("closed") }
    }

    /// Whether a call was admitted; if so, it ends like this.
    fn call(breakers: &Breakers, at: Instant, error: Option<&NeonError>) -> bool {
        let pass = breakers.admit_at(ROUTE, at);
        pass.map(|pass| pass.settle_at(error, Duration::from_millis(50), LIMIT, at)).is_ok()
    }

    fn opened(at: Instant) -> Breakers {
        let breakers = Breakers::default();
        assert!((0..FAILURES).all(|_| call(&breakers, at, Some(&failure()))));
        breakers
    }

    #[test]
    fn failures_in_a_row_open_it_for_this_route_alone() {
        let now = Instant::now();
        let breakers = opened(now);
        let Err(error) = breakers.admit_at(ROUTE, now) else { panic!("still called") };
        assert!(error.to_string().contains("POST /projects") && error.to_string().contains("internal"), "{error}");
        assert!(
            error.is_worth_retrying() && !error.may_have_been_carried_out() && error.retry_after() == Some(COOL_DOWN)
        );
        assert!(breakers.admit_at(Route::LIST_PROJECTS, now).is_ok());
        assert_eq!(breakers.open()[0].failures_in_a_row, FAILURES);
    }

    #[test]
    fn after_the_cool_down_one_call_finds_out() {
        let now = Instant::now();
        let breakers = opened(now);
        let later = now + COOL_DOWN;
        let probe = breakers.admit_at(ROUTE, later).ok().unwrap();
        assert!(breakers.admit_at(ROUTE, later).is_err(), "one at a time");
        probe.settle_at(Some(&failure()), Duration::ZERO, LIMIT, later);
        assert!(breakers.admit_at(ROUTE, later).is_err(), "it failed: another cool-down");
        assert!(call(&breakers, later + COOL_DOWN, None));
        assert!(call(&breakers, later + COOL_DOWN, None) && breakers.open().is_empty());
    }

    #[test]
    fn a_probe_that_was_given_up_or_says_nothing_leaves_the_turn_to_the_next() {
        let now = Instant::now();
        let breakers = opened(now);
        drop(breakers.admit_at(ROUTE, now + COOL_DOWN).ok().unwrap());
        assert!(call(&breakers, now + COOL_DOWN, Some(&NeonError::RateLimited { retry_after: None })));
        assert!(
            call(&breakers, now + COOL_DOWN, Some(&NeonError::Locked { message: String::new() })),
            "423 is an answer"
        );
        assert!(breakers.open().is_empty());
    }

    #[test]
    fn what_is_no_fault_of_the_route_never_opens_it() {
        let now = Instant::now();
        let breakers = Breakers::default();
        let harmless = [
            NeonError::RateLimited { retry_after: None },
            NeonError::Locked { message: String::new() },
            NeonError::NotFound { message: String::new() },
            NeonError::Garbled { detail: String::new() },
            lost(),
        ];
        for error in harmless.iter().cycle().take(100) {
            assert!(call(&breakers, now, Some(error)), "{error}");
        }
        for _ in 0..100 {
            let impatient = Duration::from_millis(200);
            breakers.admit_at(ROUTE, now).ok().unwrap().settle_at(Some(&lost()), impatient, impatient, now);
        }
        assert!((0..FAILURES).all(|_| {
            let pass = breakers.admit_at(ROUTE, now).ok();
            pass.map(|pass| pass.settle_at(Some(&lost()), LIMIT, LIMIT, now)).is_some()
        }));
        assert!(breakers.admit_at(ROUTE, now).is_err(), "time-outs do");
    }
}
